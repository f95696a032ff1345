"""Transitions over seeds, from records made of exact branches: what is known beforehand must come back."""

import numpy as np
import polars as pl
import pytest
from jaxtyping import Float64

from spinodal.analysis import compare, deep_linear, find_transitions, unresolved
from spinodal.records import SCHEMA, with_control
from spinodal.theory import learned_state, spinodal

STRENGTHS = [1.0, 0.6, 0.36]
L2 = np.geomspace(0.01, 0.4, 40)


def branch(
    seed: int = 0, depth: int = 3, shift: float = 1.0, l2: Float64[np.ndarray, " l"] = L2, **columns: object
) -> pl.DataFrame:
    """One up branch of the exact theory, as records; `shift` moves all its transitions to larger λ."""
    state = learned_state(l2 / shift, STRENGTHS, depth)
    measured = {
        "stage": np.arange(len(l2)),
        "l2": l2,
        "error": state.error,
        "accuracy": state.accuracy,
        "norm": np.sqrt(state.norm_squared),
        "learned_features": state.alive.sum(axis=1),
    }
    constant = {
        "point": f"{seed}-{depth}-{shift}-{len(l2)}",
        "task": "linear_teacher",
        "error_name": "squared",
        "complexity": 3,
        "noise": 0.0,
        "samples": 64,
        "activation": "linear",
        "bias": False,
        "depth": depth,
        "width": 8,
        "branch": "up",
        "seed": seed,
        "stages": len(l2),
        "stationary": True,
    }
    lists = {"strengths": [STRENGTHS] * len(l2), "variances": [[1.0] * 3] * len(l2)}
    table = pl.DataFrame({**measured, **lists}).with_columns(
        **{name: pl.lit(value) for name, value in (constant | columns).items()}
    )
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in SCHEMA.items() if name not in table.columns]
    return with_control(table.with_columns(*missing)).select(
        pl.col(name).cast(dtype) for name, dtype in SCHEMA.items()
    )


def test_one_row_per_transition_with_its_errors() -> None:
    shifts = np.array([0.99, 1.0, 1.01, 1.02])
    found = find_transitions(pl.concat([branch(seed, shift=shift) for seed, shift in enumerate(shifts)]))
    assert found["index"].to_list() == [1, 2, 3]
    assert found["seeds"].to_list() == found["seeds_all"].to_list() == [4] * 3
    assert found["learned_features_before"].to_list() == [3, 2, 1]
    assert found["learned_features_after"].to_list() == [2, 1, 0]
    for row, edge in zip(found.iter_rows(named=True), sorted(spinodal(STRENGTHS, 3)), strict=True):
        brackets = np.searchsorted(L2, edge * shifts)
        places = [np.sqrt(L2[i - 1] * L2[i]) for i in brackets]
        low, high = learned_state(edge * np.array([1 - 1e-12, 1 + 1e-12]), STRENGTHS, 3).error
        assert abs(row["jump"] - (high - low)) <= row["jump_error"]
        # Records moved in λ are no branch of minima, whose slope dE/d‖θ‖² is −λ: the bracket is all that is left.
        assert row["jump_error"] < row["jump"]
        assert row["after"] - row["before"] == pytest.approx(row["jump"])
        assert row["location"] == pytest.approx(np.exp(np.mean(np.log(places))))
        half = np.mean([L2[i] - place for i, place in zip(brackets, places, strict=True)])
        assert row["location_error"] == pytest.approx(np.hypot(half, np.std(places, ddof=1)))
        assert (row["control_low"], row["control_high"]) == (L2[brackets.min() - 1], L2[brackets.max()])
        ends = [L2[i - 1] / shift for shift, i in zip(shifts, brackets, strict=True)]
        assert row["accuracy_before"] == pytest.approx(learned_state(ends, STRENGTHS, 3).accuracy.mean())


def test_a_single_seed_has_the_error_of_its_grid() -> None:
    found = find_transitions(branch())
    for row, edge in zip(found.iter_rows(named=True), sorted(spinodal(STRENGTHS, 3)), strict=True):
        low, high = learned_state(edge * np.array([1 - 1e-12, 1 + 1e-12]), STRENGTHS, 3).error
        assert abs(row["jump"] - (high - low)) <= row["jump_error"]
    assert found["location_error"].to_list() == pytest.approx(
        (found["control_high"] - found["location"]).to_list(), rel=1e-6
    )


def test_seeds_that_do_not_show_it_count() -> None:
    smooth = branch(4, depth=2).with_columns(depth=pl.lit(3, pl.Int64))
    found = find_transitions(pl.concat([*(branch(seed) for seed in range(4)), smooth]))
    assert found.select("seeds", "seeds_all").rows() == [(4, 5)] * 3


def test_far_apart_is_another_transition() -> None:
    """Seeds may scatter over several brackets; a jump at 1.6 times the λ of the others is not the same."""
    fine = np.geomspace(0.04, 0.09, 100)
    seeds = [branch(seed, shift=shift, l2=fine) for seed, shift in enumerate((0.95, 1.0, 1.04))]
    assert find_transitions(pl.concat(seeds))["seeds"].to_list() == [3]
    moved = branch(7, shift=1.6, l2=np.geomspace(0.06, 0.15, 100))
    found = find_transitions(pl.concat([*seeds, moved]))
    assert found["seeds"].to_list() == [3, 1]


@pytest.mark.parametrize("depth", [2, 3])
def test_two_grids_of_one_seed_are_one_seed(depth: int) -> None:
    """A transition is where the brackets overlap: it is known better than from either grid alone."""
    grids = (L2, np.geomspace(0.011, 0.41, 53))
    alone = [pl.concat([branch(seed, depth, l2=l2) for seed in range(2)]) for l2 in grids]
    both = find_transitions(pl.concat(alone))
    assert set(both.select("seeds", "seeds_all").rows()) == {(2, 2)}
    for table in alone:
        found = find_transitions(table)
        assert len(found) == len(both) >= 2
        assert (both["location_error"] <= found["location_error"] * (1 + 1e-6)).all()
        assert (both["control_low"] >= found["control_low"]).all()
        assert (both["control_high"] <= found["control_high"]).all()
    exact = [at for at in sorted(spinodal(STRENGTHS, depth)) if at < 0.4]
    assert ((both["control_low"] <= pl.Series(exact)) & (pl.Series(exact) <= both["control_high"])).all()


def test_ways_of_one_seed_that_jump_elsewhere_leave_open_what_is_between() -> None:
    """Neither bracket is wrong: the error covers both."""
    grids = (np.geomspace(0.01, 0.4, 80), np.geomspace(0.011, 0.41, 90))
    found = find_transitions(pl.concat([branch(l2=grids[0]), branch(shift=1.11, l2=grids[1])]))
    assert found.select("seeds", "seeds_all").rows() == [(1, 1)] * 3
    for row, edge in zip(found.iter_rows(named=True), sorted(spinodal(STRENGTHS, 3)), strict=True):
        for at in (edge, 1.11 * edge):
            assert row["control_low"] <= at <= row["control_high"]
            assert abs(row["location"] - at) <= row["location_error"]


def test_curves_are_kept_apart() -> None:
    found = find_transitions(pl.concat([branch(), branch(width=16), branch(curve="b"), branch(depth=2)]))
    counts = found.group_by("width", "depth", "curve").len().sort("width", "depth", "curve")
    assert counts.rows() == [(8, 2, None, 2), (8, 3, None, 3), (8, 3, "b", 3), (16, 3, None, 3)]


@pytest.mark.parametrize(
    "reason", [{"stationary": False}, {"stationary": None}, {"minimum": False}, {"criterion": "flow"}]
)
def test_unrelaxed_rows_are_no_evidence(reason: dict[str, bool | None]) -> None:
    """Garbage in rows that did not relax does not matter: the bracket is that of the rows beside them."""
    edge = float(spinodal(0.6, 3))
    i = int(np.searchsorted(L2, edge))
    bad = pl.col("stage").is_between(i - 1, i)
    table = branch().with_columns(
        pl.when(bad).then(0.2).otherwise("error").alias("error"),
        *(pl.when(bad).then(pl.lit(value)).otherwise(True).alias(name) for name, value in reason.items()),
    )
    row = find_transitions(table).row(1, named=True)
    assert (row["control_low"], row["control_high"], row["unrelaxed"]) == (L2[i - 2], L2[i + 1], 2)
    assert find_transitions(table)["unrelaxed"].to_list() == [0, 2, 0]


def test_nothing_relaxed_nothing_found() -> None:
    full, empty = find_transitions(branch()), find_transitions(branch(stationary=False))
    assert empty.is_empty()
    assert empty.schema == full.schema


def test_quench() -> None:
    """Points of one stage each, in any order, are the same branch as a path with many stages."""
    table = pl.concat([branch(seed) for seed in range(3)]).with_columns(
        point=pl.format("{}-{}", "seed", "stage"), stage=pl.lit(0), stages=pl.lit(1), branch=pl.lit("quench")
    )
    found = find_transitions(table.sample(fraction=1, shuffle=True, seed=0))
    expected = find_transitions(pl.concat([branch(seed) for seed in range(3)]))
    assert found.drop("branch").equals(expected.drop("branch"))


def test_a_path_downwards_is_told_in_its_own_direction() -> None:
    down = branch(branch="down").with_columns(stage=len(L2) - 1 - pl.col("stage"))
    found = find_transitions(down)
    assert found["control_low"].is_sorted()
    assert (found["jump"] < 0).all()
    assert (found["learned_features_before"] < found["learned_features_after"]).all()


def test_any_observable() -> None:
    on_error = find_transitions(branch())
    on_norm = find_transitions(branch(), observable="norm", alongside=["error", "not there"])
    assert on_norm.select("control_low", "control_high").equals(
        on_error.select("control_low", "control_high")
    )
    assert (on_norm["jump"] < 0).all()
    first = np.searchsorted(L2, on_error["control_high"])
    assert on_norm["error_after"].to_list() == learned_state(L2[first], STRENGTHS, 3).error.tolist()


def test_compare_matches_every_spinodal() -> None:
    table = pl.concat([branch(seed) for seed in range(2)])
    compared = compare(find_transitions(table), table)
    assert compared["control_exact"].to_list() == pytest.approx(sorted(spinodal(STRENGTHS, 3)))
    assert compared["status"].to_list() == ["matched"] * 3
    assert compared["inside"].all()


def test_compare_drops_nothing() -> None:
    """A network whose transitions are 10 % off, one of them not there at all, and one at twice its λ."""
    error = learned_state(L2 / 1.1, [0.6], 3).error + 0.3 * (L2 > 0.31)
    table = branch().with_columns(error=pl.Series(error))
    compared = compare(find_transitions(table), table).sort("control_exact", nulls_last=True)
    assert compared["status"].to_list() == ["missing", "matched", "missing", "unexpected"]
    assert compared["inside"].to_list() == [None, False, None, None]
    assert compared["location"].is_null().to_list() == [True, False, True, False]


def test_compare_expects_nothing_beyond_the_grid() -> None:
    part = branch(l2=np.geomspace(0.01, 0.2, 40))
    assert len(compare(find_transitions(part), part)) == 2


def test_depth_two_has_kinks_where_a_feature_reaches_zero() -> None:
    """Exactly at c/2, of the exact strength: the slope over ln λ falls by 4λ² = c²; beyond the grid nothing."""
    wide = np.geomspace(0.01, 0.6, 48)
    table = pl.concat([branch(seed, depth=2, l2=wide) for seed in range(3)])
    compared = compare(find_transitions(table), table)
    assert compared.select("order", "order_exact", "status", "seeds").rows() == [(2, 2, "matched", 3)] * 3
    assert compared["inside"].all()
    np.testing.assert_allclose(compared["location"], [0.18, 0.3, 0.5], rtol=1e-12)
    np.testing.assert_allclose(compared["kink"], -np.square([0.36, 0.6, 1.0]), rtol=1e-10)
    assert compared["deviation_percent"].abs().max() < 1e-9
    assert compared["jump"].null_count() == 3
    assert compare(find_transitions(branch(depth=2)), branch(depth=2))["control_exact"].to_list() == [
        0.18,
        0.3,
    ]


def test_deviations() -> None:
    table = pl.concat([branch(seed, shift=1.1) for seed in range(2)])
    compared = compare(find_transitions(table), table)
    off = compared["location"] - compared["control_exact"]
    np.testing.assert_allclose(compared["deviation"], off / compared["location_error"])
    np.testing.assert_allclose(compared["deviation_percent"], 100 * off / compared["control_exact"])
    missing = compare(find_transitions(branch(stationary=False)), branch())
    assert missing["status"].to_list() == ["missing"] * 3
    assert missing["order_exact"].to_list() == [1, 1, 1]
    assert missing["deviation"].null_count() == missing["order"].null_count() == 3


@pytest.mark.parametrize(
    "change",
    [
        {"activation": "tanh"},
        {"activation": None},
        {"bias": True},
        {"bias": None},
        {"error_name": "cross_entropy"},
        {"width": 2},
        {"strengths": [1.0, 0.6, 0.3]},
        {"strengths": [1.0, 0.6]},
    ],
)
def test_compare_stays_within_the_theory(change: dict[str, object]) -> None:
    """Where one of its conditions fails, and be it in some rows only, there is nothing to compare with."""
    (name, value), in_some = next(iter(change.items())), pl.col("stage") > 30
    table = branch().with_columns(
        pl.when(in_some if name == "strengths" else True)
        .then(pl.lit(value, SCHEMA[name]))
        .otherwise(name)
        .alias(name)
    )
    compared = compare(find_transitions(table), table)
    assert len(compared) == 3
    assert compared.select("control_exact", "inside", "status").null_count().row(0) == (3, 3, 3)
    assert compared["control_estimate"].null_count() == 3


@pytest.mark.parametrize("noise", [0.1, None])
def test_label_noise_leaves_the_places_exact(noise: float | None) -> None:
    """They follow from the strengths measured with it."""
    table = branch().with_columns(noise=pl.lit(noise, pl.Float64))
    compared = compare(find_transitions(table), table)
    assert compared["inside"].to_list() == [True] * 3
    assert deep_linear(table) is None


def test_of_inputs_that_are_not_whitened_there_is_an_estimate() -> None:
    table = branch().with_columns(task=pl.lit("digits"))
    found = find_transitions(table)
    compared = compare(found, table)
    assert compared["control_exact"].null_count() == compared["inside"].null_count() == 3
    assert compared["control_estimate"].to_list() == pytest.approx(sorted(spinodal(STRENGTHS, 3)))
    assert compared["status"].to_list() == ["matched"] * 3
    assert compared["deviation_percent"].abs().max() < 10
    missing = compare(found.clear(), table)
    assert missing["status"].to_list() == ["missing"] * 3
    assert missing["control_estimate"].null_count() == 0


def test_compare_says_nothing_of_a_quench() -> None:
    """A quench may stay unlearned below the spinodal: the theory does not say where it jumps."""
    table = branch(branch="quench")
    assert compare(find_transitions(table), table)["status"].null_count() == 3


def test_unresolved_is_where_a_grid_is_too_coarse() -> None:
    """Two jumps in neighbouring intervals look like a slope; a finer grid resolves them."""
    coarse = branch(l2=np.array([0.01, 0.02, 0.04, 0.055, 0.08, 0.2, 0.3, 0.4, 0.5]))
    assert find_transitions(coarse).is_empty()
    steep = unresolved(coarse, find_transitions(coarse))
    assert steep.select("control_low", "control_high").rows() == [(0.08, 0.3)]
    assert steep["width"].to_list() == [8]
    bisected = coarse.with_columns(refine=pl.lit(4, pl.Int64))
    assert unresolved(bisected, find_transitions(bisected)).is_empty()
    fine = branch()
    assert unresolved(fine, find_transitions(fine)).is_empty()
