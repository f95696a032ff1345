"""The closed forms against the reference values, against 𝓛 minimised numerically, and in their limits."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from spinodal.theory import amplitude, coexistence, learned_state, spinodal


def test_reference_values() -> None:
    np.testing.assert_allclose(spinodal([1, 0.6, 0.3], 3), [0.236235, 0.119549, 0.047443], atol=5e-7)
    np.testing.assert_allclose(coexistence([1, 0.6, 0.3], 3), [0.198425, 0.100415, 0.039850], atol=5e-7)
    np.testing.assert_allclose([spinodal(1, 4), coexistence(1, 4)], [0.192450, 0.136083], atol=5e-7)
    np.testing.assert_allclose([spinodal(0.8, 2), coexistence(0.8, 2, variance=7)], 0.4)


def test_reference_branch() -> None:
    state = learned_state([0.005, 0.045, 0.105, 0.2, 0.24], (1, 0.6, 0.3), 3)
    np.testing.assert_allclose(
        state.error, [0.00023707844, 0.028020403, 0.12294335, 0.35301844, 0.725], rtol=5e-8
    )
    np.testing.assert_allclose(state.norm_squared, [6.3842569, 5.3729741, 3.8014571, 1.8747299, 0], rtol=5e-8)
    np.testing.assert_array_equal(state.alive.sum(axis=1), [3, 3, 2, 1, 0])
    assert state.accuracy[-1] == 0
    np.testing.assert_allclose(state.loss, state.error + state.l2 * state.norm_squared)


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


def test_branch_is_stationary_in_l2() -> None:
    """dE/dλ = −λ d‖θ‖²/dλ wherever the branch is smooth, whatever the network."""
    l2 = np.linspace(0.06, 0.1, 2001)
    state = learned_state(l2, (1, 0.6, 0.3), 3, (1.3, 0.7, 1))
    slope = np.gradient(state.error, l2)[1:-1]
    np.testing.assert_allclose(slope, -(l2 * np.gradient(state.norm_squared, l2))[1:-1], rtol=1e-5)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: spinodal(1, 1),
        lambda: spinodal(-1, 3),
        lambda: coexistence(1, 3, variance=0),
        lambda: amplitude(-0.1, 1, 3),
        lambda: amplitude(float("nan"), 1, 3),
        lambda: learned_state(0.1, (1, 0), 3),
    ],
)
def test_refuses_what_has_no_meaning(ask: object) -> None:
    with pytest.raises(ValueError, match=r"must be|at least 2"):
        ask()  # type: ignore[operator]


def test_shapes_broadcast() -> None:
    assert spinodal([[1.0], [2.0]], 3, [1.0, 2.0, 3.0]).shape == (2, 3)
    assert amplitude(np.ones(4)[:, None], [1.0, 2.0], 3).shape == (4, 2)
