"""Curvatures along the branch of one feature and the front E(ρ), against geometry and full Hessians."""

import numpy as np
import pytest
import torch

from spinodal.geometry import scalar_curvature as measured
from spinodal.theory import amplitude, coexistence, geometry, learned_state, spinodal
from spinodal.theory.front import (
    Front,
    curvature_zero,
    ricci_along,
    scalar_curvature,
    stiffness_of_error,
)

CASES = [(2, 4, 1.0), (3, 4, 1.0), (3, 8, 0.6), (4, 3, 1.3), (5, 2, 0.8)]


def sizes(depth: int, width: int) -> tuple[int, ...]:
    return (1, *[width] * (depth - 1), 1)


@pytest.mark.parametrize(("depth", "width", "strength"), CASES)
def test_scalar_curvature_is_that_of_the_general_formula_and_of_the_hessian(
    depth, width, strength, surface
) -> None:
    u = strength * np.array([0.05, 0.3, 0.6, 0.9])
    exact = scalar_curvature(u, strength, depth, width)
    np.testing.assert_allclose(
        exact, geometry(u[:, None], [strength], sizes(depth, width)).curvature, rtol=1e-11, atol=1e-13
    )
    network = surface((strength,), sizes(depth, width))
    theta = torch.stack([network.balanced([each]) for each in u])
    rows = measured(torch.vmap(network.error), theta).value
    np.testing.assert_allclose(exact, rows.numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("depth", "width", "strength"), CASES)
def test_where_curvature_changes_sign(depth, width, strength) -> None:
    zero = curvature_zero(strength, depth, width)
    around = scalar_curvature([zero * (1 - 1e-6), zero * (1 + 1e-6)], strength, depth, width)
    assert around[0] < 0 < around[1]
    guess = strength * (width - 1 + depth / 2) / (width - 1 + 3 * depth / 2)
    assert zero == pytest.approx(guess, rel=0.1)


@pytest.mark.parametrize(
    ("depth", "expected"),
    [(2, (0.312, 0.192, 0.109)), (3, (0.675, 0.470, 0.297)), (4, (0.826, 0.622, 0.422))],
)
def test_it_is_a_matter_of_width(depth, expected) -> None:
    """λ/λ_sp at R = 0 for widths 4, 8 and 16: neither λ_sp nor λ_co, and nearer to 0 the wider the network."""
    found = []
    for width in (4, 8, 16):
        u = curvature_zero(1.0, depth, width)
        found.append(0.5 * (1 - u) * u ** ((depth - 2) / depth) / float(spinodal(1.0, depth)))
    np.testing.assert_allclose(found, expected, atol=6e-4)


@pytest.mark.parametrize(("depth", "width", "strength"), CASES)
def test_stiffness_and_ricci_curvature_along_the_path(depth, width, strength, surface) -> None:
    network = surface((strength,), sizes(depth, width))
    edge = float(spinodal(strength, depth))
    inflection = strength * (depth - 2) / (2 * depth - 2)
    for u in strength * np.array([0.2, 0.35, 0.5, 0.8]):
        l2 = 0.5 * (strength - u) * u ** ((depth - 2) / depth)
        theta = network.balanced([u])
        hessian = network.hessian(theta)
        t = theta / theta.norm()  # with one feature the branch goes along θ
        assert stiffness_of_error(u, strength, depth) == pytest.approx(float(t @ hessian @ t), rel=1e-9)
        whole = hessian + 2 * l2 * torch.eye(len(t), dtype=torch.float64)
        full = float((t @ whole @ t) * whole.trace() - (whole @ t).square().sum())
        found = ricci_along(u, strength, depth, float(whole.trace()))
        assert found == pytest.approx(full, rel=1e-8, abs=1e-10)
        assert (found > 0) == (u > inflection)
    if depth > 2:
        assert stiffness_of_error(inflection, strength, depth) == pytest.approx(-2 * edge, rel=1e-12)
    zero = strength * (depth - 1) / (2 * depth - 1)
    assert stiffness_of_error(zero, strength, depth) == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("depth", [3, 4, 5])
def test_the_front_has_its_inflection_at_the_spinodal_and_its_double_tangent_at_coexistence(depth) -> None:
    front = Front(0.6, depth)
    edge, equal = float(spinodal(0.6, depth)), float(coexistence(0.6, depth))
    state = learned_state([0.3 * edge, 0.9 * edge], [0.6], depth)
    np.testing.assert_allclose(front.error(state.norm_squared), state.error, rtol=1e-12)
    np.testing.assert_allclose(-front.slope(state.norm_squared), state.l2, rtol=1e-12)
    rho = np.array([0.4, 0.9, 1.4])
    step = 1e-4
    for derivative, of in ((front.slope, front.error), (front.curvature, front.slope)):
        difference = (of(rho + step) - of(rho - step)) / (2 * step)
        np.testing.assert_allclose(derivative(rho), difference, rtol=1e-5, atol=1e-7)
    at, l2 = front.inflection
    assert l2 == pytest.approx(edge, rel=1e-15)
    assert -front.slope(at) == pytest.approx(edge, rel=1e-13)
    assert front.curvature(at) == pytest.approx(0, abs=1e-14)
    at, l2 = front.double_tangent
    assert l2 == pytest.approx(equal, rel=1e-15)
    assert -front.slope(at) == pytest.approx(equal, rel=1e-13)
    assert front.above_tangent(at, l2) == pytest.approx(0, abs=1e-15)
    everywhere = front.above_tangent(np.linspace(0, 2 * at, 1001), l2)
    assert everywhere.min() > -1e-15
    assert amplitude(l2, 0.6, depth) == pytest.approx(float(front.amplitude(at)), rel=1e-12)
