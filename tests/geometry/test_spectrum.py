"""The soft mode, zero and negative modes, and densities, against closed forms and dense diagonalisation."""

import pytest
import torch
from surfaces import deep_linear

from spinodal.ensemble import Ensemble, Objective
from spinodal.geometry import (
    hessian,
    linearise_gradient,
    negative_modes,
    soft_mode,
    spectral_density,
    zero_modes,
)
from spinodal.networks import MLP
from spinodal.tasks import linear_teacher
from spinodal.theory import amplitude
from spinodal.training import Relaxation, RelaxationSettings
from spinodal.training.descent import GradientDescent

STRENGTHS = [1.0, 0.6, 0.3]


def loss_product(error, theta, l2):
    """Products with ∇²𝓛 of rows."""
    _, _, product = linearise_gradient(lambda rows: torch.vmap(error)(rows), theta)
    return lambda vectors: product(vectors) + 2 * l2 * vectors


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("l2", [0.002, 0.01, 0.03, 0.045, 0.09, 0.15, 0.18])
def test_the_soft_mode_of_deep_linear_networks(depth, l2):
    error, theta = deep_linear(STRENGTHS, depth, 4, l2)
    modes = {}
    for s in STRENGTHS:
        u = float(amplitude(l2, s, depth))
        if u > 0:
            a = u ** (1 / depth)
            mode = a ** (depth - 2) * ((2 * depth - 2) * u - (depth - 2) * s)
            modes[mode] = depth**0.5 * a / mode  # half of |∂θ*/∂λ| along it
    softest = max(modes, key=modes.get)
    found = soft_mode(loss_product(error, theta[None], l2), 2 * theta[None])
    assert found.value.item() == pytest.approx(softest, rel=1e-8)
    assert found.overlap.item() == pytest.approx(
        modes[softest] / sum(each**2 for each in modes.values()) ** 0.5, rel=1e-8
    )
    assert found.residual.item() < 1e-10
    assert found.products <= 25


@pytest.mark.parametrize("depth", [3, 4])
@pytest.mark.parametrize("l2", [0.002, 0.045, 0.09, 0.15, 0.18])
def test_zero_modes_are_rotations_of_hidden_layers(depth, l2):
    width = 5
    error, theta = deep_linear(STRENGTHS, depth, width, l2)
    alive = sum(float(amplitude(l2, s, depth)) > 0 for s in STRENGTHS)
    full = hessian(torch.vmap(error), theta[None])
    shifted = torch.linalg.eigvalsh(full) + 2 * l2
    expected = (depth - 1) * (alive * width - alive * (alive + 1) // 2)
    assert zero_modes(shifted).item() == expected
    assert negative_modes(shifted).item() == 0


def test_negative_modes_are_counted():
    """Feature 1 dead while 2 lives: towards it 𝓛 falls with −(s₁ − s₂)a, for input and output each one mode."""
    _, theta = deep_linear([1e-9, 0.6], 3, 4, 0.05)
    two, _ = deep_linear([1.0, 0.6], 3, 4, 0.05)
    shifted = torch.linalg.eigvalsh(hessian(torch.vmap(two), theta[None])) + 0.1
    a = float(amplitude(0.05, 0.6, 3)) ** (1 / 3)
    assert negative_modes(shifted).item() == (shifted < -1e-5).sum() > 0
    assert shifted.min().item() == pytest.approx(-0.4 * a, rel=1e-6)


def test_the_unlearned_phase_answers_to_nothing():
    error, theta = deep_linear(STRENGTHS, 3, 4, 0.3)
    found = soft_mode(loss_product(error, theta[None], 0.3), 2 * theta[None])
    assert found.value.isnan().all()
    assert not found.response.any()


@pytest.fixture(scope="module")
def tanh_branch():
    """Minima of a small tanh network at three neighbouring λ, from one another."""
    ensemble = Ensemble(lambda: MLP(3, 3, depth=3, width=4, activation="tanh"), [0])
    objective = Objective(ensemble, linear_teacher())
    relaxation = Relaxation(
        ensemble.theta, objective, GradientDescent(), [0], RelaxationSettings(tolerance=1e-12)
    )
    minima = []
    for stage, l2 in enumerate((0.03, 0.0301, 0.0302)):
        relaxation.begin(torch.tensor([l2], dtype=torch.float64), stage)
        while relaxation.active.any():
            relaxation.step()
        assert relaxation.rows["minimum"].all()
        minima.append(ensemble.theta.detach().clone())
    return objective, minima


def test_the_response_is_how_the_minimum_moves(tanh_branch):
    objective, (before, at, after) = tanh_branch
    _, _, product = linearise_gradient(objective.error, at)
    found = soft_mode(lambda vectors: product(vectors) + 2 * 0.0301 * vectors, 2 * at)
    moved = (after - before) / 0.0002
    torch.testing.assert_close(found.response, moved, rtol=1e-3, atol=1e-3 * moved.abs().max().item())


def test_the_soft_mode_of_a_network_against_dense_algebra(tanh_branch):
    objective, (_, theta, _) = tanh_branch
    _, _, product = linearise_gradient(objective.error, theta)
    found = soft_mode(lambda vectors: product(vectors) + 2 * 0.0301 * vectors, 2 * theta)
    values, vectors = torch.linalg.eigh(hessian(objective.error, theta)[0])
    values = values + 2 * 0.0301
    answers = -2 * (vectors.T @ theta[0]) / values
    which = answers.abs().argmax()
    assert found.value.item() == pytest.approx(values[which].item(), rel=1e-6)
    assert found.overlap.item() == pytest.approx((answers[which].abs() / answers.norm()).item(), rel=1e-6)
    assert values.min() < 0.7 * values[which]  # the smallest in the list is another one


def test_densities_count_eigenvalues():
    n = 300
    generator = torch.Generator().manual_seed(0)
    turn, _ = torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64))
    values = torch.cat([torch.linspace(-0.2, 0.2, n - 5).double(), torch.tensor([1, 2, 3, 4, 5.0]).double()])
    matrix = turn @ torch.diag(values) @ turn.T
    density = spectral_density(
        lambda v: v @ matrix,
        torch.zeros(1, n, dtype=torch.float64),
        probes=30,
        steps=60,
        generators=[generator],
    )
    assert density.n == n
    everything = density.below(10.0)
    assert everything.value.item() == pytest.approx(n)
    for edge in (-0.1, 0.0, 0.1, 0.5):
        counted, exact = density.below(edge), (values < edge).sum().item()
        # The nodes themselves lie 0.01 apart, so that an edge within the bulk is known to 1 %.
        assert abs(counted.value.item() - exact) <= 4 * counted.standard_error.item() + 0.01 * n
    grid = torch.linspace(-1, 6, 2000).double()
    smooth = density.smoothed(grid, 0.05)
    assert torch.trapezoid(smooth.value[0], grid).item() == pytest.approx(1, abs=1e-3)
    assert (smooth.standard_error >= 0).all()
