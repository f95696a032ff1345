"""Estimates of the curvature at minima of trained networks, n = 160 to 216, a third of the spectrum negative.

200 repeats at a time. A share of p comes out lower by chance, but hardly by more than 4·√(p(1 − p)/200).
"""

import pytest
import torch

from spinodal.ensemble import Ensemble, Objective
from spinodal.geometry import Estimate, hessian, linearise_gradient, scalar_curvature
from spinodal.networks import MLP
from spinodal.tasks import linear_teacher
from spinodal.training import Relaxation, RelaxationSettings
from spinodal.training.descent import GradientDescent

REPEATS = 200
NETWORKS = {
    "deep linear": ("linear", 10, 0.02),
    "near its end": ("linear", 10, 0.1),
    "tanh": ("tanh", 12, 0.02),
}


@pytest.fixture(scope="module", params=NETWORKS)
def minimum(request):
    """E, θ [1, n], and the quadratic with the same ∇E and ∇²E, whose products cost nothing."""
    activation, width, l2 = NETWORKS[request.param]
    ensemble = Ensemble(lambda: MLP(3, 3, depth=3, width=width, activation=activation), [0])
    objective = Objective(ensemble, linear_teacher())
    relaxation = Relaxation(
        ensemble.theta, objective, GradientDescent(), [0], RelaxationSettings(handoff=1e-3)
    )
    relaxation.begin(torch.tensor([l2], dtype=torch.float64), 0)
    while relaxation.active.any():
        relaxation.step()
    assert relaxation.rows["minimum"].all()
    theta = ensemble.theta.detach()
    _, slope, _ = linearise_gradient(objective.error, theta)
    matrix = hessian(objective.error, theta)[0]

    def quadratic(displacement):
        return 0.5 * ((displacement @ matrix) * displacement).sum(-1) + displacement @ slope[0]

    return objective.error, theta, quadratic


def repeated(function, theta, repeats=REPEATS, seed=0, **options):
    generators = [torch.Generator().manual_seed(seed + row) for row in range(repeats)]
    return scalar_curvature(
        function, theta.expand(repeats, -1), method="stochastic", generator=generators, **options
    )


def estimates(found, exact):
    return {
        "curvature": (Estimate(found.value, found.standard_error), exact.value),
        "trace": (found.trace, exact.trace.value),
        "frobenius": (found.frobenius_squared, exact.frobenius_squared.value),
    }


def test_they_are_indefinite(minimum):
    error, theta, quadratic = minimum
    values = torch.linalg.eigvalsh(hessian(error, theta)[0])
    assert (values < -1e-3).sum() > 0.15 * len(values)
    network, stand_in = (scalar_curvature(each, at) for each, at in ((error, theta), (quadratic, 0 * theta)))
    torch.testing.assert_close(network.value, stand_in.value, rtol=1e-9, atol=0)
    # The gradient takes part: without it R would be another number.
    bare = network.trace.value**2 - network.frobenius_squared.value
    assert (bare / network.value - 1).abs() > 0.01


@pytest.mark.parametrize(
    ("options", "share"),
    [
        ({"probes": 8}, 0.91),
        ({"probes": 20}, 0.965),
        ({"probes": 60}, 0.99),
        ({"probes": 100, "relative_error": 0.02}, 0.975),
    ],
    ids=str,
)
def test_errors_are_what_they_say(minimum, options, share):
    """Within three of its errors in the stated share of cases; errors as large as the scatter; no bias."""
    _, theta, quadratic = minimum
    found = repeated(quadratic, 0 * theta, **options)
    assert found.products <= options["probes"]
    exact = scalar_curvature(quadratic, 0 * theta[0])
    for name, (estimate, truth) in estimates(found, exact).items():
        away = estimate.value - truth
        inside = (away.abs() <= 3 * estimate.standard_error).double().mean()
        assert inside >= share - 4 * (share * (1 - share) / REPEATS) ** 0.5, name
        scatter = away.square().mean().sqrt()
        stated = estimate.standard_error.square().mean().sqrt()
        assert 0.7 * scatter <= stated <= 1.3 * scatter, name
        assert away.mean().abs() <= 4 * scatter / REPEATS**0.5, name


def test_the_network_itself_gives_what_its_quadratic_gives(minimum):
    """Up to rounding, which a space near exhaustion magnifies: 3e-6 of R, a thousandth of its error."""
    error, theta, quadratic = minimum
    network = repeated(error, theta, repeats=6, probes=40)
    stand_in = repeated(quadratic, 0 * theta, repeats=6, probes=40)
    torch.testing.assert_close(network.value, stand_in.value, rtol=1e-4, atol=0)
    torch.testing.assert_close(network.standard_error, stand_in.standard_error, rtol=1e-2, atol=0)


def test_the_error_falls_with_more_products(minimum):
    _, theta, quadratic = minimum
    few, many = (repeated(quadratic, 0 * theta, probes=probes) for probes in (25, 75))
    assert many.value.std() < 0.65 * few.value.std()  # of itself it would be 0.58; deflation does better


def test_the_mean_curvature_has_its_error(minimum):
    _, theta, quadratic = minimum
    found, exact = repeated(quadratic, 0 * theta, probes=60), scalar_curvature(quadratic, 0 * theta[0])
    estimate = found.mean_curvature
    away = estimate.value - exact.mean_curvature.value
    assert ((away.abs() <= 3 * estimate.standard_error).double().mean()) > 0.96
    assert 0.7 < estimate.standard_error.square().mean().sqrt() / away.square().mean().sqrt() < 1.3
