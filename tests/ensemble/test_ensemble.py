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
    with pytest.raises(UserError, match=r"BatchNorm1d in training mode, .* LayerNorm .*eval"):
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


class HalfFrozen(nn.Module):
    """A first layer that keeps what its seed made of it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 3)
        self.first.weight.requires_grad_(False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """[N, 3] → [N, 3]."""
        return self.last(torch.tanh(self.first(inputs)))


class HalfFrozenMLP(MLP):
    """The same of ours, with its own way to evaluate many."""

    def __init__(self) -> None:
        super().__init__(3, 3, depth=2, width=4)
        self.layers[0].requires_grad_(False)


@pytest.mark.parametrize(
    ("build", "trained", "frozen"), [(HalfFrozen, 4 + 12 + 3, 12), (HalfFrozenMLP, 12, 12)]
)
@pytest.mark.parametrize("own", [False, True])
def test_what_is_frozen_keeps_each_seeds_values_outside_of_theta(build, trained, frozen, own):
    seeds = [3, 0, 8]
    tasks = [linear_teacher(complexity=3, samples=20, seed=k if own else 0) for k in range(3)]
    ensemble = Ensemble(build, seeds)
    assert ensemble.theta.shape == (3, trained)
    ((_, values),) = ensemble.frozen.own.items()
    assert values.shape[0] == 3
    assert values[0].numel() == frozen
    assert not torch.equal(values[0], values[1])
    assert not ensemble.frozen.shared
    together = Objective(ensemble, stacked(tasks if own else tasks[:1] * 3))
    theta, l2 = ensemble.theta.detach() + 0.1, torch.tensor([0.1, 0.7, 0.3], dtype=torch.float64)
    for row, seed in enumerate(seeds):
        single = Objective(Ensemble(build, [seed]), tasks[row])
        expected = single.loss(theta[[row]], l2[[row]])
        torch.testing.assert_close(together.loss(theta, l2)[[row]], expected)
        some = together.of([2, row])
        torch.testing.assert_close(some.loss(theta[[2, row]], l2[[2, row]])[1:], expected)
        torch.testing.assert_close(some.of([1]).error(theta[[row]]), single.error(theta[[row]]))
        torch.testing.assert_close(together.zero_error(theta)[[row]], single.zero_error(theta[[row]]))
        rounded = some.error(theta[[2, row]].float())[1:]
        torch.testing.assert_close(rounded, single.error(theta[[row]]).float(), rtol=1e-5, atol=0)
        every = some.drawn(torch.arange(20).expand(2, -1))
        torch.testing.assert_close(every.error(theta[[2, row]]), some.error(theta[[2, row]]))


def test_frozen_values_are_in_the_state_and_there_alone():
    built = Ensemble(HalfFrozen, [1, 2])
    assert set(built.state_dict()) == {"theta", "constants.own/first/weight"}
    assert set(Ensemble(lambda: MLP(3, 3), [1]).state_dict()) == {"theta"}
    other = Ensemble(HalfFrozen, [5, 6])
    other.load_state_dict(built.state_dict())
    inputs = torch.randn(4, 3, dtype=torch.float64)
    assert torch.equal(other(inputs), built(inputs))
    assert [name for name, each in built.named_parameters() if each.requires_grad] == ["theta"]


def test_shared_weights_count_once():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
            self.second.weight = self.first.weight

        def forward(self, inputs):
            return self.second(torch.tanh(self.first(inputs)))

    ensemble, inputs = Ensemble(Tied, [4]), torch.randn(5, 3, dtype=torch.float64)
    assert ensemble.theta.shape == (1, 9)
    torch.testing.assert_close(ensemble(inputs)[0], alone(Tied, 4)(inputs))


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (lambda: nn.Linear(2, 2).requires_grad_(False), "nothing to train"),
        (lambda: nn.Tanh(), "nothing to train"),
        (lambda: 3, "no torch.nn.Module"),
        (lambda: nn.Linear(2, torch.initial_seed() + 1), "other parameters under one seed"),
    ],
)
def test_what_makes_no_ensemble_is_refused(build, told):
    with pytest.raises(UserError, match=told):
        Ensemble(build, [0, 1])


class Images(nn.Sequential):
    """Convolutions in one dimension or two."""

    def __init__(self, dims):
        kind = (nn.Conv1d, nn.Conv2d)[dims - 1]
        super().__init__(kind(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(2 * 2**dims, 3))


@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize("own", [False, True])
def test_no_rows_of_convolutions_answer_nothing(dims, own):
    ensemble = Ensemble(lambda: Images(dims), [0, 1])
    inputs = torch.randn(7, 1, *[4] * dims, dtype=torch.float64)
    theta = ensemble.theta.detach()[:0].requires_grad_()
    outputs = ensemble.outputs(theta, inputs.expand(0, *inputs.shape) if own else inputs, own)
    assert outputs.shape == (0, 7, 3)
    (gradient,) = torch.autograd.grad(outputs.sum(), theta)
    assert gradient.shape == theta.shape
