import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from spinodal.planning import geomspace, l2_values, linspace, seed_values
from spinodal.planning.grid import LARGEST

ends = st.floats(1e-12, 1e6)
counts = st.integers(2, 200)


def test_closed_forms() -> None:
    assert l2_values("geom:1e-3:1:4") == [0.001, 0.01, 0.1, 1.0]
    assert l2_values("lin:0:1:5") == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert l2_values("geom:8:1:4") == [8.0, 4.0, 2.0, 1.0]
    assert l2_values(0.1) == [0.1]
    assert l2_values([1, 0.5, 0]) == [1.0, 0.5, 0.0]


@given(ends, ends.filter(lambda x: x > 0), counts)
def test_geometric_grid(first: float, last: float, count: int) -> None:
    if math.isclose(first, last, rel_tol=1e-6):
        return
    grid = geomspace(first, last, count)
    assert len(grid) == count
    assert (grid[0], grid[-1]) == (first, last)
    steps = [math.log(b / a) for a, b in pairwise(grid)]
    assert all(
        math.isclose(step, math.log(last / first) / (count - 1), rel_tol=1e-4, abs_tol=1e-11)
        for step in steps
    )


@given(ends, ends, counts)
def test_linear_grid(first: float, last: float, count: int) -> None:
    if math.isclose(first, last, rel_tol=1e-6):
        return
    grid = linspace(first, last, count)
    assert (len(grid), grid[0], grid[-1]) == (count, first, last)
    middle = [first + i * (last - first) / (count - 1) for i in range(count)]
    assert grid == pytest.approx(middle, rel=1e-11, abs=1e-11 * max(first, last))


def test_grids_that_meet_share_their_values() -> None:
    coarse, fine = geomspace(1e-3, 1, 16), geomspace(1e-3, 1, 31)
    assert set(coarse) <= set(fine)
    assert set(geomspace(1e-3, 1, 7)) <= set(geomspace(1e-4, 10, 11))


def test_resolvers_are_the_same_grids() -> None:
    cfg = OmegaConf.create({"a": "${geomspace:1e-3,1,4}", "b": "${linspace:0,1,5}"})
    assert cfg.a == l2_values("geom:1e-3:1:4")
    assert cfg.b == l2_values("lin:0:1:5")


def test_types_are_those_of_the_field() -> None:
    assert [type(value) for value in l2_values([1, 2])] == [float, float]
    assert math.copysign(1, l2_values(-0.0)[0]) == 1
    assert seed_values(3) == [3]
    assert seed_values([2, 0, 1]) == [2, 0, 1]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "quote"),
        ("  ", "quote"),
        ("geom:0:1:4", "above 0"),
        ("geom:-1:1:4", "above 0"),
        ("geom:1:1:4", "different"),
        ("geom:1:2:1", "from 2"),
        ("geom:1:2:-3", "from 2"),
        (f"geom:1:2:{LARGEST + 1}", "from 2"),
        ("geom:1:2:1000000000", "from 2"),
        ("geom:1:2", "geom:first:last:count"),
        ("geom:1:2:3:4", "geom:first:last:count"),
        ("geom:1:2:3.5", "geom:first:last:count"),
        ("geom:a:2:3", "geom:first:last:count"),
        ("geom:nan:2:3", "finite"),
        ("lin:0:inf:3", "finite"),
        ("lin:-1:1:3", "not negative"),
        ("log:1:2:3", "geom:first:last:count"),
        ("0.1", "a number"),
        (-0.1, "not negative"),
        (math.nan, "finite"),
        (math.inf, "finite"),
        (True, "a number"),
        (None, "a number"),
        ([], "a number"),
        ([0.1, "0.2"], "a number"),
        ([0.1, [0.2]], "a number"),
        ([1, 1.0], "repeat"),
        ({"a": 1}, "a number"),
        ([0.1] * (LARGEST + 1), "at most"),
    ],
)
def test_refused_l2(value: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        l2_values(value)


@pytest.mark.parametrize("value", [-1, 1.0, 0.5, True, "1", None, [], [0, 0], [0, -1], [0, True], 2**32])
def test_refused_seeds(value: object) -> None:
    with pytest.raises(ValueError, match="must"):
        seed_values(value)
