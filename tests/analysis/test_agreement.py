"""R, looked at alone, jumps where E does, seed by seed; and where it does not, that is said."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from spinodal.analysis import agreement, find_transitions
from spinodal.records import with_control
from spinodal.theory import spinodal

Branch = Callable[..., pl.DataFrame]
STRENGTHS = (1.0, 0.6, 0.36)


@pytest.mark.parametrize("width", [4, 8])
def test_curvature_alone_finds_every_bisected_transition(branch: Branch, width: int) -> None:
    table = pl.concat([branch(seed, width=width, digits=1e-4) for seed in range(2)])
    found = find_transitions(table, "scalar_curvature")
    np.testing.assert_allclose(found["location"], sorted(spinodal(STRENGTHS, 3)), rtol=1e-4)
    agreed = agreement(table)
    assert agreed.select("seed", "index", "agrees").rows() == [
        (s, i, True) for s in (0, 1) for i in (1, 2, 3)
    ]
    assert agreed["location_error"].to_list() == agreed["location_scalar_curvature"].to_list()


def test_depth_two_has_kinks_and_no_jumps(branch: Branch) -> None:
    """Two features end within the grid, and R changes sign."""
    table = branch(depth=2)
    assert table["scalar_curvature"].min() < 0 < table["scalar_curvature"].max()
    assert find_transitions(table, "scalar_curvature").is_empty()
    assert agreement(table).is_empty()


def test_where_curvature_is_not_measured_neither_is_looked_at(branch: Branch) -> None:
    table = branch(digits=1e-4)
    edge = float(spinodal(0.6, 3))
    sparse = table.with_columns(
        pl.when(pl.col("l2") < edge * 1.2).then("scalar_curvature").alias("scalar_curvature")
    )
    assert agreement(sparse).select("index", "agrees").rows() == [(1, True), (2, True)]
    assert agreement(table.with_columns(scalar_curvature=pl.lit(None, pl.Float64))).is_empty()


def steps(places: list[float], seed: int) -> pl.DataFrame:
    """Rows of one seed in which E makes a step at λ = 0.1 and R steps elsewhere, on a grid 4 % apart."""
    l2 = 0.05 * 1.04 ** np.arange(60)
    table = pl.DataFrame(
        {
            "l2": l2,
            "error": np.where(l2 > 0.1, 1.0, 0.0),
            "scalar_curvature": np.sum([l2 > place for place in places], axis=0).astype(float),
            "point": f"{seed}",
            "seed": seed,
            "stage": range(60),
            "stages": 60,
            "stationary": True,
            "minimum": True,
        }
    )
    return with_control(table)


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([0.1], [(1, True)]),
        ([0.1 * 1.04], [(1, True)]),  # the next interval
        ([0.1 * 1.04**2], [(1, False)]),  # not within one spacing, but clearly meant
        ([0.2], [(1, False), (None, False)]),
        ([], [(1, False)]),
        ([0.1, 0.3], [(1, True), (None, False)]),
    ],
)
def test_nothing_is_dropped(
    branch: Branch, places: list[float], expected: list[tuple[int | None, bool]]
) -> None:
    blank = branch().clear()
    table = pl.concat([blank, steps([0.1], 0), steps(places, 1)], how="diagonal_relaxed")
    agreed = agreement(table)
    assert agreed.filter(seed=0).select("index", "agrees").rows() == [(1, True)]
    mine = agreed.filter(seed=1)
    assert mine.select("index", "agrees").rows() == expected
    np.testing.assert_allclose(mine["location_scalar_curvature"].drop_nulls(), places, rtol=0.03)
    swapped = agreement(table, "scalar_curvature", "error").filter(seed=1)
    assert sorted(swapped["agrees"]) == sorted(mine["agrees"])
    assert swapped["location_error"].drop_nulls().len() == 1
