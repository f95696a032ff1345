"""Loops of the exact theory, of which everything is known: where they jump, what they enclose, that they do not."""

import math

import numpy as np
import polars as pl
import pytest
from scipy.integrate import quad

from spinodal.analysis import hysteresis
from spinodal.theory import amplitude, coexistence, relearning, spinodal

DOWN = [(0.06, 0.03), (0.07, 0.024), (0.052, 0.036)]
"""Where three seeds learn the two features again."""

L2 = np.geomspace(0.01, 0.6, 80)


def rows(found):
    return {row["feature"]: row for row in found.iter_rows(named=True)}


def area(strengths, downs, depth):
    """∮‖θ‖² dλ = Σ_k ∫ L u_k^{2/L} dλ from where a feature comes back to where it is lost."""
    return sum(
        quad(lambda x, s=s: depth * float(amplitude(x, s, depth)) ** (2 / depth), low, high)[0]
        for s, low, high in zip(strengths, downs, spinodal(strengths, depth), strict=True)
    )


def test_jumps_width_and_area_of_a_loop(loop):
    found = rows(hysteresis(pl.concat([loop(down, seed) for seed, down in enumerate(DOWN)])))
    assert found.keys() == {1, 2}
    spacing = L2[1] / L2[0] - 1
    for m, row in found.items():
        exact, downs = float(spinodal([1, 0.5], 3)[m - 1]), np.array([down[m - 1] for down in DOWN])
        assert row["control_up"] == pytest.approx(exact, abs=1.1 * row["control_up_error"])
        assert row["control_up_error"] == pytest.approx(0.5 * spacing * exact, rel=0.1)
        scatter = downs.std(ddof=1) / math.sqrt(3)
        assert row["control_down"] == pytest.approx(np.exp(np.log(downs).mean()), rel=0.6 * spacing)
        assert row["control_down_error"] == pytest.approx(
            math.hypot(scatter, 0.5 * spacing * downs.mean()), rel=0.2
        )
        assert row["control_down_spread"] == pytest.approx(downs.std(ddof=1), rel=0.2)
        assert row["control_width"] == pytest.approx(
            exact - downs.mean(), abs=1.1 * row["control_width_error"]
        )
        assert row["control_width"] > 10 * row["control_width_error"]
        assert (row["lost"], row["relearned"], row["runs"]) == (3, 3, 3)
        assert (row["control_low"], row["control_high"]) == (pytest.approx(0.01), pytest.approx(0.6))
        assert row["control_spinodal"] == exact
        assert row["control_coexistence"] == float(coexistence([1, 0.5], 3)[m - 1])
        enclosed = np.array([area([1, 0.5], down, 3) for down in DOWN])
        assert row["area"] == pytest.approx(enclosed.mean(), abs=2 * row["area_error"])
        assert row["area_error"] > enclosed.std(ddof=1) / math.sqrt(3) * 0.8
        assert row["area"] > 20 * row["area_error"]


def test_the_area_is_what_the_loss_falls_by_in_the_jumps(loop):
    fine = np.geomspace(0.01, 0.6, 4000)
    table = loop(DOWN[0], l2=fine)
    found = hysteresis(table)["area"][0]
    assert found == pytest.approx(area([1, 0.5], DOWN[0], 3), rel=2e-3)
    path = table.sort("stage").with_columns(loss=pl.col("error") + pl.col("l2") * pl.col("norm") ** 2)
    jumps = path.filter(pl.col("learned_features").diff() != 0)["stage"]
    lost = [float(path["loss"][i - 1] - path["loss"][i]) for i in jumps]
    assert len(lost) == 4
    assert found == pytest.approx(sum(lost), rel=5e-3)


@pytest.mark.parametrize("spread", [0.0, 1e-8, 1e-6])
def test_no_area_within_errors_where_there_is_none(loop, spread):
    """Second order: both ways are the same, but for the tolerance of the relaxation."""
    found = hysteresis(
        pl.concat([loop(seed=seed, depth=2, residual=spread, grad_max=spread / 10) for seed in range(5)])
    )
    assert len(found) == 2
    error = found["area_error"][0]
    assert abs(found["area"][0]) <= 2 * error
    assert error <= 10 * spread
    assert found["control_width"].to_list() == [0, 0]
    assert found["control_spinodal"].is_null().all()


def test_a_small_area_is_not_none(loop):
    """One way is the other, moved by one grid spacing: that is seen."""
    tables = []
    for seed in range(5):
        table = loop(seed=seed, depth=2, residual=1e-8)
        down = table.filter(branch="down").with_columns(
            pl.col("error", "norm", "penalty", "penalty_gradient").shift(1).fill_null(0.0)
        )
        tables.append(pl.concat([table.filter(branch="up"), down]))
    found = hysteresis(pl.concat(tables))
    assert found["area"][0] > 3 * found["area_error"][0]


def test_a_loop_below_every_spinodal_is_reversible(loop):
    (row,) = hysteresis(loop(l2=np.geomspace(0.01, 0.09, 20), residual=1e-8)).rows(named=True)
    assert row["feature"] is None
    assert abs(row["area"]) <= 2 * row["area_error"]


def test_loops_that_turn_elsewhere_are_other_loops(loop):
    grids = (np.geomspace(0.02, 0.2, 30), np.geomspace(0.02, 0.3, 30))
    found = hysteresis(pl.concat([loop(seed=seed, l2=l2) for l2 in grids for seed in range(2)]))
    assert found.select("control_high", "feature", "runs").rows() == [
        (pytest.approx(0.2), 2, 2),
        (pytest.approx(0.3), 1, 2),
        (pytest.approx(0.3), 2, 2),
    ]
    assert found["relearned"].to_list() == [0, 0, 0]
    assert found["control_down"].is_null().all()
    assert found["control_width"].is_null().all()


def test_two_features_at_once(loop):
    found = rows(hysteresis(loop((0.05, 0.05))))
    assert found[1]["control_down"] == found[2]["control_down"] == pytest.approx(0.05, rel=0.03)


def test_some_runs_learn_again(loop):
    found = rows(hysteresis(pl.concat([loop(DOWN[0], 0), loop((0.05,), 1)])))
    assert [(found[m]["relearned"], found[m]["runs"]) for m in (1, 2)] == [(2, 2), (1, 2)]
    assert found[2]["control_width"] == pytest.approx(float(spinodal(0.5, 3)) - 0.03, rel=0.1)
    assert found[2]["control_down_spread"] is None


def test_what_did_not_relax_is_not_used(loop):
    table = loop(DOWN[0])
    wrong = [
        table.filter(pl.col("stage").is_in([20, 100])).with_columns(
            pl.lit(9.0).alias("norm"),
            pl.lit(2).cast(pl.Int64).alias("learned_features"),
            pl.lit(value).alias(name),
        )
        for name, value in (("stationary", False), ("minimum", False))
    ]
    for bad in wrong:
        left = table.join(bad, on="stage", how="anti")
        found, without = (hysteresis(each) for each in (pl.concat([left, bad]), left))
        assert found.drop("unrelaxed").equals(without.drop("unrelaxed"))
        # The 100th stage is on the way down.
        assert (found["unrelaxed"] - without["unrelaxed"]).to_list() == [1] * len(found)


def test_branches_of_two_campaigns_are_matched_by_their_seeds(loop):
    table = pl.concat([loop(down, seed) for seed, down in enumerate(DOWN)])
    part = pl.col("point") + "-" + pl.col("branch")
    apart = table.with_columns(part.alias("point"), (pl.col("curve") + pl.col("branch")).alias("curve"))
    stranger = loop(DOWN[0], 7, strengths=(1.0, 0.4)).filter(branch="up").with_columns(curve=pl.lit("x"))
    found = hysteresis(pl.concat([apart, stranger]))
    assert found["curve_up"].unique().to_list() == ["loop-(1.0, 0.5)-3up"]
    columns = ["feature", "control_up", "control_down", "control_width", "lost", "relearned", "runs"]
    assert found.select(columns).equals(hysteresis(table).select(columns))
    assert found["area"][0] == pytest.approx(hysteresis(table)["area"][0], rel=1e-6)
    assert hysteresis(apart.filter((pl.col("branch") == "up") | (pl.col("seed") == 1)))["runs"][0] == 1


def test_nothing_to_set_against_each_other(loop):
    table = loop(DOWN[0])
    assert hysteresis(table.filter(branch="up")).is_empty()
    assert hysteresis(table.filter(branch="down")).is_empty()
    full = hysteresis(table)
    assert hysteresis(table.clear()).schema == full.schema


def test_uncounted_features_and_unknown_theory(loop):
    table = pl.concat([loop(DOWN[0], seed, activation="tanh") for seed in range(2)])
    found = rows(hysteresis(table))
    assert all(row["control_spinodal"] is None and row["reach_share"] is None for row in found.values())
    (row,) = hysteresis(table.with_columns(learned_features=pl.lit(None, pl.Int64))).rows(named=True)
    assert row["feature"] is None
    assert row["area"] == found[1]["area"]


def test_what_the_noise_reaches(loop):
    table = pl.concat([loop((0.055, 0.03), seed, perturbation=0.05) for seed in range(4)])
    found = rows(hysteresis(table))
    path = L2[-2::-1]
    arrival = relearning(path, 0.05, [1, 0.5], 3, 8)
    middles = np.log(np.sqrt(path * L2[:0:-1]))
    for m, row in found.items():
        mean = arrival[m - 1] @ middles / arrival[m - 1].sum()
        spread = math.sqrt(arrival[m - 1] @ (middles - mean) ** 2 / arrival[m - 1].sum())
        assert row["control_reach"] == pytest.approx(math.exp(mean))
        assert row["control_reach_spread"] == pytest.approx(math.exp(mean) * spread)
        assert row["reach_share"] == pytest.approx(arrival[m - 1].sum())
        assert row["control_reach_error"] == pytest.approx(row["control_reach_spread"] / 2)
        error = math.hypot(row["control_down_error"], row["control_reach_error"])
        assert row["reach_deviation"] * error == pytest.approx(row["control_down"] - row["control_reach"])
    quiet = rows(hysteresis(table.with_columns(perturbation=0.0)))
    assert all(row["reach_share"] == 0 and row["control_reach"] is None for row in quiet.values())
    untold = rows(hysteresis(table.with_columns(perturbation=pl.lit(None, pl.Float64))))
    assert all(row["reach_share"] is None for row in untold.values())


def test_nothing_is_predicted_of_bisected_ways(loop):
    table = loop((0.055, 0.03), perturbation=0.05)
    later = pl.when(pl.col("stage") == 90).then(500).otherwise(pl.col("stage")).alias("stage")
    found = hysteresis(table.with_columns(later.cast(pl.Int64)))
    assert found["reach_share"].is_null().all()
    assert found["control_spinodal"].is_not_null().all()
