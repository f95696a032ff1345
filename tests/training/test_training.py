"""Training that is not relaxed: the same steps however often somebody looks, and what is found along the way."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from spinodal.analysis import grokking
from spinodal.job import run
from spinodal.planning import plan
from spinodal.protocols import looks
from spinodal.records import SCHEMA, read_records

SMALL = [
    "protocol=train",
    "optimizer=adam",
    "data=modular_addition",
    "data.modulus=5",
    "model.depth=2",
    "model.width=8",
    "l2=[1e-4,1e-3]",
    "logger=none",
]


@pytest.fixture(autouse=True)
def outputs(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINODAL_OUTPUTS", str(tmp_path))
    return tmp_path


def go(campaign, *overrides):
    run(plan([*SMALL, f"campaign={campaign}", *overrides]))


def test_looks_are_geometric_from_the_first_step_to_the_last() -> None:
    assert looks(10000, 5) == [1, 10, 100, 1000, 10000]
    assert looks(5, 20) == [1, 2, 3, 4, 5]


def test_training_is_the_same_however_often_somebody_looks(outputs) -> None:
    """The rule goes on with its moments through all stages: Adam forgets nothing at a look."""
    go("often", "protocol.steps=300", "protocol.records=12", "seed=[0,1]")
    go("rarely", "protocol.steps=300", "protocol.records=2", "seed=0")
    often, rarely = (
        read_records(outputs / name)
        .filter(pl.col("trained_steps") == 300, pl.col("seed") == 0)
        .sort("l2")
        .select("seed", "l2", "error", "test_error", "norm")
        for name in ("often", "rarely")
    )
    assert_frame_equal(often, rarely, rel_tol=1e-9)
    table = read_records(outputs / "often").filter(seed=0).sort("l2", "stage")
    assert table["trained_steps"].to_list() == looks(300, 12) * 2
    assert not table["stationary"].any()
    assert table["steps"].sum() == 2 * 300


def rows(seed, fit, generalise, steps=(1, 10, 100, 1000, 10000)):
    return [
        {
            "point": str(seed),
            "task": "modular_addition",
            "seed": seed,
            "stage": stage,
            "l2": 1e-4,
            "trained_steps": step,
            "accuracy": float(step >= fit),
            "test_accuracy": float(generalise is not None and step >= generalise),
            "norm": float(stage),
        }
        for stage, step in enumerate(steps)
    ]


def test_delays_are_told_over_the_seeds_that_generalise() -> None:
    records = pl.DataFrame([*rows(0, 10, 1000), *rows(1, 1, 10000), *rows(2, 10, None)], schema=SCHEMA)
    (found,) = grokking(records).rows(named=True)
    assert (found["seeds"], found["fitted"], found["generalised"]) == (3, 3, 2)
    assert found["delay"] == pytest.approx(1000)
    assert found["delay_factor"] == pytest.approx(10)
    assert found["generalise_steps"] == pytest.approx(10**3.5)
    # In the middle: 100 steps of the first, 100 of the second; the end is the end.
    assert (found["norm_plateau"], found["norm_end"]) == (2, 4)
