"""Refined jumps of trained deep linear networks against the exact spinodals."""

from itertools import pairwise

import pytest

from spinodal.job import run
from spinodal.planning import plan
from spinodal.records import read_records
from spinodal.theory import spinodal


def refined(tmp_path, monkeypatch, *overrides):
    """Brackets (low, high) of every jump of every seed."""
    monkeypatch.setenv("SPINODAL_OUTPUTS", str(tmp_path))
    task = ("data.complexity=2", "data.strengths=[1,0.3]", "model=deep_linear", "protocol.refine=4")
    run(plan([*task, "logger=none", "callbacks.progress=null", "campaign=c", *overrides]))
    table = read_records(tmp_path / "c")
    assert table["stationary"].all()
    assert table["minimum"].all()
    found = {}
    for (seed,), rows in table.sort("l2").group_by("seed", maintain_order=True):
        states = list(rows.select("l2", "learned_features").iter_rows())
        found[seed] = [(a[0], b[0]) for a, b in pairwise(states) if a[1] != b[1]]
    return found


def agree(found, depth):
    for brackets in found.values():
        assert len(brackets) == 2
        for (low, high), exact in zip(brackets, spinodal([0.3, 1.0], depth), strict=True):
            assert low < exact <= high
            assert high / low - 1 <= 1e-4


def test_jumps_are_located_to_four_digits(tmp_path, monkeypatch):
    found = refined(tmp_path, monkeypatch, "model.width=4", "l2=[0.03,0.15,0.4]", "seed=[0,1]")
    agree(found, depth=3)


@pytest.mark.slow
@pytest.mark.parametrize("depth", [3, 4])
@pytest.mark.parametrize("l2", ["geom:0.01:0.4:8", "geom:0.01:0.4:40", "[0.02,0.4]"])
def test_at_full_width_whatever_the_grid(tmp_path, monkeypatch, depth, l2):
    found = refined(
        tmp_path, monkeypatch, "model.width=16", f"model.depth={depth}", f"l2={l2}", "seed=[0,1,2]"
    )
    agree(found, depth)


@pytest.mark.slow
@pytest.mark.parametrize(
    "optimizer",
    [
        ["optimizer.lr=0.01"],
        ["optimizer.lr=1.0"],
        ["optimizer=adam", "optimizer.lr=1e-3"],
        ["optimizer=adam", "optimizer.lr=3e-4"],
        ["optimizer=sgd", "optimizer.lr=0.05"],
    ],
    ids=" ".join,
)
def test_whatever_the_optimizer_and_its_step(tmp_path, monkeypatch, optimizer):
    found = refined(
        tmp_path, monkeypatch, "model.width=16", "l2=[0.03,0.06,0.15,0.4]", "seed=[0,1]", *optimizer
    )
    agree(found, depth=3)
