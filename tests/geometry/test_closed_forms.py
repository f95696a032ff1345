"""Curvatures known in closed form beyond spheres, and how they answer to scaling and to flat directions."""

import pytest
import torch
from surfaces import deep_linear, hemisphere, rough

from spinodal.geometry import gaussian_curvature, scalar_curvature
from spinodal.networks import MLP


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_hemispheres_of_every_dimension():
    for n in range(2, 51):
        theta = 0.1 * normal(n, seed=n)
        found = scalar_curvature(hemisphere(2.5), theta).value.item()
        assert found == pytest.approx(n * (n - 1) / 2.5**2, rel=1e-10), n


@pytest.mark.parametrize("n", [2, 3, 8])
@pytest.mark.parametrize("radius", [0.0, 0.7, 3.0])
@pytest.mark.parametrize("opening", [0.8, -1.3])
def test_paraboloids(n, radius, opening):
    """E = ½a‖θ‖² has one principal curvature along θ and n − 1 equal ones across."""
    theta = radius * torch.nn.functional.normalize(normal(n), dim=0)
    root = (1 + (opening * radius) ** 2) ** 0.5
    across, along = opening / root, opening / root**3
    found = scalar_curvature(lambda t: 0.5 * opening * t.square().sum(), theta)
    known = (n - 1) * (n - 2) * across**2 + 2 * (n - 1) * across * along
    assert found.value.item() == pytest.approx(known, rel=1e-12)
    assert found.mean_curvature.value.item() == pytest.approx(((n - 1) * across + along) / n, rel=1e-12)
    product = gaussian_curvature(lambda t: 0.5 * opening * t.square().sum(), theta)
    assert product.item() == pytest.approx(across ** (n - 1) * along, rel=1e-12)


@pytest.mark.parametrize("radius", [1.1, 2.0, 5.0])
def test_the_catenoid_is_a_minimal_surface(radius):
    theta = radius * torch.nn.functional.normalize(normal(2), dim=0)
    found = scalar_curvature(lambda t: torch.acosh(t.norm()), theta)
    assert found.mean_curvature.value.item() == pytest.approx(0, abs=1e-12)
    assert found.value.item() == pytest.approx(-2 / radius**4, rel=1e-10)


@pytest.mark.parametrize("x", [-0.4, 0.0, 1.2])
def test_a_curve_has_no_curvature_of_its_own(x):
    theta = torch.tensor([x], dtype=torch.float64)
    assert scalar_curvature(lambda t: t.exp().sum(), theta).value.item() == pytest.approx(0, abs=1e-15)
    # but one as a curve of the plane, κ = E″/(1 + E′²)^{3/2}
    slope = torch.exp(theta).item()
    known = slope / (1 + slope**2) ** 1.5
    assert gaussian_curvature(lambda t: t.exp().sum(), theta).item() == pytest.approx(known)


@pytest.mark.parametrize("method", ["exact", "stochastic"])
def test_flat_directions_change_nothing(method):
    """A cylinder over a surface has its scalar curvature, however many parameters E does not know of."""
    theta, error = 0.4 * normal(4), rough(0, 4)
    wide = torch.cat([theta, normal(60, seed=1)])
    found = scalar_curvature(lambda t: error(t[:4]), wide, method=method)
    torch.testing.assert_close(found.value, scalar_curvature(error, theta).value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("factor", [0.1, 7.0])
def test_a_surface_enlarged_is_less_curved(factor):
    """Every length times c: R becomes R/c², the mean curvature H/c. E alone times c is no such thing."""
    theta, error = 0.4 * normal(5), rough(1, 5)
    found = scalar_curvature(error, theta)
    enlarged = scalar_curvature(lambda t: factor * error(t / factor), factor * theta)
    torch.testing.assert_close(enlarged.value, found.value / factor**2)
    torch.testing.assert_close(enlarged.mean_curvature.value, found.mean_curvature.value / factor)


def test_upside_down_it_is_as_curved():
    theta, error = 0.4 * normal(5), rough(2, 5)
    found, turned = scalar_curvature(error, theta), scalar_curvature(lambda t: -error(t), theta)
    torch.testing.assert_close(turned.value, found.value)
    torch.testing.assert_close(turned.mean_curvature.value, -found.mean_curvature.value)


@pytest.mark.parametrize("l2", [0.03, 0.09, 0.2])
def test_error_and_loss_at_a_minimum(l2):
    """There ∇E = −2λθ, ∇𝓛 = 0 and ∇²𝓛 = ∇²E + 2λ, so that the one's curvature follows from the other's pieces."""
    error, theta = deep_linear([1, 0.6, 0.3], 3, 5, l2)
    of_error = scalar_curvature(error, theta)
    of_loss = scalar_curvature(lambda t: error(t) + l2 * t.square().sum(), theta)
    torch.testing.assert_close(of_error.gradient_squared, 4 * l2**2 * theta.square().sum())
    assert of_loss.gradient_squared.item() == pytest.approx(0, abs=1e-28)
    n, trace, squares = len(theta), of_error.trace.value, of_error.frobenius_squared.value
    known = (trace + 2 * l2 * n) ** 2 - (squares + 4 * l2 * trace + 4 * l2**2 * n)
    torch.testing.assert_close(of_loss.value, known)


def test_swapping_and_turning_hidden_units_changes_nothing():
    """The symmetries of a network are orthogonal: permutations and signs for tanh."""
    network = MLP(3, 2, depth=3, width=4, activation="tanh").double()
    inputs, targets = normal(9, 3), normal(9, 2, seed=1)
    shapes = [each.shape for each in network.parameters()]
    assert len(shapes) == 3  # without biases

    def error(theta):
        first, second, third = (
            part.view(shape)
            for part, shape in zip(theta.split([each.numel() for each in shapes]), shapes, strict=True)
        )
        hidden = torch.tanh(torch.tanh(inputs @ first.T) @ second.T)
        return 0.5 * (hidden @ third.T - targets).square().sum(-1).mean()

    layers = [normal(*shape, seed=i) for i, shape in enumerate(shapes)]
    turn = torch.eye(4, dtype=torch.float64)[[2, 0, 3, 1]] * torch.tensor([1.0, -1.0, -1.0, 1.0])[:, None]
    turned = [turn @ layers[0], layers[1] @ turn.T, layers[2]]
    one, other = (torch.cat([each.reshape(-1) for each in stack]) for stack in (layers, turned))
    torch.testing.assert_close(error(one), error(other))
    torch.testing.assert_close(scalar_curvature(error, one).value, scalar_curvature(error, other).value)


def test_from_a_thousand_parameters_on_probes_take_over():
    def bowl(theta):
        return theta.square().sum() + theta[0] ** 3

    assert scalar_curvature(bowl, normal(1000)).method == "exact"
    found = scalar_curvature(bowl, normal(1001))
    assert found.method == "stochastic"
    assert found.probes > 0
    assert found.products <= 100
