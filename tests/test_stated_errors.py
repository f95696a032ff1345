"""Through the command line: a stated error covers the exact value, and a seed counts once."""

import polars as pl
import pytest

from spinodal import cli

EXACT = {3: 0.21875, 4: 0.2777778}
"""Jump in E at λ_sp of a feature of strength 1."""


def reported(tmp_path, monkeypatch, *commands):
    """The transitions of a campaign that these commands made, as its report has them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPINODAL_OUTPUTS", str(tmp_path))
    for command in commands:
        cli.main(["run", *COMMON, *command])
    cli.main(["report", "c"])
    return pl.read_csv(tmp_path / "c" / "report" / "transitions.csv")


COMMON = [
    *("logger=none", "campaign=c", "model=deep_linear", "model.width=2", "data.complexity=1"),
    *("data.strengths=[1]", "seed=[0,1]", "protocol=up"),
]


@pytest.mark.parametrize(("refine", "share"), [(0, 0.02), (4, 0.01)])
def test_jumps_are_the_exact_ones_within_their_errors(tmp_path, monkeypatch, refine, share):
    found = reported(
        tmp_path, monkeypatch, ["model.depth=3,4", "l2=geom:0.02:0.6:16", f"protocol.refine={refine}"]
    )
    assert sorted(found["depth"]) == [3, 4]
    for row in found.iter_rows(named=True):
        assert abs(row["jump"] - EXACT[row["depth"]]) <= row["jump_error"] <= share * EXACT[row["depth"]]
        assert row["control_low"] <= row["control_exact"] <= row["control_high"]


def test_a_finer_grid_makes_lambda_better(tmp_path, monkeypatch):
    fine = ["model.depth=3", "l2=geom:0.02:0.6:35"]
    before = reported(tmp_path, monkeypatch, fine)
    both = reported(tmp_path, monkeypatch, ["model.depth=3", "l2=geom:0.02:0.6:16"])
    assert before.select("seeds", "seeds_all").rows() == both.select("seeds", "seeds_all").rows() == [(2, 2)]
    assert both["location_error"][0] <= before["location_error"][0]
    assert (
        before["control_low"][0]
        <= both["control_low"][0]
        < both["control_exact"][0]
        < both["control_high"][0]
    )
    assert both["control_high"][0] <= before["control_high"][0]
