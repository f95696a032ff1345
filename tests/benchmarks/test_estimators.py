"""What the deflation buys: errors of R at equal products, on Hessians of trained networks.

Root mean square over repeats, relative to |R|. Hutch++ and XTrace estimate traces; ‖H‖_F² comes from the same
products, (tr H)² from the square of the mean less its variance. Everything on the dense Hessian, so that only
estimators are compared.
"""

import pytest
import torch

from spinodal.ensemble import Ensemble, Objective
from spinodal.geometry import hessian, linearise_gradient, scalar_curvature
from spinodal.networks import MLP
from spinodal.tasks import digits, linear_teacher
from spinodal.training import Relaxation, RelaxationSettings
from spinodal.training.descent import GradientDescent

pytestmark = pytest.mark.benchmark

BUDGETS = (10, 20, 40, 100)


def curvature(v, h, trace, trace_squared, frobenius_squared):
    w, image = 1 + v @ v, h @ v
    return (trace_squared - frobenius_squared - 2 / w * (trace * (v @ image) - image @ image)) / w


def _signs(n, m, generator):
    return torch.randint(0, 2, (n, m), generator=generator).double() * 2 - 1


def _unbiased(v, h, t, f):
    m, total = len(t), t.sum()
    return curvature(v, h, t.mean(), (total**2 - t.square().sum()) / (m * (m - 1)), f.mean())


def plain(v, h, products, generator):
    """Independent probes; one product goes to Hv."""
    probes = _signs(len(v), products - 1, generator)
    images = h @ probes
    return _unbiased(v, h, (probes * images).sum(0), images.square().sum(0))


def hutch_pp(v, h, products, generator):
    """Meyer, Musco, Musco & Woodruff 2021: a third each for a sketch, its image, and probes of the rest."""
    third = (products - 1) // 3
    q, _ = torch.linalg.qr(h @ torch.randn(len(v), third, generator=generator, dtype=torch.float64))
    image = h @ q
    probes = _signs(len(v), products - 1 - 2 * third, generator)
    probes = probes - q @ (q.T @ probes)
    images = h @ probes
    images = images - q @ (q.T @ images)
    t = (q * image).sum() + (probes * images).sum(0)
    f = 2 * image.square().sum() - (q.T @ image).square().sum() + images.square().sum(0)
    return _unbiased(v, h, t, f)


def xtrace(v, h, products, generator):
    """Epperly, Tropp & Webber 2024, leaving one out: half of the products for probes, half for their basis."""
    m = (products - 1) // 2
    probes = _signs(len(v), m, generator)
    images = h @ probes
    t, f = [], []
    for i in range(m):
        rest = [j for j in range(m) if j != i]
        q, _ = torch.linalg.qr(images[:, rest])
        image = h @ q  # (XTrace has it from the basis of all by a rank-one update; counted as m products)
        z = probes[:, i] - q @ (q.T @ probes[:, i])
        y = h @ z
        y = y - q @ (q.T @ y)
        t.append((q * image).sum() + z @ y)
        f.append(2 * image.square().sum() - (q.T @ image).square().sum() + y @ y)
    t, f = torch.stack(t), torch.stack(f)
    return curvature(v, h, t.mean(), t.mean() ** 2 - t.var() / m, f.mean())


def library(v, h, products, generator):
    """Krylov deflation."""

    def error(theta):
        return 0.5 * (theta @ h * theta).sum(-1) + theta @ v

    theta = torch.zeros_like(v)
    return scalar_curvature(error, theta, method="stochastic", probes=products, generator=generator).value


WAYS = {"library": library, "plain probes": plain, "Hutch++": hutch_pp, "XTrace": xtrace}


def trained(task, width, activation, l2):
    """∇E and ∇²E at a minimum."""
    inputs, outputs = task.inputs.shape[-1], task.targets.shape[-1]
    ensemble = Ensemble(lambda: MLP(inputs, outputs, depth=3, width=width, activation=activation), [0])
    objective = Objective(ensemble, task)
    relaxation = Relaxation(
        ensemble.theta, objective, GradientDescent(), [0], RelaxationSettings(handoff=1e-3)
    )
    relaxation.begin(torch.tensor([l2], dtype=torch.float64), 0)
    while relaxation.active.any():
        relaxation.step()
    assert relaxation.rows["minimum"].all()
    _, gradient, _ = linearise_gradient(objective.error, ensemble.theta)
    return gradient[0], hessian(objective.error, ensemble.theta)[0]


@pytest.mark.parametrize(
    ("name", "l2", "repeats"),
    [
        ("deep linear, width 16", 0.02, 40),
        ("deep linear, width 16", 0.1, 40),
        ("tanh, width 16", 0.02, 40),
        ("digits, tanh, width 32", 0.1, 6),
    ],
)
def test_errors_at_equal_products(name, l2, repeats, show):
    v, h = {
        "deep linear, width 16": lambda: trained(linear_teacher(), 16, "linear", l2),
        "tanh, width 16": lambda: trained(linear_teacher(), 16, "tanh", l2),
        "digits, tanh, width 32": lambda: trained(digits(), 32, "tanh", l2),
    }[name]()
    trace = h.trace()
    exact = curvature(v, h, trace, trace**2, h.square().sum())
    generator = torch.Generator().manual_seed(0)
    errors = {}
    for budget in BUDGETS:
        for way, estimate in WAYS.items():
            if way == "XTrace" and len(v) > 1000:
                continue
            found = torch.stack([estimate(v, h, budget, generator) for _ in range(repeats)])
            errors[way, budget] = ((found - exact).square().mean().sqrt() / exact.abs()).item()
    show(
        f"{name}, λ = {l2}, n = {len(v)}: R = {exact:.4g}; relative error of R",
        ("way", *(f"{budget} products" for budget in BUDGETS)),
        [(way, *(f"{errors[way, b]:.3f}" if (way, b) in errors else "" for b in BUDGETS)) for way in WAYS],
    )
    for way in WAYS:
        if (way, 100) in errors:
            assert errors["library", 100] <= 1.5 * errors[way, 100]
    assert errors["library", 40] <= 1.3 * errors["plain probes", 40]
