"""Phases, saddles and the global minimum against full Hessians and numerical minimisation of 𝓛."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from spinodal.theory import (
    amplitude,
    barriers,
    coexistence,
    global_minimum,
    is_minimum,
    learned_state,
    phases,
    saddle_amplitude,
    saddles,
    spinodal,
)

STRENGTHS = (1.0, 0.6, 0.3)


def test_reference_branch() -> None:
    state = learned_state([0.005, 0.045, 0.105, 0.2, 0.24], STRENGTHS, 3)
    np.testing.assert_allclose(
        state.error, [0.00023707844, 0.028020403, 0.12294335, 0.35301844, 0.725], rtol=5e-8
    )
    np.testing.assert_allclose(state.norm_squared, [6.3842569, 5.3729741, 3.8014571, 1.8747299, 0], rtol=5e-8)
    np.testing.assert_array_equal(state.learned, [3, 3, 2, 1, 0])
    assert state.accuracy[-1] == 0
    assert state.minimum.all()
    np.testing.assert_allclose(state.loss, state.error + state.l2 * state.norm_squared)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_phases_exist_up_to_their_spinodals_and_are_minima(depth: int) -> None:
    edges = spinodal(STRENGTHS, depth)
    l2 = np.geomspace(1e-3, 0.9, 50)
    for m, phase in enumerate(phases(l2, STRENGTHS, depth)):
        exists = l2 < (edges[m - 1] if m else np.inf)
        np.testing.assert_array_equal(phase.exists, exists)
        np.testing.assert_array_equal(phase.learned, np.where(exists, m, 0))
        # For L = 2 a phase is a minimum only where no further feature could grow.
        next_edge = edges[m] if depth == 2 and m < 3 else 0
        np.testing.assert_array_equal(phase.minimum, exists & (l2 > next_edge))
        dead = m < 3 and phase.alive[:, m:].any()
        assert not dead


@pytest.mark.parametrize("depth", [3, 4])
def test_saddles_lie_between_their_phases_a_barrier_above(depth: int) -> None:
    l2 = 0.7 * float(spinodal(STRENGTHS[-1], depth))
    all_phases, between = phases(l2, STRENGTHS, depth), saddles(l2, STRENGTHS, depth)
    assert len(between) == 3
    for c, (below, above), saddle in zip(STRENGTHS, pairwise(all_phases), between, strict=True):
        climb = barriers(l2, c, depth)
        assert saddle.loss - above.loss == pytest.approx(float(climb.from_learned), rel=1e-9)
        assert saddle.loss - below.loss == pytest.approx(float(climb.from_unlearned), rel=1e-9)
        assert saddle.exists.all()
        assert not saddle.minimum.any()
    assert not any(saddle.exists.any() for saddle in saddles(l2, STRENGTHS, 2))


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("variances", [(1.0, 1.0, 1.0), (1.3, 0.7, 1.1), (4.0, 0.5, 0.2), (0.3, 1.0, 3.0)])
def test_minimum_or_not_as_the_full_hessian_says(depth: int, variances: tuple[float, ...], surface) -> None:
    """Every choice of states for three features, at several λ."""
    network = surface(STRENGTHS, (3, *[3] * (depth - 1), 3), variances)
    edges = spinodal(STRENGTHS, depth, variances)
    found = set()
    for l2 in np.sort(edges) * [0.5, 0.8, 0.9]:
        learned = amplitude(l2, STRENGTHS, depth, variances)
        top = saddle_amplitude(l2, STRENGTHS, depth, variances)
        states = [{0.0, float(a), *([float(b)] if b > 0 else [])} for a, b in zip(learned, top, strict=True)]
        for u in product(*states):
            eigenvalues = torch.linalg.eigvalsh(network.hessian(network.balanced(u))) + 2 * l2
            assert bool(is_minimum(l2, u, STRENGTHS, depth, variances)) == bool(eigenvalues[0] > -1e-9), (
                l2,
                u,
            )
            found.add(bool(eigenvalues[0] > -1e-9))
    assert found == {True, False}


def test_a_phase_can_turn_before_its_spinodal(surface) -> None:
    """With unequal variances: feature 2 outlives 1, but its weight turns towards 1 as soon as 1 is dead."""
    c, sigma = (1.05, 1.0), (1.25, 1.0)
    first, last = np.sort(spinodal(c, 3, sigma))
    l2 = np.linspace(first, last, 22)[1:-1]
    phase = phases(l2, c, 3, sigma)[1]
    np.testing.assert_array_equal(phase.alive, [[False, True]] * 20)
    network = surface(c, (2, 2, 2, 2), sigma)
    least = [
        float(torch.linalg.eigvalsh(network.hessian(network.balanced(u)))[0]) + 2 * at
        for at, u in zip(l2, phase.amplitudes, strict=True)
    ]
    np.testing.assert_array_equal(phase.minimum, np.array(least) > -1e-9)
    assert not phase.minimum.any()


def test_two_alive_features_never_mix(surface) -> None:
    rng = np.random.default_rng(0)
    for depth in (3, 4) * 20:
        c, sigma = rng.uniform(0.8, 1.2, 2), rng.uniform(0.2, 5, 2)
        l2 = (1 - 10 ** rng.uniform(-4, -1)) * spinodal(c, depth, sigma).min()
        u = amplitude(l2, c, depth, sigma)
        network = surface(tuple(c), (2,) * (depth + 1), tuple(sigma))
        assert torch.linalg.eigvalsh(network.hessian(network.balanced(u)))[0] + 2 * l2 > -1e-9
        assert is_minimum(l2, u, c, depth, sigma)


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("l2", [0.02, 0.07, 0.16, 0.21, 0.6])
def test_global_minimum_against_many_descents(depth: int, l2: float, surface) -> None:
    """The least 𝓛 that L-BFGS finds from sixteen starts: none is lower, one is equal."""
    network = surface(STRENGTHS, (3, *[3] * (depth - 1), 3))
    zero_error = 0.5 * sum(s**2 for s in STRENGTHS)

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        theta = torch.from_numpy(x).requires_grad_()
        value = network.error(theta) + l2 * theta.square().sum()
        (gradient,) = torch.autograd.grad(value, theta)
        return value.item(), gradient.numpy()

    rng = np.random.default_rng(0)
    n = 9 * depth
    starts = [0.7 * rng.normal(size=n) for _ in range(15)] + [np.zeros(n)]
    least = min(minimize(loss, start, jac=True, method="L-BFGS-B").fun for start in starts) + zero_error
    exact = global_minimum(l2, STRENGTHS, depth)
    assert exact.loss[0] == pytest.approx(least, abs=1e-6)
    assert exact.loss[0] == pytest.approx(
        min(phase.loss[0] for phase in phases(l2, STRENGTHS, depth) if phase.exists[0]), rel=1e-12
    )
    assert exact.minimum.all()


def test_global_minimum_changes_at_coexistence() -> None:
    edges = np.sort(coexistence(STRENGTHS, 3))
    l2 = np.ravel([[at * (1 - 1e-9), at * (1 + 1e-9)] for at in edges])
    state = global_minimum(l2, STRENGTHS, 3)
    np.testing.assert_array_equal(state.learned, [3, 2, 2, 1, 1, 0])
    np.testing.assert_allclose(state.loss[::2], state.loss[1::2], rtol=1e-8)


def test_error_of_the_zero_function_may_be_more_than_the_features_explain() -> None:
    explained, given = (global_minimum([0.05, 0.9], STRENGTHS, 3, zero_error=e) for e in (None, 2.0))
    np.testing.assert_allclose(given.error - explained.error, 2.0 - 0.725)
    np.testing.assert_allclose(given.accuracy, 1 - given.error / 2.0)
    assert given.error[1] == 2.0


def test_phases_with_unequal_variances_are_nested_by_spinodal() -> None:
    """A weaker feature along a less varied input outlives a stronger one: λ_sp ∝ c^{4/3} σ^{−1/3} for L = 3."""
    c, sigma = [1.0, 0.9], [4.0, 0.5]
    one = phases(0.1, c, 3, sigma)[1]
    np.testing.assert_array_equal(one.alive[0], [False, True])


def test_branch_is_stationary_in_l2() -> None:
    """dE/dλ = −λ d‖θ‖²/dλ wherever the branch is smooth, whatever the network."""
    l2 = np.linspace(0.06, 0.1, 2001)
    state = learned_state(l2, STRENGTHS, 3, (1.3, 0.7, 1))
    slope = np.gradient(state.error, l2)[1:-1]
    np.testing.assert_allclose(slope, -(l2 * np.gradient(state.norm_squared, l2))[1:-1], rtol=1e-5)


def test_refuses_features_without_strength() -> None:
    with pytest.raises(ValueError, match="above 0"):
        learned_state(0.1, (1, 0), 3)
