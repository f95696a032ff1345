"""By how much exact branches jump comes back within its error, on coarse grids and on bisected ones."""

import numpy as np
import polars as pl
import pytest
from jaxtyping import Float64

from spinodal.analysis import find_transitions
from spinodal.records import with_control
from spinodal.theory import learned_state, spinodal

EXACT = {3: 0.21875, 4: 0.5 * (1 - 4 / 9), 5: 0.5 * (1 - 25 / 64)}
"""Of E at λ_sp of a feature of strength 1: ½(s² − (s − u_sp)²)."""


def branch(
    depth: int, strengths: list[float], l2: Float64[np.ndarray, " l"], seed: int = 0, **columns: object
) -> pl.DataFrame:
    """An up branch as it is relaxed to 1e-10, with the columns that jumps are found in."""
    state, random = learned_state(l2, strengths, depth), np.random.default_rng(seed)
    error, size = (each + 1e-10 * random.normal(size=len(l2)) for each in (state.error, state.norm_squared))
    constant = {"point": f"{seed}-{len(l2)}", "seed": seed, "branch": "up", "depth": depth, "width": 8}
    constant |= {"stages": len(l2), "stationary": True, "minimum": True, "perturbation": 0.0}
    constant |= dict.fromkeys(
        ("task", "complexity", "samples", "network", "activation", "bias", "curve", "temperature")
    )
    constant |= {"hold_time": None, "criterion": None} | columns
    table = pl.DataFrame(
        {"l2": l2, "error": np.abs(error), "norm": np.sqrt(np.abs(size)), "stage": np.arange(len(l2))}
    )
    return with_control(table.with_columns(pl.lit(value).alias(name) for name, value in constant.items()))


def bisected(l2: Float64[np.ndarray, " l"], strengths: list[float], depth: int) -> Float64[np.ndarray, " l"]:
    """The grid with the λ at which `protocol.refine=4` looks."""
    grid = l2.tolist()
    for at in spinodal(strengths, depth):
        low, high = max(x for x in l2 if x < at), min(x for x in l2 if x > at)
        while high - low > 1e-4 * low:
            middle = float(np.sqrt(low * high))
            grid.append(middle)
            low, high = (middle, high) if middle < at else (low, middle)
    return np.unique(grid)


def onset(table: pl.DataFrame, observable: str = "error") -> dict[str, float]:
    return find_transitions(table, observable).filter(order=1).row(-1, named=True)


@pytest.mark.parametrize("depth", [3, 4, 5])
def test_the_jump_at_the_onset_of_sixteen_values(depth: int) -> None:
    coarse = np.geomspace(0.02, 0.6, 16)
    for l2, share in ((coarse, 0.02), (bisected(coarse, [1.0, 0.5], depth), 0.01)):
        row = onset(pl.concat([branch(depth, [1.0, 0.5], l2, seed) for seed in range(3)]))
        assert abs(row["jump"] - EXACT[depth]) <= row["jump_error"] <= share * EXACT[depth]
        assert row["after"] - row["before"] == pytest.approx(row["jump"])


@pytest.mark.parametrize("observable", ["error", "norm"])
def test_errors_cover_at_any_depth_strengths_and_grid(observable: str) -> None:
    """Of some hundred jumps hardly any is off by more than its error, and none by more than three."""
    random = np.random.default_rng(0)
    deviations, shares = [], []
    for case in range(60):
        depth, count = int(random.integers(3, 7)), int(random.integers(1, 4))
        strengths = np.cumprod([1.0, *random.uniform(0.3, 0.8, count - 1)]).tolist()
        l2 = np.geomspace(random.uniform(0.005, 0.03), random.uniform(0.3, 1), int(random.integers(16, 64)))
        for row in find_transitions(branch(depth, strengths, l2, case), observable).iter_rows(named=True):
            if row["order"] != 1:
                continue
            at = min(spinodal(strengths, depth), key=lambda edge: abs(np.log(edge / row["location"])))
            ends = learned_state(at * np.array([1 - 1e-12, 1 + 1e-12]), strengths, depth)
            values = ends.error if observable == "error" else np.sqrt(ends.norm_squared)
            exact = float(values[1] - values[0])
            deviations.append(abs(row["jump"] - exact) / row["jump_error"])
            shares.append(abs(row["jump_error"] / exact))
    assert len(deviations) > 80
    assert np.mean(np.array(deviations) > 1) < 0.05
    assert max(deviations) < 3
    assert np.median(shares) < 0.03


def test_a_branch_that_noise_may_end_anywhere_is_known_less_well() -> None:
    l2 = np.geomspace(0.02, 0.6, 30)
    quiet, kicked = (onset(branch(3, [1.0], l2, perturbation=noise)) for noise in (0.0, 0.05))
    assert kicked["jump_error"] > 5 * quiet["jump_error"]
    # It may have jumped from the last row on: to as much as the difference between the ends of the bracket.
    before, after = learned_state(np.array([kicked["control_low"], 1.0]), [1.0], 3).error
    assert abs(kicked["jump"] - (after - before)) <= kicked["jump_error"] * 1.01
    assert abs(kicked["jump"] - EXACT[3]) <= kicked["jump_error"]


def test_without_the_norm_the_bracket_is_all_there_is() -> None:
    l2 = np.geomspace(0.02, 0.6, 30)
    row = onset(branch(3, [1.0], l2).drop("norm", "penalty", "penalty_gradient"))
    assert abs(row["jump"] - EXACT[3]) <= row["jump_error"] < EXACT[3]


def test_nothing_is_known_better_than_minima_are() -> None:
    """On an exactly straight curve, and of a step as exact as numbers are."""
    l2 = np.geomspace(0.05, 1, 40)
    step = branch(3, [1.0], l2).with_columns(error=pl.lit(1.0) * (pl.col("l2") > 0.3), penalty=pl.lit(0.0))
    assert onset(step)["jump_error"] >= 1e-6 * abs(onset(step)["jump"])
    kinked = branch(2, [1.0], l2).with_columns(error=0.5 * pl.min_horizontal(2 * pl.col("l2"), 1.0) ** 2)
    (row,) = find_transitions(kinked).rows(named=True)
    assert row["order"] == 2
    assert 1e-6 * 0.5 <= row["location_error"] < 1e-3
    assert abs(row["location"] - 0.5) <= row["location_error"]
    assert 1e-6 <= row["kink_error"] < 1e-3
    assert abs(row["kink"] + 1) <= row["kink_error"]
