"""What the experiments claim, of the experiments themselves: run whole, each as a user would, with -m slow."""

import polars as pl
import pytest

from spinodal.analysis import agreement, compare, find_transitions
from spinodal.cli import main
from spinodal.records import read_records

pytestmark = pytest.mark.slow


@pytest.fixture
def records(tmp_path, monkeypatch):
    """Runs an experiment and reads what it has recorded."""
    monkeypatch.setenv("SPINODAL_OUTPUTS", str(tmp_path))

    def run(experiment, *overrides):
        assert main(["run", f"experiment={experiment}", "logger=none", *overrides]) == 0
        table = read_records(tmp_path / experiment)
        assert table["stationary"].all()
        assert table["minimum"].all()
        return table

    return run


def agree(table, jumps):
    """E alone and R alone jump at the same λ, within one spacing of the grid, in every seed."""
    found = agreement(table)
    assert len(found) == jumps
    assert found["agrees"].all()


def test_curvature_jumps_where_the_error_does(records):
    table = records("curvature")
    agree(table, jumps=5 * 3 * (1 + 3 + 5))
    unlearned = table.filter(pl.col("learned_features") == 0)
    assert unlearned["scalar_curvature"].abs().max() < 1e-6
    assert compare(find_transitions(table), table)["inside"].all()


def test_of_digits_too(records):
    agree(records("curvature_digits"), jumps=3 * 3)
