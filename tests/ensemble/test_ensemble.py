"""An ensemble is R separate networks, computed together."""

import pytest
import torch
from torch import nn

from spinodal.ensemble import Ensemble, Objective
from spinodal.errors import UserError
from spinodal.networks import MLP
from spinodal.tasks import linear_teacher, stacked


class Convolutional(nn.Module):
    """Somebody's own network: not ours, not an MLP."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(1, 3, 2)
        self.head = nn.Linear(3, 2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """[N, d] → [N, 2]."""
        return self.head(torch.tanh(self.convolution(inputs[:, None, :])).mean(-1))


def alone(build, seed):
    torch.manual_seed(seed)
    return build().double()


@pytest.mark.parametrize(
    "build", [lambda: MLP(5, 2, depth=4, width=7, bias=True), lambda: MLP(5, 2, depth=1), Convolutional]
)
def test_each_replica_is_the_network_its_own_seed_makes(build):
    inputs = torch.randn(11, 5, dtype=torch.float64)
    ensemble = Ensemble(build, seeds=[3, 0, 8])
    outputs = ensemble(inputs)
    for row, seed in enumerate([3, 0, 8]):
        torch.testing.assert_close(outputs[row], alone(build, seed)(inputs), rtol=1e-12, atol=1e-14)


def test_initial_values_do_not_depend_on_neighbours_or_the_global_generator():
    def build():
        return MLP(4, 4, depth=3, width=6)

    torch.manual_seed(1)
    many = Ensemble(build, seeds=list(range(64))).theta
    torch.manual_seed(2)
    state = torch.random.get_rng_state()
    for seed in (0, 17, 63):
        assert torch.equal(Ensemble(build, seeds=[seed]).theta[0], many[seed])
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_network_with_running_statistics_is_refused():
    with pytest.raises(UserError, match="buffers"):
        Ensemble(lambda: nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), seeds=[0])


def test_loss_is_error_plus_l2_times_square_norm_of_each_row():
    task = linear_teacher(complexity=2, samples=20)
    ensemble = Ensemble(lambda: MLP(2, 2, depth=3, width=4), seeds=[0, 1])
    objective = Objective(ensemble, task)
    l2 = torch.tensor([0.1, 0.7], dtype=torch.float64)
    theta = ensemble.theta.detach()
    networks = [alone(lambda: MLP(2, 2, depth=3, width=4), seed) for seed in (0, 1)]
    errors = [0.5 * (network(task.inputs) - task.targets).square().sum() / 20 for network in networks]
    norms = [sum(p.square().sum() for p in network.parameters()) for network in networks]
    expected = torch.stack([e + b * n for e, b, n in zip(errors, l2, norms, strict=True)])
    torch.testing.assert_close(objective.loss(theta, l2), expected.detach())


@pytest.mark.parametrize(
    "build", [lambda: MLP(3, 3, depth=3, width=4), lambda: nn.Sequential(nn.Linear(3, 3), nn.SiLU()).double()]
)
def test_every_row_may_have_a_task_of_its_own(build):
    tasks = [linear_teacher(complexity=k, input_dim=3, output_dim=3, samples=20) for k in (1, 3, 2)]
    ensemble = Ensemble(build, seeds=[0, 1, 2])
    theta, l2 = ensemble.theta.detach(), torch.tensor([0.1, 0.7, 0.3], dtype=torch.float64)
    together = Objective(ensemble, stacked(tasks))
    for row, task in enumerate(tasks):
        alone, this = Objective(ensemble, task), theta[[row]]
        expected = alone.loss(this, l2[[row]])
        torch.testing.assert_close(together.loss(theta, l2)[[row]], expected)
        torch.testing.assert_close(together.of([row]).loss(this, l2[[row]]), expected)
        torch.testing.assert_close(together.of([row]).sample_errors(this), alone.sample_errors(this))
        torch.testing.assert_close(together.sample_errors(theta)[[row]], alone.sample_errors(this))
        torch.testing.assert_close(together.zero_error(theta)[[row]], alone.zero_error(this))
        single = together.of(torch.tensor([row])).loss(this.float(), l2[[row]].float())
        torch.testing.assert_close(single, expected.float(), rtol=1e-5, atol=0)


class Doubled(MLP):
    """Somebody's variation, which knows nothing of `stacked`."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Twice what an MLP answers."""
        return 2 * super().forward(inputs)


def test_a_subclass_that_overrides_only_forward_is_taken_at_its_word():
    inputs = torch.randn(6, 3, dtype=torch.float64)

    def build():
        return Doubled(3, 2, depth=2, width=4)

    torch.testing.assert_close(Ensemble(build, seeds=[5])(inputs)[0], alone(build, 5)(inputs))
