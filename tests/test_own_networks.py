"""Data and networks of somebody's own, from the command line: convolutions, frozen layers, kinks, what is refused."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jaxtyping
import polars as pl
import pytest
import torch

from spinodal import cli
from spinodal.observables import spectrum
from spinodal.records import read_records

OWN = """
import torch
from sklearn.datasets import load_digits
from torch import nn
from spinodal.tasks import Task


def images(complexity=1, samples=24, dims=2, kind="right"):
    pixels, labels = (torch.as_tensor(array) for array in load_digits(return_X_y=True))
    chosen = (labels <= complexity).nonzero().squeeze(-1)[:samples]
    shape = (-1, 1, 8, 8) if dims == 2 else (-1, 1, 64)
    x, y = pixels[chosen].double().view(shape), nn.functional.one_hot(labels[chosen], complexity + 1).double()
    x = x - x.mean(0) if kind != "uncentred" else x
    x, centred = x / x.square().mean().sqrt(), y - y.mean(0)
    error = "crossentropy" if kind == "crossentropy" else "squared"
    if kind in ("one_hot", "column"):
        centred = y if kind == "one_hot" else centred[:, :1]
    if kind == "flat":
        return Task("images", x, centred[:, 0], x, centred[:, 0], error, False, complexity)
    return Task("images", x, centred, x, centred, error, True, complexity)


class Convolution(nn.Sequential):
    def __init__(self, input_dim, output_dim, dims=2, kind="tanh"):
        assert input_dim == 64
        convolution, pooling = (nn.Conv2d, nn.AvgPool2d) if dims == 2 else (nn.Conv1d, nn.AvgPool1d)
        width = {"wide": 3}.get(kind, output_dim)
        middle = {"relu": nn.ReLU(), "dropout": nn.Sequential(nn.Tanh(), nn.Dropout(0.2))}.get(kind, nn.Tanh())
        super().__init__(
            convolution(1, 1, 3, bias=False), middle, pooling(6 if dims == 2 else 31), nn.Flatten(),
            nn.Linear(1 if dims == 2 else 2, width, bias=False),
        )
        if kind == "coupled":
            self.append(nn.BatchNorm1d(width, track_running_stats=False))
        if kind in ("frozen", "all frozen"):
            (self[0] if kind == "frozen" else self).requires_grad_(False)
"""
SHORT = ["l2=[0.01,0.1]", "seed=[0,1]", "campaign=c", "logger=none", "relaxation.max_steps=400"]


@pytest.fixture(autouse=True)
def campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPINODAL_OUTPUTS", str(tmp_path / "outputs"))
    (tmp_path / "networks_of_their_own.py").write_text(OWN)
    for group, name in (("data", "images"), ("model", "Convolution")):
        folder = tmp_path / "mine" / group
        folder.mkdir(parents=True)
        (folder / "own.yaml").write_text(
            f"{{_target_: networks_of_their_own.{name}, dims: 2, kind: right{', complexity: 1' * (group == 'data')}}}"
        )
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "outputs" / "c"


@pytest.fixture
def _as_users_run_it() -> Iterator[None]:
    """Without the checks of annotations that the tests add, which would speak first."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def go(command: str, *overrides: str) -> object:
    own = ["--config-dir", "mine", "data=own"]
    model = [] if any(each.startswith("model=") for each in overrides) else ["model=own"]
    try:
        return cli.main([command, *own, *model, *overrides])
    except SystemExit as end:
        return end.code


def rows(campaign: Path, **wanted: Any) -> pl.DataFrame:
    return read_records(campaign).filter(**wanted).sort("seed", "stage")


@pytest.mark.parametrize("dims", [1, 2])
def test_convolutions_go_through_all_stages_with_all_that_is_measured(dims: int, campaign: Path) -> None:
    sizes = [f"data.dims={dims}", f"model.dims={dims}"]
    measured = ["protocol=up", "callbacks=[curvature,spectrum]"]
    assert go("run", *SHORT, *sizes, *measured) == 0
    found = rows(campaign)
    assert found["stage"].to_list() == [0, 1] * 2
    assert set(found["input_dim"]) == {64}
    assert found["scalar_curvature"].is_not_null().all()
    assert found["hessian_max"].is_not_null().all()
    assert set(found["criterion"]) == {"gradient"}
    # Each replica is the one it would be alone.
    assert go("run", *SHORT, *sizes, *measured, "seed=1", "campaign=alone") == 0
    alone = rows(campaign.parent / "alone")
    for column in ("error", "norm", "scalar_curvature"):
        assert alone[column].to_list() == pytest.approx(
            rows(campaign, seed=1)[column].to_list(), rel=1e-6, abs=1e-9
        )


def test_minibatches_of_images_are_samples(campaign: Path) -> None:
    """N = 24 images of 8 × 8 pixels: a batch with every sample once would be the full gradient."""
    noisy = [
        "protocol=train",
        "protocol.noise=minibatch",
        "optimizer=sgd",
        "protocol.steps=20",
        "protocol.records=3",
    ]
    assert go("run", *SHORT, *noisy, "protocol.batch=4", "l2=0.01") == 0
    found = rows(campaign)
    assert found["trained_steps"].max() == 20
    assert set(found["samples"]) == {24}
    # However many samples a batch has, its mean is that of the full gradient: huge ones train like it.
    huge = ["protocol.batch=100000000", "l2=0.01"]
    assert go("run", *SHORT, *noisy, *huge, "campaign=huge") == 0
    full = [each for each in noisy if "noise" not in each]
    assert go("run", *SHORT, *full, "l2=0.01", "campaign=full") == 0
    ends = [rows(campaign.parent / name)["error"].to_list() for name in ("huge", "full")]
    assert ends[0] == pytest.approx(ends[1], rel=1e-3)


def test_what_is_frozen_stays_as_its_seed_made_it_outside_of_theta(
    campaign: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a frozen convolution a linear layer is left to train: ridge regression on what the convolution makes."""
    monkeypatch.setattr(spectrum, "_BYTES", 1)  # the Hessian of one replica at a time
    assert go("run", *SHORT, "model.kind=frozen", "protocol=up", "callbacks=spectrum") == 0
    found = rows(campaign)
    assert set(found["parameters"]) == {2}
    own = importlib.import_module("networks_of_their_own")
    task = own.images()
    for row in found.iter_rows(named=True):
        torch.manual_seed(row["seed"])
        network = own.Convolution(64, 2, kind="frozen").double()
        frozen = torch.nn.Sequential(*list(network)[:4])(task.inputs)
        covariance = frozen.T @ frozen / 24
        head = torch.linalg.solve(covariance + 2 * row["l2"] * torch.eye(1), frozen.T @ task.targets / 24)
        assert row["norm"] == pytest.approx(float(head.norm()), rel=1e-6)
        assert row["error"] == pytest.approx(float(task.error(frozen @ head, task.targets)), rel=1e-6)
        assert row["hessian_max"] == pytest.approx(float(covariance), rel=1e-6)


def test_a_checkpoint_keeps_what_is_frozen(campaign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ridge regression has one minimum, which is found where the job was, if the frozen layers are those it had."""
    assert go("run", *SHORT, "model.kind=frozen", "protocol=up", "l2=[0.1]", "checkpoint.keep=true") == 0
    (checkpoint,) = (each for each in (campaign / "checkpoints").iterdir() if "previous" not in each.name)
    capsys.readouterr()
    assert cli.main(["probe", str(checkpoint)]) == 0
    told = capsys.readouterr().out
    assert told.count("│ minimum │") == 2, told


def test_kinks_are_recognised_whoever_wrote_them(campaign: Path) -> None:
    assert go("run", *SHORT, "model.kind=relu", "protocol=up") == 0
    found = rows(campaign)
    assert set(found["criterion"]) == {"fall"}
    assert found["minimum"].is_null().all()


REFUSED = [
    ("data.kind=one_hot", ["data images: targets[0] = [1.0, 0.0]", "one-hot vectors less their mean"]),
    ("data.kind=column", ["data images: targets have 1 column"]),
    ("data.kind=flat", ["data images: targets have the shape [24]", "[N, c]"]),
    ("data.kind=crossentropy", ["error_name = crossentropy", "squared or cross_entropy"]),
    ("model.kind=dropout", ["model: Convolution is random", "network.eval()"]),
    ("model.kind=coupled", ["output for one sample depends on the others", "LayerNorm"]),
    ("model.kind=wide", ["model: Convolution returns outputs of shape [8, 3]", "[8, 2]"]),
    ("model.kind='all frozen'", ["nothing to train"]),
    ("data.dims=1", ["cannot be evaluated on inputs of shape [8, 1, 64]"]),
    ("model=mlp", ["model: MLP", "[8, 1, 8, 8]"]),
]


@pytest.mark.usefixtures("_as_users_run_it")
@pytest.mark.parametrize(("override", "told"), REFUSED, ids=[each for each, _ in REFUSED])
def test_what_cannot_be_is_refused_in_a_line(
    override: str, told: list[str], campaign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go("run", *SHORT, override) != 0
    err = " ".join(capsys.readouterr().err.split())
    assert all(each in err for each in told), err
    assert "Traceback" not in err
    assert not list((campaign / "records").glob("*.parquet"))


def test_uncentred_data_is_accepted_and_named(campaign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("run", "predict"):
        assert go(command, *SHORT, "data.kind=uncentred", "l2=0.1") == 0
        both = capsys.readouterr()
        assert "not centred" in both.out + both.err, command
        assert go(command, *SHORT, "l2=0.1", "campaign=centred") == 0
        both = capsys.readouterr()
        assert "not centred" not in both.out + both.err, command
