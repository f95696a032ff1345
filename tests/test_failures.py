"""What goes wrong with one point stays with it: the others finish, and everything is written down."""

from pathlib import Path
from typing import Any

import pytest
from polars.testing import assert_frame_equal

from spinodal import cli
from spinodal.campaign import Attempt, read_attempts
from spinodal.planning import survey
from spinodal.records import read_records

NETWORKS = """
import torch
from spinodal.networks import MLP

class Nan(MLP):
    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        if torch.initial_seed() == 3:
            self.layers[0].weight.data.fill_(float("nan"))

class Marked(MLP):
    "That of seed 3 can be told from the others."
    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        if torch.initial_seed() == 3:
            self.layers[0].weight.data[0, 0] = 1000.0

class Raises(Marked):
    def stacked(self, parameters, inputs):
        if parameters["layers.0.weight"].max() > 500:
            raise RuntimeError("a weight is too large")
        return super().stacked(parameters, inputs)

class Large(MLP):
    limit = 3
    def stacked(self, parameters, inputs):
        if len(parameters["layers.0.weight"]) > Large.limit:
            raise MemoryError("no room")
        return super().stacked(parameters, inputs)

class Hopeless(MLP):
    tried = 0
    def stacked(self, parameters, inputs):
        Hopeless.tried += 1
        raise RuntimeError("always")
"""
SMALL = [
    "data.complexity=1",
    "data.samples=12",
    "model.width=3",
    "l2=[0.05,0.1]",
    "logger=none",
    "campaign=c",
    "seed=range(7)",
]


@pytest.fixture(autouse=True)
def campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPINODAL_OUTPUTS", raising=False)
    (tmp_path / "networks_for_failures.py").write_text(NETWORKS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "outputs" / "c"


def go(network: str, *overrides: str) -> object:
    try:
        return cli.main(["run", *SMALL, f"model._target_=networks_for_failures.{network}", *overrides])
    except SystemExit as end:
        return end.code


def seeds(table: Any) -> list[int]:
    return sorted(table["seed"].unique())


def rows(campaign: Path) -> Any:
    about_the_job = ("job", "campaign", "wall_time", "steps", "grad_max")
    return read_records(campaign).filter(seed=5).drop(about_the_job).sort("stage")


@pytest.mark.parametrize(
    ("network", "said"), [("Nan", "not finite: E = nan at λ = 0.05"), ("Raises", "a weight is too large")]
)
def test_a_point_fails_and_the_others_finish(
    network: str, said: str, campaign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go(network) == 1
    err = capsys.readouterr().err
    assert "7 points: 6 done, 1 failed" in err
    assert said in err
    assert "Traceback" not in err
    assert seeds(read_records(campaign)) == [0, 1, 2, 4, 5, 6]
    (failure,) = survey(campaign).failed.values()
    assert said in failure.error
    assert network == "Nan" or 'raise RuntimeError("a weight is too large")' in failure.traceback
    # In company of a failing one the result is the one alone.
    assert go(network, "seed=5", "campaign=alone") == 0
    assert_frame_equal(rows(campaign), rows(campaign.parent / "alone"), rel_tol=1e-6, abs_tol=1e-7)


def test_what_has_failed_is_tried_again_only_when_asked_for(
    campaign: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go("Raises") == 1
    before = len(read_attempts(campaign))
    assert go("Raises") == 1
    assert len(read_attempts(campaign)) == before
    assert "retry_failed=true runs again what has failed" in capsys.readouterr().err
    import networks_for_failures

    assert go("Raises", "retry_failed=true") == 1  # it fails again
    assert len(read_attempts(campaign)) == before + 1
    monkeypatch.setattr(
        networks_for_failures.Raises, "stacked", networks_for_failures.MLP.stacked
    )  # put right
    assert go("Raises", "retry_failed=true") == 0
    assert seeds(read_records(campaign)) == list(range(7))
    assert survey(campaign).failed == {}
    assert max(survey(campaign).attempts.values()) == 6  # four until it was found, two of its own


def test_an_ensemble_that_does_not_fit_is_halved(campaign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert go("Large") == 0
    assert "7 points: 7 done" in capsys.readouterr().err
    assert [len(each.points) for each in large(campaign)] == [7, 4]
    # What has been learned is not forgotten: 4 did not fit.
    assert go("Large", "seed=range(20)") == 0
    assert [len(each.points) for each in large(campaign)] == [7, 4]
    assert max(len(each.points) for each in read_attempts(campaign)[-5:]) == 2
    assert seeds(read_records(campaign)) == list(range(20))


def large(campaign: Path) -> list[Attempt]:
    return [each for each in read_attempts(campaign) if each.state == "too large"]


def test_what_ails_all_is_not_tried_with_each(campaign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert go("Hopeless", "seed=range(64)") == 2  # what is seen before, is not tried at all
    assert "model: Hopeless.stacked cannot be evaluated: RuntimeError: always" in capsys.readouterr().err
    assert not read_attempts(campaign)
    assert go("Hopeless", "seed=range(64)", "preflight=false") == 1
    assert "64 points: 0 done, 64 failed" in capsys.readouterr().err
    assert len(read_attempts(campaign)) < 16
    assert len({failure.traceback for failure in survey(campaign).failed.values()}) <= 2


def test_one_bad_pack_of_a_sweep_leaves_the_others_alone(
    campaign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go("Nan", "seed=3,4", "data.complexity=1,2") == 1
    assert "4 points: 2 done, 2 failed" in capsys.readouterr().err
    assert {(row["seed"], row["complexity"]) for row in read_records(campaign).iter_rows(named=True)} == {
        (4, 1),
        (4, 2),
    }


def test_a_measurement_of_the_others_goes_on(campaign: Path) -> None:
    assert go("Nan", "callbacks=[curvature,spectrum]") == 1
    table = read_records(campaign)
    assert seeds(table) == [0, 1, 2, 4, 5, 6]
    assert table["scalar_curvature"].null_count() == 0


@pytest.mark.parametrize("lr", ["0.05,5.0", "5.0"])
def test_what_diverges_is_recorded_as_failed_and_told_in_the_report(
    campaign: Path, capsys: pytest.CaptureFixture[str], lr: str
) -> None:
    """Steps far too long, of some replicas and of all: the report names them and draws the others."""
    small = [each for each in SMALL if not each.startswith(("model.width", "seed"))]
    arguments = ["optimizer=sgd", f"optimizer.lr={lr}", "protocol=train", "protocol.steps=200", "seed=[0,1]"]
    with pytest.raises(SystemExit):
        cli.main(["run", *small, "model=deep_linear", "model.width=4", *arguments])
    failed = {point: why for attempt in read_attempts(campaign) for point, why in attempt.failed.items()}
    assert len(failed) == 4
    assert all(each.error.startswith("not finite") for each in failed.values())
    capsys.readouterr()
    assert cli.main(["report", str(campaign)]) == 0
    assert f"4 of {4 * len(lr.split(','))} replicas diverged" in capsys.readouterr().out
    page = (campaign / "report" / "report.html").read_text(encoding="utf-8")
    assert all(point in page for point in failed)
