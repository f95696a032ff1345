"""protocol.refine=exact through the command line: jumps where theory has them, whatever the grid."""

import os
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from spinodal import cli
from spinodal.analysis import find_transitions
from spinodal.records import read_records
from spinodal.theory import spinodal

SMALL = ["logger=none", "hydra/launcher=basic", "model=deep_linear", "model.width=4", "data.samples=24"]
SMALL += ["data.complexity=2", "data.input_dim=2", "data.output_dim=2"]
SMALL += ["protocol=up", "protocol.refine=exact", "campaign=c"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPINODAL_OUTPUTS", raising=False)
    return tmp_path / "outputs" / "c"


def go(*overrides: str) -> object:
    try:
        return cli.main(["run", *SMALL, *overrides])
    except SystemExit as end:
        return end.code


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """Two networks with data of their own in one job, on a grid of three λ."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("exact"))
    try:
        assert go("data.complexity=1,2", "l2=[0.05,0.2,0.4]") == 0
        return read_records("outputs/c")
    finally:
        os.chdir(before)


@pytest.mark.parametrize("features", [1, 2])
def test_jumps_are_where_theory_has_them(records: pl.DataFrame, features: int) -> None:
    rows = records.filter(complexity=features).sort("control_value")
    assert rows["job"].n_unique() == records["job"].n_unique() == 1
    assert rows["refine"].unique().to_list() == [9]
    jumps = rows.filter(pl.col("located").is_not_null())
    exact = sorted(spinodal([1.0, 0.6][:features], 3))
    assert jumps["located"].to_list() == pytest.approx(exact, rel=1e-9)
    assert ((jumps["located"] - pl.Series(exact)).abs() <= jumps["located_error"] + 1e-10).all()
    assert jumps["located_error"].max() < 1e-9
    assert jumps["located_kind"].unique().to_list() == ["fold"]
    assert jumps["reversible"].to_list() == [False] * features
    assert rows["minimum"].all()
    assert rows["reversible"].fill_null(True).sum() == len(rows) - features
    for at in exact:
        low, high = (
            rows["control_value"].filter(side).sort()
            for side in (rows["control_value"] < at, rows["control_value"] > at)
        )
        assert high[0] / low[-1] < 1 + 3e-6


def test_a_replica_does_not_feel_its_neighbours(records: pl.DataFrame, folder: Path) -> None:
    assert go("data.complexity=2", "l2=[0.05,0.2,0.4]") == 0
    alone, together = read_records(folder).sort("stage"), records.filter(complexity=2).sort("stage")
    assert alone["point"].to_list() == together["point"].to_list()
    columns = ["stage", "control_value", "error", "located", "located_E"]
    assert_frame_equal(alone.select(columns), together.select(columns), rel_tol=1e-9)


def test_reports_have_jumps_as_located(records: pl.DataFrame) -> None:
    """Of one feature of strength 1 in three layers, a³ is 1/4 where it ends, and E is ½(1 − a³)² and then ½."""
    (jump,) = find_transitions(records.filter(complexity=1)).iter_rows(named=True)
    assert (jump["order"], jump["evidence"]) == (1, "followed, the minimum ends")
    assert jump["control_high"] / jump["control_low"] < 1 + 1e-8
    assert jump["control_low"] <= spinodal([1.0], 3)[0] <= jump["control_high"]
    assert jump["before"] == pytest.approx(0.5 * 0.75**2, abs=1e-9)
    assert jump["after"] == pytest.approx(0.5, abs=1e-9)
    assert abs(jump["jump"] - (0.5 - 0.5 * 0.75**2)) <= jump["jump_error"] < 1e-6


def test_kinks_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert go("model=mlp", "model.activation=relu", "l2=[0.1,0.2]") == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: protocol.refine=exact: must be an integer, since 𝓛 has kinks (ReLU, maxima), and minima are followed "
        "by their Hessian"
    )


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["protocol.refine=exactly"], "protocol.refine=exactly: must be an integer from 0 to 10, or exact"),
        (["relaxation=survey"], "protocol.refine=exact: must be an integer with relaxation.flow"),
        (["protocol=quench"], "protocol.refine=exact: must be 0 for a quench"),
        (["protocol=escape"], "protocol.refine=exact: must be 0"),
    ],
)
def test_where_nothing_is_followed_it_is_refused(
    overrides: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go("l2=[0.1]", *overrides, "dry_run=true") == 2
    assert said in capsys.readouterr().err
    assert not folder.exists()
