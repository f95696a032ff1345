"""When networks fit, leave their plateau and generalise, on curves of which that is known."""

import numpy as np
import polars as pl
import pytest

from spinodal.analysis import control_exponents, grokking, milestones, noise_ratios
from spinodal.analysis.grokking import crossing
from spinodal.records import SCHEMA, with_control

STEPS = np.unique(np.geomspace(1, 1e5, 201).round())


def curve(seed=0, fit=30.0, half=3000.0, l2=1e-4, norm=None, **columns):
    """Accuracies that rise as straight lines in ln(steps), a decade each: the test's is 0.45 at `half`."""
    logs = np.log10(STEPS)
    accuracy = np.clip(logs - np.log10(fit) + 0.99, 0, 1)
    test = np.clip(logs - np.log10(half) + 0.45, 0, 0.95)
    norms = np.ones_like(STEPS) if norm is None else norm(STEPS)
    table = pl.DataFrame(
        [
            {
                "point": f"{seed} {l2} {columns}",
                "task": "modular_addition",
                "seed": seed,
                "stage": stage,
                "l2": l2,
                "trained_steps": int(step),
                "accuracy": float(accuracy[stage]),
                "test_accuracy": float(test[stage]),
                "error": 1e-3,
                "test_error": 1.0 - float(test[stage]),
                "norm": float(norms[stage]),
            }
            | columns
            for stage, step in enumerate(STEPS)
        ],
        schema=SCHEMA,
    )
    return with_control(table)


def test_levels_are_crossed_between_looks() -> None:
    steps = np.array([1.0, 10.0, 100.0, 1000.0])
    assert crossing(steps, np.array([0.0, 0.0, 1.0, 1.0]), 0.5) == pytest.approx(10**1.5)
    assert crossing(steps, np.array([0.6, 0.0, 1.0, 1.0]), 0.5) == 1
    assert crossing(steps, np.array([0.6, 0.0, 1.0, 1.0]), 0.5, after=5) == pytest.approx(10**1.5)
    assert crossing(steps, np.zeros(4), 0.5) is None


def test_milestones_are_found_where_they_are() -> None:
    (row,) = milestones(curve(fit=30, half=3000)).iter_rows(named=True)
    assert row["fit_steps"] == pytest.approx(30, rel=0.02)
    assert row["leave_steps"] == pytest.approx(3000, rel=0.02)
    assert row["begin_steps"] == pytest.approx(3000 * 10**-0.36, rel=0.02)
    assert row["generalise_steps"] == pytest.approx(3000 * 10**0.45, rel=0.02)
    assert row["last_steps"] == 1e5


def test_delays_are_told_over_the_seeds_that_generalise() -> None:
    never = curve(seed=2).with_columns(test_accuracy=pl.lit(0.1))
    records = pl.concat([curve(seed=0, half=1000), curve(seed=1, half=4000), never])
    (found,) = grokking(milestones(records)).rows(named=True)
    assert (found["seeds"], found["fitted"], found["left"], found["generalised"]) == (3, 3, 2, 2)
    assert found["leave_steps"] == pytest.approx(2000, rel=0.02)
    assert found["leave_factor"] == pytest.approx(2, rel=0.02)
    assert found["delay"] == pytest.approx(2000 * 10**0.45 / 30, rel=0.03)
    assert found["error_end"] == pytest.approx(1e-3)
    assert found["test_error_plateau"] == pytest.approx(1)
    assert found["test_error_end"] == pytest.approx(0.05)


def test_who_generalises_before_fitting_has_no_plateau() -> None:
    (row,) = milestones(curve(fit=1e4, half=100)).iter_rows(named=True)
    assert row["generalise_steps"] < row["fit_steps"]
    assert row["leave_steps"] is None


@pytest.mark.parametrize("turns", [False, True])
def test_geometry_that_changes_its_pace_when_the_plateau_is_left_turns(turns: bool) -> None:
    """A power of the steps does not; one with another exponent from where the test accuracy begins to rise does."""
    begin = 3000 * 10**-0.36

    def norm(steps, power):
        after = np.where(steps > begin, (steps / begin) ** -0.5, 1.0) if turns else 1.0
        return steps**power * after

    records = pl.concat([curve(seed=s, norm=lambda t, s=s: norm(t, -0.25 - 0.01 * s)) for s in range(3)])
    (found,) = grokking(milestones(records)).rows(named=True)
    assert found["norm_pace_before"] == pytest.approx(-0.26, abs=0.01)
    assert found["norm_turn"] == pytest.approx(-0.5 if turns else 0, abs=0.02)
    assert found["norm_turn_error"] < 0.01
    assert found["scalar_curvature_turn"] is None


def test_times_in_proportion_to_a_power_of_l2_have_its_exponent() -> None:
    records = pl.concat(
        [
            curve(seed=seed, l2=l2, half=(0.3 + 0.02 * seed) / l2)
            for seed in range(3)
            for l2 in (1e-4, 2e-4, 4e-4)
        ]
    )
    (row,) = control_exponents(milestones(records)).iter_rows(named=True)
    assert row["leave_exponent"] == pytest.approx(-1, abs=0.02)
    assert row["leave_exponent_error"] < 0.05
    assert abs(row["fit_exponent"]) < 1e-6
    assert row["trajectories"] == 9
    assert control_exponents(milestones(curve())).is_empty()
    never = pl.when(pl.col("l2") == 1e-4).then(0.1).otherwise("test_accuracy").alias("test_accuracy")
    (row,) = control_exponents(milestones(records.with_columns(never))).iter_rows(named=True)
    assert (row["leave_exponent"], row["fit_exponent"] is None) == (None, False)


@pytest.mark.parametrize(
    ("column", "strengths"), [("temperature", (0.0, 1e-3, 1e-2)), ("batch", (4096, 64, 8))]
)
def test_noise_is_compared_seed_by_seed_with_the_least_of_it(column: str, strengths) -> None:
    records = pl.concat(
        [
            curve(seed=seed, half=1000 * 2**seed * (1 + level), **{column: strength})
            for seed in range(3)
            for level, strength in enumerate(strengths)
        ]
    )
    ratios = noise_ratios(milestones(records))
    assert ratios[column].to_list() == list(strengths[1:])
    assert ratios["leave_ratio"].to_list() == pytest.approx([2, 3], rel=0.02)
    assert ratios["leave_pairs"].to_list() == [3, 3]
    assert ratios["fit_ratio"].to_list() == pytest.approx([1, 1])
