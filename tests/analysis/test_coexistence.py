"""Equal 𝓛 of two phases, from loops of the exact theory."""

import numpy as np
import polars as pl
import pytest

from spinodal.analysis import coexistence
from spinodal.theory import coexistence as exact
from spinodal.theory import phases, spinodal


def around(strengths, depth, points=24, seeds=2):
    """Loops that turn round just above each spinodal."""
    tops = 1.02 * spinodal(strengths, depth)
    low = 0.5 * exact(min(strengths), depth)
    return [(seed, np.geomspace(low, top, points)) for top in tops for seed in range(seeds)]


@pytest.mark.parametrize("depth", [3, 4, 5])
@pytest.mark.parametrize("strengths", [(1.0, 0.95), (1.0, 0.5), (1.0, 0.6, 0.36)])
def test_it_is_where_theory_has_it(loop, strengths, depth):
    table = pl.concat(
        [loop(seed=seed, l2=l2, strengths=strengths, depth=depth) for seed, l2 in around(strengths, depth)]
    )
    found = coexistence(table)
    assert found["features"].to_list() == list(range(1, len(strengths) + 1))
    assert (found["seeds"] == 2).all()
    np.testing.assert_allclose(found["control_exact"], exact(strengths, depth))
    deviation = (found["control_coexistence"] - found["control_exact"]).abs()
    assert (deviation < 1e-4 * found["control_exact"]).all()
    assert (deviation < 3 * found["control_coexistence_error"]).all()
    for row in found.iter_rows(named=True):
        at, m = row["control_exact"], row["features"]
        learned, left = (phases(at, strengths, depth)[each] for each in (m, m - 1))
        assert row["loss"] == pytest.approx(float(learned.loss[0]), rel=1e-4)
        assert row["error_learned"] == pytest.approx(float(learned.error[0]), rel=1e-2)
        assert row["error_left"] == pytest.approx(float(left.error[0]), rel=1e-2)


def test_errors_are_over_seeds(loop):
    """Networks whose E differ have their coexistence elsewhere, each seed at its own λ."""
    tables = [
        loop(seed=seed, l2=np.geomspace(0.1, 0.25, 40), strengths=(1.0,)).with_columns(
            pl.col("error") + pl.when(pl.col("learned_features") == 1).then(offset).otherwise(0.0)
        )
        for seed, offset in enumerate((-0.01, 0.0, 0.01))
    ]
    (row,) = coexistence(pl.concat(tables)).rows(named=True)
    slope = float(phases(row["control_exact"], 1.0, 3)[1].norm_squared[0])
    assert row["control_coexistence_error"] == pytest.approx(0.01 / slope / 3**0.5, rel=0.1)
    assert row["control_coexistence"] == pytest.approx(row["control_exact"], rel=1e-2)


def test_what_was_not_followed_is_said_to_be_missing(loop):
    first, second = coexistence(loop(down=(0.19, 0.03), l2=np.geomspace(0.02, 0.4, 60))).rows(named=True)
    assert first["control_coexistence"] == pytest.approx(first["control_exact"], rel=1e-4)
    # Phase 1 was followed from 0.19 down to 0.03, past its coexistence with phase 2.
    assert second["control_coexistence"] == pytest.approx(second["control_exact"], rel=1e-4)
    missing = coexistence(loop(down=(0.05, 0.03), l2=np.geomspace(0.02, 0.4, 60))).filter(features=2)
    assert missing.select("control_coexistence", "seeds", "seeds_all").rows() == [(None, 0, 1)]
    assert missing["control_exact"][0] == pytest.approx(float(exact(0.5, 3)))


def test_second_order_has_none(loop):
    assert coexistence(loop(depth=2)).is_empty()


def test_without_a_theory_it_is_measured_all_the_same(loop):
    found = coexistence(loop(strengths=(1.0,), l2=np.geomspace(0.1, 0.3, 40), activation="tanh"))
    assert found["control_exact"].to_list() == [None]
    assert found["control_coexistence"][0] == pytest.approx(float(exact(1, 3)), rel=1e-5)


def test_nothing_is_interpolated_across_a_jump(loop):
    """A jump to another branch that counts as many features is no phase gone on with."""
    table = loop(strengths=(1.0,), l2=np.geomspace(0.1, 0.3, 41))
    at = exact(1, 3)
    beyond = (pl.col("branch") == "up") & (pl.col("l2") > at) & (pl.col("learned_features") == 1)
    jumped = table.with_columns(pl.when(beyond).then(pl.col("error") - 0.2).otherwise("error").alias("error"))
    assert coexistence(jumped)["seeds"].to_list() == [0]


def test_rows_that_did_not_relax_are_not_used(loop):
    table = loop(strengths=(1.0,), l2=np.geomspace(0.1, 0.3, 61))
    near = pl.col("l2").is_between(0.19, 0.2)
    bad = table.with_columns(pl.when(near).then(5.0).otherwise("error").alias("error"), stationary=~near)
    (row,) = coexistence(bad).rows(named=True)
    assert row["control_coexistence"] == pytest.approx(row["control_exact"], rel=1e-4)
    assert coexistence(table.clear()).schema == coexistence(table).schema
