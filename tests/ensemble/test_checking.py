"""Networks that cannot be what an ensemble is made of are refused before they are trained."""

import pytest
import torch
from torch import nn

from spinodal.ensemble import Ensemble, Objective, check_network
from spinodal.errors import UserError
from spinodal.networks import MLP
from spinodal.networks.mlp import ACTIVATIONS
from spinodal.tasks import linear_teacher

TASK = linear_teacher(complexity=3, samples=20)


class Sequence(nn.Module):
    """Attention over the inputs as a sequence of numbers, or by mistake over the samples."""

    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.batch_first = batch_first
        self.embed, self.out = nn.Linear(1, 4), nn.Linear(4, 3)
        self.heads = nn.MultiheadAttention(4, 1, batch_first=batch_first)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        tokens = self.embed(inputs[..., None])
        return self.out(self.heads(tokens, tokens, tokens, need_weights=True)[0].mean(1))


class Rounded(nn.Linear):
    """Answers in single precision."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return super().forward(inputs).float()


class Pair(nn.Linear):
    """Answers more than one thing."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return super().forward(inputs), inputs


class Branching(nn.Linear):
    """Decides by what cannot be known for many replicas at once."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs = super().forward(inputs)
        return outputs.tanh() if float(outputs.sum()) > 0 else outputs


def around(layer: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), layer, nn.Tanh(), nn.Linear(4, 3))


def zero_head(layer: nn.Module) -> nn.Module:
    network = around(layer)
    nn.init.zeros_(network[-1].weight)
    return network


REFUSED = {
    "dropout": (lambda: around(nn.Dropout(0.5)), ["is random", "network.eval()", "Dropout"]),
    "rarely": (lambda: around(nn.Dropout(1e-6)), ["is random"]),
    "dropout before a zero head": (lambda: zero_head(nn.Dropout(0.5)), ["is random"]),
    "batch norm": (
        lambda: around(nn.BatchNorm1d(4, track_running_stats=False)),
        ["depends on the others", "LayerNorm", "GroupNorm"],
    ),
    "batch norm before a zero head": (
        lambda: zero_head(nn.BatchNorm1d(4, track_running_stats=False)),
        ["depends on the others"],
    ),
    "attention over samples": (lambda: Sequence(False), ["depends on the others", "batch_first"]),
    "outputs": (lambda: nn.Linear(3, 2), ["[8, 2]", "[8, 3]"]),
    "inputs": (lambda: nn.Linear(5, 3), ["cannot be evaluated on inputs of shape [8, 3]"]),
    "precision": (lambda: Rounded(3, 3), ["torch.float32", "torch.float64"]),
    "several outputs": (lambda: Pair(3, 3), ["returns a tuple", "[8, 3]"]),
    "branching": (lambda: Branching(3, 3), ["many replicas at once", "vmap"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_trained_is_refused_in_a_line(name: str) -> None:
    build, told = REFUSED[name]
    state = torch.random.get_rng_state()
    with pytest.raises(UserError) as refusal:
        check_network(Ensemble(build, [0, 1]), TASK)
    said = str(refusal.value)
    assert all(each in said for each in ["model: ", *told]), said
    assert len(said.splitlines()) == 1
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    "build",
    [
        lambda: MLP(3, 3, depth=3, width=4),
        lambda: around(nn.LayerNorm(4)),
        lambda: around(nn.GroupNorm(2, 4)),
        lambda: around(nn.Dropout(0.5)).eval(),
        lambda: around(nn.ReLU()),
        lambda: Sequence(True),
    ],
)
def test_what_can_be_trained_is_accepted(build: object) -> None:
    ensemble = Ensemble(build, [0, 1])
    before = ensemble.theta.clone()
    check_network(ensemble, TASK)
    assert torch.equal(ensemble.theta, before)


def leaky(inputs: torch.Tensor) -> torch.Tensor:
    return torch.where(inputs > 0, inputs, 0.1 * inputs)


class Own(nn.Module):
    """A function of somebody's own between two layers."""

    def __init__(self, function: object, **said: bool) -> None:
        super().__init__()
        self.function, self.first, self.last = function, nn.Linear(3, 4), nn.Linear(4, 3)
        vars(self).update(said)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.last(self.function(self.first(inputs)))


@pytest.mark.parametrize(
    ("build", "smooth"),
    [
        *(
            (lambda name=name: MLP(3, 3, depth=2, width=4, activation=name), name != "relu")
            for name in ACTIVATIONS
        ),
        (lambda: Own(torch.tanh), True),
        (lambda: Own(torch.relu), False),
        (lambda: Own(leaky), False),
        (lambda: Own(lambda each: each.clamp(-1, 1)), False),
        (lambda: Own(leaky, smooth=True), True),
        (lambda: Own(torch.tanh, smooth=False), False),
    ],
)
def test_kinks_are_recognised_whoever_wrote_them(build: object, smooth: bool) -> None:
    assert Objective(Ensemble(build, [0]), TASK).smooth is smooth
