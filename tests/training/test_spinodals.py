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
    restored_but_at_jumps(table)
    found = {}
    for (seed,), rows in table.sort("l2").group_by("seed", maintain_order=True):
        states = list(rows.select("l2", "learned_features").iter_rows())
        found[seed] = [(a[0], b[0]) for a, b in pairwise(states) if a[1] != b[1]]
    return found


def restored_but_at_jumps(table):
    """Every row but the first of a path lies on the branch of the one before, or beyond a jump."""
    for (_, branch, depth), rows in table.group_by("point", "branch", "depth"):
        path = rows.sort("l2", descending=branch == "down")
        assert path["reversible"].is_null().to_list() == [True] + [False] * (len(path) - 1)
        lost = path["learned_features"].diff()[1:] != 0
        assert path["reversible"][1:].to_list() == [depth == 2 or not each for each in lost]


def agree(found, depth):
    for brackets in found.values():
        assert len(brackets) == 2
        for (low, high), exact in zip(brackets, spinodal([0.3, 1.0], depth), strict=True):
            assert low < exact <= high
            assert high / low - 1 <= 1e-4


def test_jumps_are_located_to_four_digits(tmp_path, monkeypatch):
    found = refined(tmp_path, monkeypatch, "model.width=4", "l2=[0.03,0.15,0.4]", "seed=[0,1]")
    agree(found, depth=3)


def test_with_one_hidden_layer_every_row_restores_the_one_before(tmp_path, monkeypatch):
    l2 = "l2=[0.03,0.1,0.16,0.3,0.49,0.6]"
    found = refined(tmp_path, monkeypatch, "model.width=4", "model.depth=2", l2, "seed=[0,1]")
    assert [len(each) for each in found.values()] == [2, 2]


def test_a_way_down_is_taken_back_up(tmp_path, monkeypatch):
    """From the noise that each stage starts with: where it has learned, it does not unlearn."""
    noise = ["protocol=down", "protocol.perturbation=0.1", "protocol.refine=1"]
    l2 = "l2=[0.01,0.02,0.045,0.1,0.2]"
    found = refined(tmp_path, monkeypatch, "model.width=4", l2, "seed=[0,1]", *noise)
    assert all(found.values())


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
