"""Scalar curvature against surfaces that are known, other ways to it, and the reference values."""

import inspect
import math

import pytest
import torch
from surfaces import (
    deep_linear,
    hemisphere,
    network_error,
    rough,
    scalar_curvature_of_metric,
    scalar_curvature_of_operator,
)
from torch import nn

from spinodal.ensemble import Ensemble, Objective
from spinodal.geometry import gaussian_curvature, parametrise, scalar_curvature, sectional_curvature
from spinodal.networks import MLP
from spinodal.tasks import linear_teacher
from spinodal.training import Relaxation, RelaxationSettings
from spinodal.training.descent import GradientDescent


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# Spheres


@pytest.mark.parametrize("n", [2, 3, 7, 20, 50])
@pytest.mark.parametrize("distance", [0.0, 0.3, 0.95])
def test_a_hemisphere_is_curved_alike_everywhere(n, distance):
    radius, direction = 1.7, normal(n)
    theta = distance * radius * direction / direction.norm()
    found = scalar_curvature(hemisphere(radius), theta)
    assert found.method == "exact"
    assert found.n == n
    assert found.standard_error == 0
    torch.testing.assert_close(found.value.item(), n * (n - 1) / radius**2, rtol=1e-9, atol=0)
    torch.testing.assert_close(found.mean_curvature.value.item(), 1 / radius, rtol=1e-9, atol=0)
    plane = sectional_curvature(hemisphere(radius), theta, normal(n, seed=1), normal(n, seed=2))
    torch.testing.assert_close(plane.item(), radius**-2, rtol=1e-7, atol=0)
    product = gaussian_curvature(hemisphere(radius), theta)
    torch.testing.assert_close(product.item(), radius**-n, rtol=1e-7, atol=0)


@pytest.mark.parametrize("seed", range(5))
def test_of_two_parameters_it_is_twice_the_gaussian_curvature(seed):
    theta, error = normal(2, seed=seed), rough(seed, 2)
    hessian, gradient = torch.func.hessian(error)(theta), torch.func.grad(error)(theta)
    known = 2 * torch.linalg.det(hessian) / (1 + gradient @ gradient) ** 2
    torch.testing.assert_close(scalar_curvature(error, theta).value, known)
    torch.testing.assert_close(2 * gaussian_curvature(error, theta), known)


# Other ways to it


@pytest.mark.parametrize("n", [2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_metrics_own(n, seed):
    theta, error = 0.5 * normal(n, seed=seed), rough(seed, n)
    found = scalar_curvature(error, theta).value
    torch.testing.assert_close(found, scalar_curvature_of_metric(error, theta), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(found, scalar_curvature_of_operator(error, theta), rtol=1e-10, atol=1e-10)


def test_it_is_the_metrics_own_on_a_network():
    network = nn.Sequential(nn.Linear(2, 1), nn.Tanh(), nn.Linear(1, 1)).double()
    inputs, targets = normal(6, 2), normal(6, 1, seed=1)
    theta = 0.8 * normal(5, seed=2)
    # (mse_loss has no third derivative in forward mode)
    error = network_error(network, inputs, targets, lambda outputs, y: (outputs - y).square().mean())
    known = scalar_curvature_of_metric(error, theta)
    assert abs(known) > 1e-3
    torch.testing.assert_close(scalar_curvature(error, theta).value, known, rtol=1e-8, atol=1e-10)


def test_it_is_the_sum_of_sectional_curvatures():
    theta, error = normal(4), rough(1, 4)
    gradient = torch.func.grad(error)(theta)
    metric = torch.eye(4, dtype=torch.float64) + torch.outer(gradient, gradient)
    frame = torch.linalg.inv(torch.linalg.cholesky(metric))  # rows, orthonormal in the metric
    total = sum(
        sectional_curvature(error, theta, frame[i], frame[j]) for i in range(4) for j in range(4) if i != j
    )
    torch.testing.assert_close(scalar_curvature(error, theta).value, total)


def test_turning_parameters_changes_nothing():
    turn, _ = torch.linalg.qr(normal(6, 6))
    theta, error = normal(6, seed=1), rough(3, 6)
    found = scalar_curvature(error, theta)
    turned = scalar_curvature(lambda t: error(turn @ t), turn.T @ theta)
    for name in ("value", "gradient_squared", "gradient_hessian_gradient", "hessian_gradient_squared"):
        torch.testing.assert_close(getattr(found, name), getattr(turned, name))
    torch.testing.assert_close(found.trace.value, turned.trace.value)
    torch.testing.assert_close(found.frobenius_squared.value, turned.frobenius_squared.value)


NETWORKS = {
    name: nn.Sequential(nn.Linear(3, 4), layer, nn.Linear(4, 3))
    for name, layer in {
        "tanh": nn.Tanh(),
        "gelu": nn.GELU(),
        "silu": nn.SiLU(),
        "softplus": nn.Softplus(),
        "relu": nn.ReLU(),
    }.items()
} | {
    "convolution": nn.Sequential(
        nn.Unflatten(1, (1, 3)), nn.Conv1d(1, 2, 2), nn.Tanh(), nn.Flatten(), nn.Linear(4, 3)
    ),
    "pooling": nn.Sequential(
        nn.Unflatten(1, (1, 3)), nn.Conv1d(1, 2, 2), nn.Tanh(), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(2, 3)
    ),
}


@pytest.mark.parametrize("criterion", ["squared", "cross_entropy"])
@pytest.mark.parametrize("name", NETWORKS)
def test_whatever_can_be_differentiated_twice(name, criterion):
    torch.manual_seed(1)
    network = NETWORKS[name]
    for each in network.parameters():
        nn.init.normal_(each, std=0.7)
    inputs = normal(8, 3)
    targets, loss = (
        (normal(8, 3, seed=1), nn.functional.mse_loss)
        if criterion == "squared"
        else (torch.arange(8) % 3, nn.functional.cross_entropy)
    )
    error, theta = parametrise(network, inputs, targets, loss)
    assert network[-1].weight.dtype == torch.float32  # left alone
    found = scalar_curvature(error, theta)
    known = scalar_curvature_of_operator(network_error(network.double(), inputs, targets, loss), theta)
    network.float()
    torch.testing.assert_close(found.value, known, rtol=1e-8, atol=1e-10)
    assert found.smooth is (name not in ("relu", "pooling"))
    assert ("on a smooth piece" in str(found)) is not found.smooth
    several = torch.stack([theta, 0.5 * theta, theta - 0.1])
    batch = scalar_curvature(torch.vmap(error), several)
    alone = torch.stack([scalar_curvature(error, each).value for each in several])
    torch.testing.assert_close(batch.value, alone)


# Reference values (physics.md)

REFERENCE = {
    0.005: (0.00023707844, 6.3842569, 183.31891, 14.528978, 27.624966),
    0.045: (0.028020403, 5.3729741, 100.09326, 11.099955, 17.553904),
    0.105: (0.12294335, 3.8014571, 32.192763, 6.938031, 8.7668646),
    0.200: (0.35301844, 1.8747299, 2.7055084, 2.7335873, 3.550459),
    0.240: (0.725, 0.0, 0.0, 0.0, 0.0),
}


@pytest.mark.parametrize("l2", REFERENCE)
def test_reference_states(l2):
    error, theta = deep_linear([1, 0.6, 0.3], 3, 4, l2)
    found = scalar_curvature(error, theta)
    said = (
        error(theta),
        theta.square().sum(),
        found.value,
        found.trace.value,
        found.frobenius_squared.value,
    )
    assert [each.item() for each in said] == pytest.approx(REFERENCE[l2], rel=1e-7, abs=1e-12)


def test_reference_values_on_trained_networks():
    """One up branch through all λ of the table, trained as the framework trains."""
    task = linear_teacher(complexity=3, strengths=[1.0, 0.6, 0.3])
    ensemble = Ensemble(lambda: MLP(3, 3, depth=3, width=4, activation="linear"), [0, 1])
    objective = Objective(ensemble, task)
    relaxation = Relaxation(
        ensemble.theta, objective, GradientDescent(), [0, 1], RelaxationSettings(tolerance=1e-11)
    )
    for stage, l2 in enumerate(REFERENCE):
        relaxation.begin(torch.full((2,), l2, dtype=torch.float64), stage)
        while relaxation.active.any():
            relaxation.step()
        assert relaxation.rows["minimum"].all()
        theta = ensemble.theta.detach()
        found = scalar_curvature(objective.error, theta)
        said = (
            objective.error(theta),
            theta.square().sum(-1),
            found.value,
            found.trace.value,
            found.frobenius_squared.value,
        )
        for row in range(2):
            assert [each[row].item() for each in said] == pytest.approx(REFERENCE[l2], rel=1e-6, abs=1e-8)


@pytest.mark.parametrize(("depth", "width"), [(2, 4), (2, 7), (3, 4), (4, 5)])
def test_the_unlearned_phase(depth, width):
    strengths = [1, 0.6, 0.3]
    error, theta = deep_linear(strengths, depth, width, 0.7)
    assert not theta.any()
    known = -2 * width * sum(s * s for s in strengths) if depth == 2 else 0.0
    assert scalar_curvature(error, theta).value.item() == pytest.approx(known)


@pytest.mark.parametrize(("width", "l2"), [(4, 0.2257), (8, 0.206), (16, 0.180)])
def test_where_its_sign_changes_depends_on_the_width(width, l2):
    def curvature(l2):
        return scalar_curvature(*deep_linear([1, 0.6, 0.3], 3, width, l2)).value

    assert curvature(l2 - 1e-3) > 0 > curvature(l2 + 1e-3)


# What it says, and what it refuses


def test_it_prints_value_and_error():
    exact = scalar_curvature(hemisphere(1.0), normal(3) * 0.1)
    assert str(exact) == "R = 6 ± 0 (exact, n = 3)"
    noisy = scalar_curvature(rough(0, 30), normal(30) * 0.1, method="stochastic", probes=20)
    value, error = noisy.value.item(), noisy.standard_error.item()
    said = str(noisy).removeprefix("R = ").removesuffix(" (stochastic, n = 30)").split(" ± ")
    assert abs(float(said[0]) - value) <= error
    assert float(said[1]) == pytest.approx(error, rel=0.06)


def test_auto_says_which_it_chose():
    assert scalar_curvature(hemisphere(99.0), normal(1000), method="auto").method == "exact"
    assert scalar_curvature(hemisphere(99.0), normal(1001), method="auto", probes=10).method == "stochastic"


def test_memory_for_columns_does_not_change_the_result():
    theta = normal(3, 12) * 0.1
    many, one = (scalar_curvature(hemisphere(3.0), theta, max_bytes=size) for size in (2**29, 1))
    torch.testing.assert_close(many.value, one.value)


def test_the_graph_of_a_plane_is_flat():
    found = scalar_curvature(lambda theta: theta.sum(), normal(4))
    assert found.value == 0
    assert found.gradient_squared == pytest.approx(4)
    assert math.isclose(found.mean_curvature.value, 0)


@pytest.mark.parametrize(
    ("theta", "options", "said"),
    [
        (normal(3).float(), {}, "float64"),
        (normal(2, 3, 4), {}, "must be \\[n\\] or \\[R, n\\]"),
        (normal(3), {"method": "magic"}, "method = magic"),
        (normal(3), {"probes": 4}, "probes = 4: must be at least 5"),
        (normal(3), {"generator": [torch.Generator()] * 2}, "2 of them for 1 points"),
    ],
)
def test_what_does_not_fit_is_refused(theta, options, said):
    unchecked = inspect.unwrap(scalar_curvature)  # as users have it, without types checked at run time
    with pytest.raises(ValueError, match=said):
        unchecked(hemisphere(9.0), theta, **options)


def test_an_error_of_the_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"error returns the shape \(3,\)"):
        scalar_curvature(lambda theta: theta, normal(3))
