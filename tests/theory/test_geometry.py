"""Exact geometry against the full Hessian by automatic differentiation, and against the reference table."""

from itertools import product

import numpy as np
import pytest
import torch

from spinodal.theory import (
    amplitude,
    geometry,
    learned_state,
    phases,
    saddle_amplitude,
    saddles,
    soft_mode,
    spinodal,
    zero_modes,
)

STRENGTHS = (1.0, 0.6, 0.3)


def test_reference_table() -> None:
    state = learned_state([0.005, 0.045, 0.105, 0.2, 0.24], STRENGTHS, 3)
    exact = geometry(state.amplitudes, STRENGTHS, (3, 4, 4, 3))
    np.testing.assert_allclose(exact.curvature, [183.31891, 100.09326, 32.192763, 2.7055084, 0], rtol=5e-8)
    np.testing.assert_allclose(exact.trace, [14.528978, 11.099955, 6.938031, 2.7335873, 0], rtol=5e-8)
    np.testing.assert_allclose(
        exact.frobenius_squared, [27.624966, 17.553904, 8.7668646, 3.550459, 0], rtol=5e-8
    )


@pytest.mark.parametrize(("width", "changes_sign"), [(4, 0.2257), (8, 0.206), (16, 0.180)])
def test_curvature_changes_sign_where_the_width_says(width: int, changes_sign: float) -> None:
    l2 = np.array([changes_sign - 1e-3, changes_sign + 1e-3])
    state = learned_state(l2, STRENGTHS, 3)
    before, after = geometry(state.amplitudes, STRENGTHS, (3, width, width, 3)).curvature
    assert before > 0 > after


def test_unlearned_phase() -> None:
    for depth in (3, 4):
        assert geometry(np.zeros(3), STRENGTHS, (3, *[5] * (depth - 1), 3)).curvature == 0
    unlearned = geometry(np.zeros(3), STRENGTHS, (5, 7, 4), variances=[2, 0.5, 1], spare_variances=[3, 4])
    assert unlearned.curvature == pytest.approx(-2 * 7 * (1 + 0.36 + 0.09))


CASES = {
    "depth 2": ((3, 5, 4), 1.0, 1.0),
    "depth 3": ((3, 4, 4, 3), 1.0, 1.0),
    "depth 3, spare inputs and outputs, unequal widths": ((5, 4, 6, 4), 1.0, 1.0),
    "depth 4": ((3, 4, 3, 4, 3), 1.0, 1.0),
    "depth 5": ((3, 3, 3, 3, 3, 3), 1.0, 1.0),
    "depth 2, variances": ((5, 4, 3), (1.3, 0.7, 1.1), (0.2, 2.0)),
    "depth 3, variances": ((5, 4, 4, 3), (1.3, 0.7, 1.1), (0.2, 2.0)),
    "depth 4, variances": ((4, 3, 4, 3, 3), (1.3, 0.7, 1.1), (2.0,)),
}


@pytest.mark.parametrize("case", CASES)
def test_every_state_against_the_full_hessian(case: str, surface) -> None:
    """Phases, saddles, and choices of features that are neither."""
    sizes, variances, spare = CASES[case]
    depth, sigma = len(sizes) - 1, np.broadcast_to(variances, 3)
    network = surface(STRENGTHS, sizes, variances, spare)
    l2 = 0.6 * spinodal(STRENGTHS, depth, sigma).min()
    learned = amplitude(l2, STRENGTHS, depth, sigma)
    top = saddle_amplitude(l2, STRENGTHS, depth, sigma)
    states = [[0.0, a, *([b] if np.isfinite(b) else [])] for a, b in zip(learned, top, strict=True)]
    amplitudes = np.array([*product(*states)])
    exact = geometry(amplitudes, STRENGTHS, sizes, variances, spare)
    soft = soft_mode(amplitudes, STRENGTHS, depth, variances)
    for i, u in enumerate(amplitudes):
        theta = network.balanced(u)
        v, hessian = network.gradient(theta), network.hessian(theta)
        torch.testing.assert_close(v, -2 * l2 * theta)  # stationary, so the balance is right
        image, w = hessian @ v, 1 + v @ v
        metric = torch.eye(len(v), dtype=torch.float64) - torch.outer(v, v) / w
        shape = metric @ hessian / w.sqrt()
        full = {
            "curvature": shape.trace() ** 2 - (shape @ shape).trace(),
            "trace": hessian.trace(),
            "frobenius_squared": hessian.square().sum(),
            "gradient_squared": v @ v,
            "gradient_hessian_gradient": v @ image,
            "hessian_gradient_squared": image @ image,
        }
        for name, value in full.items():
            assert getattr(exact, name)[i] == pytest.approx(float(value), rel=1e-9, abs=1e-10), (name, u)
        if u.any():
            _is_the_softest_amplitude(soft[i], u, network, theta, hessian, l2)


def _is_the_softest_amplitude(soft, u, network, theta, hessian, l2) -> None:
    """By moving each a_k alone: ∇²𝓛 projected on the directions ∂θ/∂a_k, which are its eigenvectors."""
    depth, modes = len(network.sizes) - 1, []
    for k in np.flatnonzero(u):
        only = np.zeros_like(u)
        only[k] = 1.0
        direction = network.balanced(only) / depth**0.5
        image = hessian @ direction + 2 * l2 * direction
        modes.append(float(direction @ image))
        torch.testing.assert_close(image, modes[-1] * direction, atol=1e-12, rtol=0)
    assert soft == pytest.approx(min(modes), rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("sizes", [(3, 4, 3), (3, 4, 5, 3), (4, 3, 3, 3), (3, 4, 3, 5, 3)])
def test_zero_modes_of_every_phase(sizes: tuple[int, ...], surface) -> None:
    network, depth = surface(STRENGTHS, sizes), len(sizes) - 1
    l2 = 0.6 * float(spinodal(STRENGTHS[-1], depth))
    for m, phase in enumerate(phases(l2, STRENGTHS, depth)):
        eigenvalues = torch.linalg.eigvalsh(network.hessian(network.balanced(phase.amplitudes[0]))) + 2 * l2
        assert (eigenvalues.abs() < 1e-9).sum() == zero_modes(m, sizes[1:-1])


def test_soft_mode_ends_the_phase() -> None:
    """For L ≥ 3 its square falls linearly to zero at λ_sp, for L = 2 itself as 2(s − 2λ)."""
    edge = float(spinodal(0.6, 3))
    l2 = edge * (1 - np.array([4e-4, 2e-4, 1e-4]))
    square = soft_mode(learned_state(l2, [1, 0.6], 3).amplitudes, [1, 0.6], 3) ** 2
    np.testing.assert_allclose(square[:-1] / square[1:], 2, rtol=0.02)
    l2 = np.array([0.1, 0.2])
    np.testing.assert_allclose(
        soft_mode(learned_state(l2, [0.6], 2).amplitudes, [0.6], 2), 2 * (0.6 - 2 * l2)
    )
    assert np.isnan(soft_mode(np.zeros(2), [1, 0.6], 3))
    assert (soft_mode(saddles(0.05, [1, 0.6], 3)[1].amplitudes, [1, 0.6], 3) < 0).all()


def test_nothing_is_said_of_states_that_are_not() -> None:
    over = phases(0.3, [1, 0.6], 3)[2]
    assert np.isnan(over.amplitudes).all()
    exact = geometry(over.amplitudes, [1, 0.6], (2, 2, 2, 2))
    assert np.isnan([exact.curvature, exact.trace, exact.frobenius_squared, exact.gradient_squared]).all()


def test_refuses_layers_too_narrow() -> None:
    with pytest.raises(ValueError, match="narrower than the 3 features"):
        geometry(np.zeros(3), STRENGTHS, (3, 2, 3))
    with pytest.raises(ValueError, match="at least 2"):
        geometry(np.zeros(3), STRENGTHS, (3, 3))
