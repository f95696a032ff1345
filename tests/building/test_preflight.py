"""What cannot be built is refused before anything is run or written, in a line, by key, value and place."""

import sys
from pathlib import Path

import pytest
import torch

from spinodal import cli
from spinodal.building import preflight
from spinodal.campaign import read_attempts
from spinodal.planning import survey
from spinodal.records import read_records

OWN = """
from pathlib import Path

import numpy
import pytorch_lightning as pl
import torch
from spinodal.tasks import Task


def called(name):
    with Path("calls").open("a") as file:
        file.write(f"{name}\\n")


def rings(complexity=2, seed=0, wrong=0):
    called("rings")
    if complexity == wrong:
        raise ValueError("no such rings")  # line 18
    x = torch.randn(20, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    x -= x.mean(0)
    y = x[:, :complexity]
    return Task("rings", x, y, x, y, "squared", False, complexity)


def missing():
    return numpy.load("rings.npy")


def unlike():
    return {"x": 1}


class Net(torch.nn.Module):
    def __init__(self, input_dim, output_dim, outputs=0, width=3, next=3):
        super().__init__()
        called("Net")
        self.inner = torch.nn.Linear(input_dim, width)
        self.outer = torch.nn.Linear(next, outputs or output_dim)

    def forward(self, inputs):
        called(f"on {inputs.device}")
        return self.outer(self.inner(inputs))  # line 42


class Norm(torch.nn.Sequential):
    def __init__(self, input_dim, output_dim):
        super().__init__(torch.nn.Linear(input_dim, output_dim), torch.nn.BatchNorm1d(output_dim))


class Numbers(Net):
    def forward(self, inputs):
        if not torch.is_tensor(inputs) or inputs.device.type == "meta":
            raise NotImplementedError
        return super().forward(inputs)


def none(input_dim, output_dim):
    return None


class Stops(pl.Callback):
    def on_train_epoch_end(self, trainer, module):
        trainer.should_stop = True
"""
CHOICES = {
    "data/rings": "{_target_: own_for_preflight.rings, complexity: 2, seed: 0, wrong: 0}",
    "data/missing": "{_target_: own_for_preflight.missing}",
    "data/unlike": "{_target_: own_for_preflight.unlike}",
    "model/net": "{_target_: own_for_preflight.Net, outputs: 0, next: 3}",
    "model/norm": "{_target_: own_for_preflight.Norm}",
    "model/numbers": "{_target_: own_for_preflight.Numbers}",
    "model/none": "{_target_: own_for_preflight.none}",
    "model/broken": "{_target_: broken_for_preflight.Net}",
    "model/nowhere": "{_target_: nowhere.Net}",
}
SMALL = ["--config-dir", "mine", "logger=none", "l2=[0.1]", "campaign=c"]


@pytest.fixture(autouse=True)
def campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPINODAL_OUTPUTS", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_for_preflight", raising=False)
    (tmp_path / "own_for_preflight.py").write_text(OWN)
    (tmp_path / "broken_for_preflight.py").write_text("import torch\nimport no_such_module\n")
    for name, text in CHOICES.items():
        file = tmp_path / "mine" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "outputs" / "c"


def go(*overrides: str) -> object:
    try:
        return cli.main(["run", *SMALL, *overrides])
    except SystemExit as end:
        return end.code


def calls(name: str) -> int:
    path = Path("calls")
    return path.read_text().split("\n").count(name) if path.exists() else 0


DIGITS = "data.samples = 100000: must be from 4 (one a class) to 540 (all)."
SLURM = ["hydra/launcher=slurm", "dry_run=true"]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["data=rings", "data.wrong=2"],
            "data: own_for_preflight.rings raised ValueError: no such rings (own_for_preflight.py, line 18)",
        ),
        (
            ["data=rings", "data.wrong=2", "data.complexity=1,2,3"],
            "ValueError: no such rings (own_for_preflight.py, line 18) (with data.complexity=2)",
        ),
        (
            ["data=missing"],
            "data: own_for_preflight.missing raised FileNotFoundError: rings.npy: No such file or directory (own_for",
        ),
        (
            ["data=unlike"],
            "data: own_for_preflight.unlike returned dict: must return a spinodal.tasks.task.Task",
        ),
        (["data=digits", "data.samples=100000"], DIGITS),
        (["data=modular_addition", "data.fraction=0.9999"], "data.fraction = 0.9999: must be"),
        (
            ["model=nowhere"],
            "model: nowhere.Net cannot be imported: No module named 'nowhere'; modules are looked",
        ),
        (
            ["model=broken"],
            "model: broken_for_preflight.Net cannot be imported: No module named 'no_such_module' "
            "(broken_for_preflight.py, line 2)",
        ),
        (["model=none"], "model: own_for_preflight.none returned NoneType: must return a torch.nn"),
        (["model=norm"], "model: Norm has BatchNorm1d in training mode"),
        (
            ["model=net", "model.outputs=1"],
            "outputs of shape [8, 1] for inputs of shape [8, 3]: must be [8, 3], as the targets",
        ),
        (["model=net", "model.next=7"], "multiplied (8x3 and 7x3) (own_for_preflight.py, line 42)"),
        (
            ["model=net", "+model.depth=2"],
            "model.depth=2: no such argument, own_for_preflight.Net takes outputs",
        ),
        (
            ["optimizer._target_=fractions.Fraction", "~optimizer.lr"],
            "optimizer: fractions.Fraction returned Fraction",
        ),
        (
            ["+callbacks.mine._target_=nowhere.Callback"],
            "callbacks.mine: nowhere.Callback cannot be imported",
        ),
        (["+callbacks.mine._target_=builtins.dict"], "callbacks.mine: builtins.dict returned dict"),
        (
            ["+trainer.acelerator=gpu"],
            "trainer.acelerator=gpu: pytorch_lightning.Trainer takes no such argument; did",
        ),
        (
            ["+trainer.acelerator=gpu", *SLURM],
            "trainer.acelerator=gpu: pytorch_lightning.Trainer takes no such",
        ),
        (["+trainer.max_steps=many", *SLURM], "trainer.max_steps=many: must be int"),
        (["+trainer.max_epochs=3"], "trainer.max_epochs=3: is not the trainer's to say"),
        (["trainer._target_=nowhere.Trainer"], "trainer: nowhere.Trainer cannot be imported"),
        (["trainer=gpu"], "trainer.accelerator=gpu: there is no CUDA GPU on this machine"),
        (
            ["trainer=gpu", "hydra/launcher=local"],
            "trainer.accelerator=gpu: there is no CUDA GPU on this machine",
        ),
        (["trainer=gpu", "hydra/sweeper=basic", "hydra.mode=RUN"], "there is no CUDA GPU on this machine"),
        (
            ["protocol=escape", "protocol.phase=2", "model=deep_linear", "l2=[0.05,0.9]"],
            "protocol.phase=2: there is no such phase at l2=0.9",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_built_is_refused(
    overrides: list[str], said: str, campaign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go(*overrides) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert err.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in err
    assert out == ""
    assert not (campaign / "packs").exists()
    assert not read_attempts(campaign)


def test_a_dry_run_builds_too(campaign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert go("dry_run=true", "model=none,norm") == 2
    told = capsys.readouterr().err
    assert "model: own_for_preflight.none returned NoneType" in told
    assert "model: Norm has BatchNorm1d in training mode" in told
    assert not campaign.exists()


def test_each_distinct_configuration_is_built_once(capsys: pytest.CaptureFixture[str]) -> None:
    grid = ["data=rings", "model=net", "l2=geom:0.01:1:100", "seed=range(10)", "dry_run=true"]
    assert go(*grid) == 0
    assert (calls("rings"), calls("Net")) == (1, 2)  # once to count its parameters
    assert go(*grid, "data.complexity=1,2,3", "optimizer=gradient_descent,adam") == 0
    assert (calls("rings"), calls("Net")) == (4, 8)
    assert "building 6 configurations" in capsys.readouterr().err
    assert go(*grid, "data.seed=range(5)") == 0
    assert (calls("rings"), calls("Net")) == (9, 10)  # data of the same shape, so the same network


def test_what_is_finished_is_not_built(campaign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert go("data=rings", "data.wrong=5") == 0
    before = calls("rings")
    assert "building 1 configuration" in capsys.readouterr().err
    assert go("data=rings", "data.wrong=5", "dry_run=true") == 0
    assert calls("rings") == before
    assert "building" not in capsys.readouterr().err
    assert len(read_records(campaign)) == 1


def test_time_is_bounded(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(preflight, "PATIENCE", -1.0)
    assert go("data=rings", "data.complexity=1,2,3", "dry_run=true") == 0
    assert "0 of 3 tasks were built within -1 s; jobs build the others" in capsys.readouterr().err
    assert calls("rings") == 0
    assert go("+trainer.acelerator=gpu", "dry_run=true") == 2  # which takes no time


def test_large_networks_have_no_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "LARGE", 10)
    assert go("model=net", "dry_run=true") == 0
    assert (calls("on meta"), calls("on cpu")) == (4, 0)  # once for its outputs, and for the memory it takes
    assert go("model=net", "model.next=7", "dry_run=true") == 2
    assert go("model=numbers", "dry_run=true") == 0
    assert calls("on cpu") > 2


def test_it_can_be_left_to_the_jobs(campaign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What fails there is a failure like any other."""
    command = ["data=rings", "data.wrong=2", "data.complexity=1,2", "seed=[0,1]", "preflight=false"]
    assert go(*command) == 1
    told = capsys.readouterr().err
    assert "4 points: 2 done, 2 failed" in told
    assert "building" not in told
    assert "data: own_for_preflight.rings raised ValueError: no such rings" in told
    assert "Traceback" not in told
    before = read_attempts(campaign)
    assert len(before) == 2
    assert cli.main(["status", str(campaign)]) == 0
    assert "4 points: 2 done, 2 failed" in capsys.readouterr().out
    assert cli.main(["status", str(campaign), "--failed"]) == 0
    assert 'raise ValueError("no such rings")' in capsys.readouterr().out
    assert go(*command) == 1
    assert "retry_failed=true runs again what has failed" in capsys.readouterr().err
    assert read_attempts(campaign) == before
    assert go(*command, "retry_failed=true") == 1
    assert len(read_attempts(campaign)) == 3


def test_curves_that_share_a_job_do_not_share_the_failure(
    campaign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of five strengths the last is too weak to be told from rounding; of three it is not."""
    shared = ["data.input_dim=5", "data.output_dim=5", "data.ratio=0.002", "seed=[0,1,2]", "preflight=false"]
    assert go(*shared, "data.complexity=3,5", "model.width=5") == 1
    assert "6 points: 3 done, 3 failed" in capsys.readouterr().err
    together, *apart = read_attempts(campaign)
    assert (len(together.points), sorted(len(each.points) for each in apart)) == (6, [3, 3])
    assert {failure.error.partition(":")[0] for failure in survey(campaign).failed.values()} == {
        "data.ratio = 0.002"
    }


def test_who_ends_training_early_has_failed(campaign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert go("l2=[0.1,0.2]", "+callbacks.mine._target_=own_for_preflight.Stops") == 1
    assert "training was ended after 1 stages, before the last" in capsys.readouterr().err
    assert len(survey(campaign).failed) == 1


def test_a_login_node_without_a_gpu_plans_jobs_that_have_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert go("trainer=gpu", *SLURM) == 0
    assert "building 1 configuration" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("trainer.devices=2", "trainer.devices=2: must be 1"),
        ("trainer.devices=[0,1]", "trainer.devices=[0,1]: must be 1"),
        ("trainer.devices=-1", "trainer.devices=-1: must be 1"),
        ("+trainer.num_nodes=2", "trainer.num_nodes=2: must be 1"),
        ("+trainer.strategy=ddp", "trainer.strategy=ddp: must be auto"),
    ],
)
def test_a_job_has_one_device(override: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    for launcher in ([], ["hydra/launcher=local"], SLURM):
        assert go(override, *launcher) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {said}")
        assert "hydra/launcher=local or slurm" in line


@pytest.mark.parametrize("devices", ["1", "[3]", "'3,'", "auto"])
def test_one_device_may_be_written_in_several_ways(devices: str) -> None:
    assert go(f"trainer.devices={devices}", "preflight=false", "dry_run=true") == 0


def test_tracebacks_for_those_who_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ValueError, match="no such rings") as raised:
        go("data=rings", "data.wrong=2", "dry_run=true")
    assert raised.value.__cause__ is not None


def test_predict_names_the_missing_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["predict", *SMALL, "data=missing"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "rings.npy: No such file or directory (own_for_preflight.py" in line
