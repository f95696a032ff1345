"""Kinks and random numbers are recognised on a function, whoever wrote it."""

import pytest
import torch
from torch import nn
from torch.func import vmap

from spinodal.errors import UserError
from spinodal.geometry import kinked, parametrise, scalar_curvature

THETA = torch.tensor([[0.3, -0.2, 0.8, 0.1]], dtype=torch.float64)


class OwnRelu(torch.autograd.Function):
    """ReLU by hand, of which autograd's graph shows nothing but the name."""

    generate_vmap_rule = True

    @staticmethod
    def forward(inputs):
        return inputs.clamp(min=0)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * (ctx.saved_tensors[0] > 0)


class OwnSine(OwnRelu):
    """A smooth one."""

    @staticmethod
    def forward(inputs):
        return inputs.sin()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.saved_tensors[0].cos()


MASK = torch.tensor([True, False, True, True])
KINKED = {
    "where": lambda t: torch.where(t > 0, t, 0.1 * t),
    "mask": lambda t: t * (t > 0),
    "cast mask": lambda t: t * (t > 0).double(),
    "masked_fill": lambda t: t.masked_fill(t < 0, 0),
    "order": lambda t: t.gather(-1, t.argsort(-1)) * MASK,
    "choice": lambda t: t * nn.functional.one_hot(t.argmax(-1), 4),
    "round": torch.round,
    "floor": lambda t: t - t.floor(),
    "abs": torch.abs,
    "by hand": OwnRelu.apply,
}
SMOOTH = {
    "constant mask": lambda t: torch.where(MASK, t, 0),
    "constant comparison": lambda t: t * (torch.arange(4) > 1),
    "by hand": OwnSine.apply,
    "a look at it": lambda t: (bool((THETA > 0.5).any()), t)[1],
    "softmax": lambda t: t.softmax(-1),
    "logsumexp": lambda t: t.logsumexp(-1, keepdim=True),
    "layer norm": lambda t: nn.functional.layer_norm(t, (4,)),
}


@pytest.mark.parametrize(
    ("function", "expected"),
    [*((f, True) for f in KINKED.values()), *((f, False) for f in SMOOTH.values())],
    ids=[*KINKED, *(f"smooth {name}" for name in SMOOTH)],
)
def test_kinks(function, expected):
    assert kinked(lambda t: function(t.sin()).sum(-1), THETA) is expected
    assert kinked(vmap(lambda t: function(t.sin()).sum()), THETA) is expected


def test_a_look_that_changes_nothing_is_no_kink():
    def looked_at(theta):
        if theta.max() > 500:
            raise RuntimeError
        return theta.sin().sum(-1)

    assert not kinked(looked_at, THETA)


@pytest.mark.parametrize("share", [0.5, 1e-9])
def test_a_network_with_dropout_has_no_curvature(share):
    network = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(share), nn.Linear(4, 2))
    nn.init.zeros_(network[-1].weight)  # where it starts, dropout shows in nothing
    inputs, targets = torch.randn(6, 3), torch.randn(6, 2)
    state = torch.random.get_rng_state()
    with pytest.raises(UserError, match=r"Sequential is random.*network\.eval\(\), or no Dropout"):
        parametrise(network, inputs, targets, nn.functional.mse_loss)
    assert torch.equal(torch.random.get_rng_state(), state)
    error, theta = parametrise(network.eval(), inputs, targets, nn.functional.mse_loss)
    found = scalar_curvature(error, theta)
    assert found.value == scalar_curvature(error, theta).value
    assert found.standard_error == 0


def test_a_random_error_has_no_curvature():
    with pytest.raises(UserError, match="error is random"):
        scalar_curvature(lambda t: (t * torch.rand(4, dtype=t.dtype)).square().sum(), THETA[0])
    own = torch.Generator().manual_seed(0)  # not torch's global one
    with pytest.raises(UserError, match="two evaluations"):
        scalar_curvature(lambda t: (t * torch.rand(4, dtype=t.dtype, generator=own)).square().sum(), THETA[0])


def test_a_network_that_changes_while_it_is_evaluated_is_refused():
    network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    inputs, targets = torch.randn(6, 3), torch.randn(6, 3)
    with pytest.raises(UserError, match=r"changes 1\.running_mean.*network\.eval"):
        parametrise(network, inputs, targets, nn.functional.mse_loss)
    parametrise(network.eval(), inputs, targets, nn.functional.mse_loss)


def test_a_network_without_anything_to_train_is_refused():
    network = nn.Linear(3, 3).requires_grad_(False)
    with pytest.raises(UserError, match="nothing to train"):
        parametrise(network, torch.randn(6, 3), torch.randn(6, 3), nn.functional.mse_loss)
