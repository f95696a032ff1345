"""Buffers and frozen parameters are constants of each replica, outside of θ, and of every derivative."""

import pytest
import torch
from torch import nn
from torch.func import functional_call

from spinodal.ensemble import Ensemble, Objective, check_network
from spinodal.errors import UserError
from spinodal.geometry import linearise_gradient
from spinodal.tasks import linear_teacher

TASK = linear_teacher(complexity=3, samples=20)
SEEDS = [3, 5, 3]


class Filtered(nn.Module):
    """A random filter, a table, a mask and a counter around two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 3)
        self.last.bias.requires_grad_(False)
        self.register_buffer("filter", torch.randn(4, 4))
        self.register_buffer("table", torch.arange(4) / 4)
        self.register_buffer("mask", torch.tensor([True, True, False, True]))
        self.register_buffer("order", torch.randperm(4), persistent=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        hidden = (self.first(inputs) + self.table).tanh() @ self.filter
        return self.last(torch.where(self.mask, hidden[:, self.order], 0.0))


class Counting(nn.Linear):
    """Counts how often it is evaluated."""

    def __init__(self, in_place: bool) -> None:
        super().__init__(3, 3)
        self.in_place = in_place
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if self.in_place:
            self.seen += 1
        else:
            self.seen = self.seen + 1
        return super().forward(inputs)


def alone(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return Filtered().double()


def test_each_replica_is_the_network_that_its_seed_makes() -> None:
    ensemble = Ensemble(Filtered, SEEDS)
    assert ensemble.theta.shape == (3, 12 + 4 + 12)
    frozen = ensemble.frozen
    assert frozen is not None
    assert set(frozen.own) == {"last.bias", "filter", "order"}
    assert set(frozen.shared) == {"table", "mask"}
    assert frozen.own["filter"].dtype == frozen.shared["table"].dtype == torch.float64
    assert (frozen.own["order"].dtype, frozen.shared["mask"].dtype) == (torch.int64, torch.bool)
    outputs = ensemble(TASK.inputs)
    for row, seed in enumerate(SEEDS):
        torch.testing.assert_close(outputs[row], alone(seed)(TASK.inputs))
    assert ensemble.outputs(ensemble.theta[:0], TASK.inputs).shape == (0, 20, 3)


def test_rows_keep_their_own_constants_in_every_derivative() -> None:
    ensemble = Ensemble(Filtered, SEEDS)
    some = Objective(ensemble, TASK).of([1])
    _, gradient, product = linearise_gradient(some.error, ensemble.theta[[1]])
    network = alone(5)
    named = {name: each for name, each in network.named_parameters() if each.requires_grad}

    def error(theta: torch.Tensor) -> torch.Tensor:
        parts = theta.split([each.numel() for each in named.values()])
        views = {name: part.view_as(each) for part, (name, each) in zip(parts, named.items(), strict=True)}
        return TASK.error(functional_call(network, views, (TASK.inputs,)), TASK.targets)

    theta = torch.cat([each.detach().reshape(-1) for each in named.values()])
    torch.testing.assert_close(gradient[0], torch.func.grad(error)(theta))
    torch.testing.assert_close(product(torch.ones_like(gradient))[0], torch.func.hessian(error)(theta).sum(1))
    single = some.error(ensemble.theta[[1]].float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), some.error(ensemble.theta[[1]]), rtol=1e-5, atol=1e-6)


def test_a_state_holds_the_constants() -> None:
    first, second = Ensemble(Filtered, SEEDS), Ensemble(Filtered, [7, 8, 9])
    second.load_state_dict(first.state_dict())
    assert torch.equal(second(TASK.inputs), first(TASK.inputs))


def around(layer: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), layer, nn.Tanh(), nn.Linear(4, 3))


def normed() -> nn.Module:
    network = around(nn.BatchNorm1d(4))
    with torch.no_grad():
        network[1].running_mean.normal_()
        network[1].running_var.uniform_(0.5, 2)
    return network.eval()


def test_batch_norm_in_evaluation_mode_is_an_affine_map() -> None:
    ensemble = Ensemble(normed, SEEDS)
    check_network(ensemble, TASK)
    torch.manual_seed(5)
    network = normed().double()
    torch.testing.assert_close(ensemble(TASK.inputs)[1], network(TASK.inputs))
    norm, hidden = network[1], network[0](TASK.inputs)
    affine = (hidden - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias
    torch.testing.assert_close(ensemble(TASK.inputs)[1], network[2:](affine))


REFUSED = {
    "batch norm": (
        lambda: around(nn.BatchNorm1d(4)),
        ["BatchNorm1d in training mode", "LayerNorm", ".eval()"],
    ),
    "instance norm": (
        lambda: nn.Sequential(
            nn.Linear(3, 6),
            nn.Unflatten(1, (3, 2)),
            nn.InstanceNorm1d(3, affine=True, track_running_stats=True),
            nn.Flatten(),
            nn.Linear(6, 3),
        ),
        ["changes its buffer 2.running_mean", "constants"],
    ),
    "in place": (lambda: Counting(True), ["changes its buffer seen", "constants"]),
    "anew": (lambda: Counting(False), ["changes its buffer seen", "constants"]),
    "complex": (
        lambda: nn.ParameterList([torch.ones(2, dtype=torch.complex64)]),
        ["torch.complex64", "must be real"],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_constant_is_refused_in_a_line(name: str) -> None:
    build, told = REFUSED[name]
    with pytest.raises(UserError) as refusal:
        check_network(Ensemble(build, [0, 1]), TASK)
    said = str(refusal.value)
    assert all(each in said for each in ["model: ", *told]), said
    assert len(said.splitlines()) == 1
