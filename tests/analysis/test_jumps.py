"""Every jump of an exact branch is found, in its very interval; none on what is smooth or only kinked."""

import numpy as np
import pytest
from jaxtyping import Float64

from spinodal.analysis import find_jumps
from spinodal.theory import learned_state, spinodal

STRENGTHS = (1.0, 0.6, 0.36)


def grids(points: int, count: int, seed: int = 0) -> list[Float64[np.ndarray, " l"]]:
    """Geometric grids over the transitions, ending at random places beyond them."""
    random = np.random.default_rng(seed)
    ends = zip(random.uniform(0.004, 0.025, count), random.uniform(0.35, 0.6, count), strict=True)
    return [np.geomspace(low, high, points) for low, high in ends]


def intervals(l2: Float64[np.ndarray, " l"], depth: int) -> list[int]:
    return sorted((np.searchsorted(l2, spinodal(STRENGTHS, depth)) - 1).tolist())


@pytest.mark.parametrize("points", [20, 25, 30, 50, 100, 200])
@pytest.mark.parametrize("depth", [3, 4])
def test_all_jumps_of_an_exact_branch(points: int, depth: int) -> None:
    for l2 in grids(points, 40):
        branch = learned_state(l2, STRENGTHS, depth)
        expected = intervals(l2, depth)
        if np.diff(expected).min() < 2 or expected[-1] + 2 >= points:
            continue  # fewer than two points between two jumps, or beyond the last: nobody could tell
        assert find_jumps(l2, branch.error, power=2) == expected
        assert find_jumps(l2, branch.accuracy, power=2) == expected
        assert find_jumps(l2, branch.norm_squared) == expected


def test_coarsest_grid() -> None:
    """15 points from a little below the first spinodal to a little above the last."""
    for l2 in (np.geomspace(low, 0.4, 15) for low in np.linspace(0.015, 0.03, 20)):
        assert find_jumps(l2, learned_state(l2, STRENGTHS, 3).error, power=2) == intervals(l2, 3)


def test_linear_and_uneven_grids() -> None:
    random = np.random.default_rng(1)
    for l2 in [np.linspace(0.01, 0.4, 60), *(np.sort(random.uniform(0.01, 0.4, 80)) for _ in range(20))]:
        found = find_jumps(l2, learned_state(l2, STRENGTHS, 3).error, power=2)
        assert set(found) <= set(intervals(l2, 3))
        assert len(found) >= 2


def test_a_path_downwards() -> None:
    """A branch that jumps as λ falls has its singularity above the jump: the mirror image, found alike."""
    l2 = np.geomspace(0.01, 0.4, 40)
    mirrored = learned_state(0.004 / l2, STRENGTHS, 3).error
    expected = [38 - i for i in intervals(0.004 / l2[::-1], 3)]
    assert [38 - i for i in find_jumps(l2[::-1], mirrored[::-1], power=-2)] == expected


@pytest.mark.parametrize("noise", [1e-5, 1e-4, 1e-3])
def test_jumps_in_noise(noise: float) -> None:
    """The smallest jump is 0.028. Nothing else is taken for a jump, whether or not that one is found."""
    random = np.random.default_rng(2)
    found = []
    for l2 in grids(40, 50):
        jumps = find_jumps(
            l2, learned_state(l2, STRENGTHS, 3).error + noise * random.normal(size=40), power=2
        )
        assert set(jumps) <= set(intervals(l2, 3))
        found.append(len(jumps))
    assert np.mean(found) > 2.9


def test_continuous_transitions_are_no_jumps() -> None:
    for points in (15, 30, 100):
        for l2 in grids(points, 60, seed=points):
            assert find_jumps(l2, learned_state(l2, STRENGTHS, 2).error, power=2) == []
            assert find_jumps(l2, learned_state(l2, STRENGTHS, 2).norm_squared) == []


def smooth(random: np.random.Generator, x: Float64[np.ndarray, " l"]) -> Float64[np.ndarray, " l"]:
    """A smooth curve over ln λ, from 0 to 1: steep steps of a few points, waves, powers, kinks."""
    spacing, centre = x[1] - x[0], random.uniform(x[0], x[-1])
    width = spacing * np.exp(random.uniform(np.log(2), np.log(20)))
    wave = random.uniform(1, 6) * (x - x[0]) / np.ptp(x) + random.uniform(0, 2)
    curves = (
        lambda: np.tanh((x - centre) / width),
        lambda: np.tanh((x - centre) / width) + 0.3 * np.tanh((x - centre - 6 * width) / width),
        lambda: np.sin(np.pi * wave),
        lambda: np.exp(random.uniform(0.5, 2) * x),
        lambda: np.polynomial.Polynomial(random.normal(size=4))((x - x.mean()) / np.ptp(x)),
        lambda: learned_state(np.exp(x), STRENGTHS, 2).error,
    )
    y = curves[random.integers(len(curves))]()
    return (y - y.min()) / np.ptp(y)


@pytest.mark.parametrize("noise", [0.0, 0.002, 0.01, 0.05])
def test_smooth_curves_have_no_jumps(noise: float) -> None:
    random = np.random.default_rng(3)
    wrong = 0
    for points in (15, 30, 60, 200):
        for l2 in grids(points, 50, seed=points):
            values = smooth(random, np.log(l2)) + noise * random.normal(size=points)
            wrong += bool(find_jumps(l2, values, power=2))
    assert wrong == 0


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0, 3.0], [1.0, 9.0, 9.0, 9.0], [0.0] * 9])
def test_short_and_flat_branches(values: list[float]) -> None:
    assert find_jumps(np.linspace(0.1, 0.2, len(values)), np.array(values)) == []


def test_the_plainest_jump() -> None:
    assert find_jumps(np.linspace(0.1, 0.2, 8), np.array([2.0] * 4 + [1.0] * 4)) == [3]


def test_a_branch_that_turns_back_as_it_jumps() -> None:
    """R of a deep linear network next to its last spinodal: it falls ever more steeply, and jumps up to 0."""
    values = [0.57, -0.2143, -1.0397, -1.9178, -2.904, -4.3989, 0.0, 0.0, 0.0, 0.0]
    assert find_jumps(np.geomspace(0.19, 0.25, 10), np.array(values)) == [5]


def test_noise_that_is_known_is_no_jump():
    """Stochastic curvature: 2 % of error a point, and one true jump; without the errors there are false ones."""
    l2 = np.linspace(0.03, 0.24, 43)
    smooth = np.where(l2 < 0.13, 1000 - 3e4 * l2**2, 300 - 700 * l2)
    found = {True: 0, False: 0}
    for seed in range(200):
        noisy = smooth * (1 + 0.02 * np.random.default_rng(seed).standard_normal(len(l2)))
        jump = int(np.searchsorted(l2, 0.13)) - 1
        assert jump in find_jumps(l2, noisy, errors=0.02 * smooth)
        for known in (True, False):
            found[known] += len(find_jumps(l2, noisy, errors=0.02 * smooth if known else None)) - 1
    assert found[True] == 0
    assert found[False] > 20
