"""E is a sum over blocks of samples: exact, in the memory of one block, and the same whatever else is computed."""

import pytest
import torch
from torch import nn

from spinodal.ensemble import Ensemble, Objective
from spinodal.geometry import (
    Summed,
    extreme_eigenvalues,
    hessian,
    kinked,
    linearise_gradient,
    scalar_curvature,
    value_and_gradient,
)
from spinodal.networks import MLP
from spinodal.tasks import linear_teacher, stacked

SAMPLES = 23
EXACT = {"rtol": 1e-12, "atol": 1e-13}


class Convolution(nn.Module):
    """A network that `vmap` serves."""

    def __init__(self) -> None:
        super().__init__()
        self.filters, self.readout = nn.Conv1d(1, 2, 2), nn.Linear(4, 3)

    def forward(self, inputs):
        return self.readout(torch.tanh(self.filters(inputs[:, None])).flatten(1))


NETWORKS = {"mlp": lambda: MLP(3, 3, width=4, activation="tanh"), "own": Convolution}


@pytest.fixture(params=NETWORKS)
def objective(request):
    task = linear_teacher(complexity=3, samples=SAMPLES)
    return Objective(Ensemble(NETWORKS[request.param], range(3)), task)


@pytest.fixture
def cut(monkeypatch):
    """Cuts samples into blocks of at most 5 from now on."""

    def block() -> None:
        for name in ("ensemble", "objective"):
            monkeypatch.setattr(f"spinodal.ensemble.{name}.BLOCK", 5)

    return block


def theta_of(objective):
    return objective.ensemble.theta.detach()


def test_derivatives_are_those_of_all_samples_at_once(objective, cut) -> None:
    theta, control = theta_of(objective), torch.tensor([0.1, 0.02, 0.3], dtype=torch.float64)
    vectors = torch.randn(2, *theta.shape, dtype=torch.float64)
    whole = objective.at(control)
    expected = linearise_gradient(whole, theta)
    products, matrix = expected[2](vectors[0]), hessian(whole, theta)
    weights = torch.rand(len(theta), SAMPLES, dtype=torch.float64)
    weighted = value_and_gradient(objective.weighted(weights, control), theta)
    cut()
    objective = Objective(objective.ensemble, objective.task)
    loss, inputs = objective.at(control), objective.task.inputs
    assert len(loss.terms) == 5
    value, gradient, product = linearise_gradient(loss, theta)
    for found, whole in (
        ((value, gradient), expected[:2]),
        (value_and_gradient(loss, theta), expected[:2]),
        ((product(vectors[0]), product(vectors)[0]), (products, products)),
        (value_and_gradient(objective.weighted(weights, control), theta), weighted),
        ((hessian(loss, theta), loss(theta)), (matrix, value)),
        ((objective.ensemble.answers(inputs),), (objective.ensemble(inputs).detach(),)),
    ):
        for one, other in zip(found, whole, strict=True):
            torch.testing.assert_close(one, other, **EXACT)


def test_curvature_and_spectrum_are_those_of_all_samples_at_once(objective, cut) -> None:
    theta = theta_of(objective)

    def measured(objective):
        start = torch.ones_like(theta)
        ends = extreme_eigenvalues(linearise_gradient(objective.error, theta)[2], start)
        found = {"smallest": ends.smallest, "largest": ends.largest}
        for method in ("exact", "stochastic"):
            generators = [torch.Generator().manual_seed(row) for row in range(len(theta))]
            made = scalar_curvature(objective.error, theta, method=method, probes=12, generator=generators)
            found |= {f"{method} R": made.value, f"{method} error": made.standard_error}
            found |= {f"{method} trace": made.trace.value, f"{method} norm": made.frobenius_squared.value}
        return found

    whole = measured(objective)
    cut()
    for name, value in measured(Objective(objective.ensemble, objective.task)).items():
        torch.testing.assert_close(value, whole[name], rtol=1e-10, atol=1e-12, msg=name)


def test_a_row_has_the_same_bits_alone_and_beside_others(objective, cut) -> None:
    cut()
    theta, vector = theta_of(objective), torch.ones_like(theta_of(objective))
    _, gradient, product = linearise_gradient(objective.error, theta)
    for row in range(len(theta)):
        _, alone, of_one = linearise_gradient(objective.error, theta[[row]])
        assert torch.equal(alone[0], gradient[row])
        assert torch.equal(of_one(vector[[row]])[0], product(vector)[row])


def test_tasks_of_rows_and_single_precision_are_cut_alike(cut) -> None:
    cut()
    tasks = [linear_teacher(complexity=k, input_dim=3, output_dim=3, samples=SAMPLES) for k in (1, 2, 3)]
    ensemble = Ensemble(NETWORKS["mlp"], range(3))
    together, theta = Objective(ensemble, stacked(tasks)), ensemble.theta.detach()
    for row, task in enumerate(tasks):
        expected = value_and_gradient(Objective(ensemble, task).error, theta[[row]])
        some = together.of([row, 0])
        found = value_and_gradient(some.error, theta[[row, 0]])
        single = value_and_gradient(some.error, theta[[row, 0]].float())
        for one, rounded, other in zip(found, single, expected, strict=True):
            torch.testing.assert_close(one[:1], other, **EXACT)
            assert rounded.dtype == torch.float32
            torch.testing.assert_close(rounded[:1], other.float(), rtol=1e-4, atol=1e-5)


def test_of_a_sum_one_graph_exists_at_a_time() -> None:
    """Each term keeps a large tensor for its gradient, which must be gone before the next is evaluated."""
    alive = []

    class Kept(torch.autograd.Function):
        @staticmethod
        def forward(ctx, theta):
            ctx.kept = Mark()
            return theta.clone()

        @staticmethod
        def backward(ctx, gradient):
            return gradient

    class Mark:
        def __init__(self):
            alive.append(1)
            most.append(len(alive))

        def __del__(self):
            alive.pop()

    most = []
    loss = Summed([lambda theta: Kept.apply(theta).pow(3).sum(-1)] * 4)
    theta = torch.ones(2, 3, dtype=torch.float64)
    value_and_gradient(loss, theta)
    assert max(most) == 1
    _, _, product = linearise_gradient(loss, theta)
    torch.testing.assert_close(product(theta), 24 * theta)
    assert max(most) <= 2  # the one that is let go when the next is there


def test_kinks_of_any_term_are_seen() -> None:
    smooth, kink = (lambda theta: theta.square().sum(-1)), (lambda theta: theta.relu().sum(-1))
    theta = torch.ones(1, 3, dtype=torch.float64)
    assert not kinked(Summed([smooth, smooth]), theta)
    assert kinked(Summed([smooth, kink]), theta)
