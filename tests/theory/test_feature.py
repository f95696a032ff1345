"""The closed forms against the reference values, against 𝓛 minimised numerically, and in their limits."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from spinodal.theory import (
    amplitude,
    amplitude_mode,
    barriers,
    coexistence,
    learned_state,
    potential,
    saddle_amplitude,
    spinodal,
)


def test_reference_values() -> None:
    np.testing.assert_allclose(spinodal([1, 0.6, 0.3], 3), [0.236235, 0.119549, 0.047443], atol=5e-7)
    np.testing.assert_allclose(coexistence([1, 0.6, 0.3], 3), [0.198425, 0.100415, 0.039850], atol=5e-7)
    np.testing.assert_allclose([spinodal(1, 4), coexistence(1, 4)], [0.192450, 0.136083], atol=5e-7)
    np.testing.assert_allclose([spinodal(0.8, 2), coexistence(0.8, 2, variance=7)], 0.4)


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize(("strength", "variance"), [(1.0, 1.0), (0.7, 2.5)])
def test_learned_state_minimises_the_loss_up_to_the_spinodal(
    depth: int, strength: float, variance: float
) -> None:
    edge = float(spinodal(strength, depth, variance))
    for l2 in edge * np.array([0.05, 0.5, 0.9, 0.999]):
        u = float(amplitude(l2, strength, depth, variance))

        def loss(a: float, l2: float = l2) -> float:
            return 0.5 * variance * a ** (2 * depth) - strength * a**depth + l2 * depth * a**2

        a = u ** (1 / depth)
        found = minimize_scalar(loss, bounds=(0.97 * a, 1.03 * a), method="bounded", options={"xatol": 1e-12})
        assert found.x == pytest.approx(a, rel=1e-5)
    assert amplitude(edge * (1 + 1e-12), strength, depth, variance) == 0


@pytest.mark.parametrize("depth", [3, 4, 6])
def test_learned_state_at_its_spinodal_and_at_coexistence(depth: int) -> None:
    c, sigma = 0.8, 1.7
    assert amplitude(spinodal(c, depth, sigma) * (1 - 1e-14), c, depth, sigma) == pytest.approx(
        c / sigma * (depth - 2) / (2 * depth - 2), rel=1e-5
    )
    equal = learned_state(coexistence(c, depth, sigma), c, depth, sigma)
    assert equal.loss[0] == pytest.approx(0.5 * c**2 / sigma, rel=1e-12)


def test_depth_two_is_continuous() -> None:
    np.testing.assert_allclose(amplitude([0, 0.1, 0.3, 0.4, 9], 0.8, 2), [0.8, 0.6, 0.2, 0, 0], atol=1e-15)


@pytest.mark.parametrize("depth", [3, 4, 7])
@pytest.mark.parametrize(("strength", "variance"), [(1.0, 1.0), (0.7, 2.5)])
def test_barriers_are_what_a_walk_along_the_amplitude_has_to_climb(
    depth: int, strength: float, variance: float
) -> None:
    """V of the singular value a itself, on a fine grid from the learned state to 0."""
    edge = float(spinodal(strength, depth, variance))
    for l2 in edge * np.array([1e-3, 0.1, 0.5, 0.84, 0.99]):
        a = np.linspace(0, float(amplitude(l2, strength, depth, variance)) ** (1 / depth), 200_001)
        walk = 0.5 * variance * a ** (2 * depth) - strength * a**depth + l2 * depth * a**2
        climb = barriers(l2, strength, depth, variance)
        assert float(climb.from_unlearned) == pytest.approx(walk.max() - walk[0], rel=1e-6, abs=1e-12)
        assert float(climb.from_learned) == pytest.approx(walk.max() - walk[-1], rel=1e-6, abs=1e-12)
        top = saddle_amplitude(l2, strength, depth, variance) ** (1 / depth)
        assert float(top) == pytest.approx(a[walk.argmax()], abs=2 * a[1])


def test_barriers_in_their_limits() -> None:
    c, sigma, depth = 0.8, 1.7, 4
    at_coexistence = barriers(coexistence(c, depth, sigma), c, depth, sigma)
    np.testing.assert_allclose(at_coexistence.from_learned, at_coexistence.from_unlearned)
    assert at_coexistence.from_learned > 0
    at_zero = barriers(0, c, depth, sigma)
    np.testing.assert_allclose([at_zero.from_learned, at_zero.from_unlearned], [0.5 * c**2 / sigma, 0])
    edge = spinodal(c, depth, sigma)
    assert barriers(edge * (1 - 1e-9), c, depth, sigma).from_learned == pytest.approx(0, abs=1e-12)
    for none in (barriers(edge * 1.01, c, depth, sigma), barriers([0.1, 0.9], c, 2, sigma)):
        assert np.isnan(none.from_learned).all()
        assert np.isnan(none.from_unlearned).all()


@pytest.mark.parametrize("depth", [3, 4, 6])
def test_the_saddle_is_stationary_and_unstable(depth: int) -> None:
    c, sigma = 0.8, 1.7
    l2 = float(spinodal(c, depth, sigma)) * np.array([1e-6, 1e-3, 0.5, 0.999])
    u = saddle_amplitude(l2, c, depth, sigma)
    np.testing.assert_allclose(0.5 * (c - sigma * u) * u ** ((depth - 2) / depth), l2, rtol=1e-10)
    assert (amplitude_mode(u, c, depth, sigma) < 0).all()
    assert (amplitude_mode(amplitude(l2, c, depth, sigma), c, depth, sigma) > 0).all()
    # a ≈ 2λ/c at depth 3: how far a perturbation must reach.
    assert saddle_amplitude(1e-4, c, 3) ** (1 / 3) == pytest.approx(2e-4 / c, rel=1e-3)


def test_amplitude_mode_is_the_second_derivative_along_the_balanced_amplitude() -> None:
    c, sigma, depth, l2 = 0.8, 1.7, 4, 0.05
    u = float(amplitude(l2, c, depth, sigma))
    a, h = u ** (1 / depth), 1e-4
    values = potential([(a - h) ** depth, u, (a + h) ** depth], l2, c, depth, sigma)
    # One unit along θ moves each of the L layers by 1/√L.
    second = (values[0] - 2 * values[1] + values[2]) / h**2 / depth
    assert amplitude_mode(u, c, depth, sigma) == pytest.approx(second, rel=1e-5)
    assert np.isnan(amplitude_mode(0, c, depth, sigma))


@pytest.mark.parametrize(
    "ask",
    [
        lambda: spinodal(1, 1),
        lambda: spinodal(-1, 3),
        lambda: coexistence(1, 3, variance=0),
        lambda: amplitude(-0.1, 1, 3),
        lambda: amplitude(float("nan"), 1, 3),
        lambda: barriers(-1, 1, 3),
        lambda: saddle_amplitude(0.1, 1, 3, variance=-1),
    ],
)
def test_refuses_what_has_no_meaning(ask: object) -> None:
    with pytest.raises(ValueError, match=r"must be|at least 2"):
        ask()  # type: ignore[operator]


def test_shapes_broadcast() -> None:
    assert spinodal([[1.0], [2.0]], 3, [1.0, 2.0, 3.0]).shape == (2, 3)
    assert amplitude(np.ones(4)[:, None], [1.0, 2.0], 3).shape == (4, 2)
