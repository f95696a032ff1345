"""`parametrise` on modules of many kinds; second derivatives against differences of gradients.

Not against torch.func.hessian: of batch normalisation with batch statistics that is wrong (torch 2.13).
"""

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from spinodal.geometry import hessian, parametrise, scalar_curvature

SAMPLES = 6


class Tied(nn.Module):
    """The same matrix in two layers."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight

    def forward(self, inputs):
        return self.second(torch.tanh(self.first(inputs)))


class Attention(nn.Module):
    """One head on three tokens of a number each."""

    def __init__(self):
        super().__init__()
        self.embedding, self.heads = nn.Linear(1, 4), nn.MultiheadAttention(4, 2, batch_first=True)
        self.norm, self.readout = nn.LayerNorm(4), nn.Linear(4, 3)

    def forward(self, inputs):
        tokens = self.embedding(inputs[..., None])
        return self.readout(self.norm(tokens + self.heads(tokens, tokens, tokens)[0]).mean(1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.readout = nn.GRU(1, 2, batch_first=True), nn.Linear(2, 3)

    def forward(self, inputs):
        return self.readout(self.cell(inputs[..., None])[0][:, -1])


def around(layer):
    return nn.Sequential(nn.Linear(3, 3), layer, nn.Tanh(), nn.Linear(3, 3))


BUILDERS = {
    "tied": Tied,
    "attention": Attention,
    "recurrent": Recurrent,
    "layer norm": lambda: around(nn.LayerNorm(3)),
    "batch norm, running": lambda: around(nn.BatchNorm1d(3)).eval(),
    "batch norm, of the batch": lambda: around(nn.BatchNorm1d(3, track_running_stats=False)),
    "in place": lambda: around(nn.SiLU(inplace=True)),
    "softmax": lambda: around(nn.Softmax(-1)),
    "images": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 1, 3)),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(1, 2, 2),
        nn.GELU(),
        nn.AvgPool2d((1, 2)),
        nn.Flatten(),
        nn.Linear(4, 3),
    ),
}


def built(name):
    torch.manual_seed(2)
    return BUILDERS[name](), torch.randn(SAMPLES, 3), torch.arange(SAMPLES) % 3


def differences(error, theta, step=1e-5):
    """The Hessian, from gradients at either side."""

    def gradient(at):
        leaf = at.clone().requires_grad_()
        return torch.autograd.grad(error(leaf), leaf)[0]

    unit = step * torch.eye(len(theta), dtype=theta.dtype)
    return torch.stack([(gradient(theta + e) - gradient(theta - e)) / (2 * step) for e in unit])


@pytest.mark.parametrize("name", BUILDERS)
def test_hessians_of_modules(name):
    network, inputs, labels = built(name)
    error, theta = parametrise(network, inputs, labels, nn.functional.cross_entropy)
    with sdpa_kernel(SDPBackend.MATH):  # torch's faster kernels of attention have no second derivative
        full = hessian(lambda rows: error(rows[0])[None], theta[None])[0]
        torch.testing.assert_close(full, differences(error, theta), rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(full, full.T, rtol=0, atol=1e-12)
        assert full.abs().max() > 1e-2
        found = scalar_curvature(error, theta)
    assert found.smooth
    torch.testing.assert_close(found.trace.value, full.trace())
    torch.testing.assert_close(found.frobenius_squared.value, full.square().sum())


def test_it_starts_where_the_module_is_and_leaves_it_there():
    network, inputs, labels = built("batch norm, running")
    network[1].running_mean += 0.3
    before = {name: each.clone() for name, each in network.state_dict().items()}
    error, theta = parametrise(network, inputs, labels, nn.functional.cross_entropy)
    known = nn.functional.cross_entropy(network(inputs), labels)
    torch.testing.assert_close(error(theta).item(), known.item(), rtol=1e-5, atol=0)
    scalar_curvature(error, theta + 0.1)
    for name, each in network.state_dict().items():
        assert torch.equal(each, before[name])
        assert each.dtype == before[name].dtype


def test_what_is_frozen_is_no_parameter():
    network, inputs, labels = built("softmax")
    everything = sum(each.numel() for each in network.parameters())
    network[0].requires_grad_(False)
    error, theta = parametrise(network, inputs, labels, nn.functional.cross_entropy)
    assert len(theta) == everything - 12
    # A block of the whole Hessian.
    network.requires_grad_(True)
    whole, start = parametrise(network, inputs, labels, nn.functional.cross_entropy)
    block = hessian(lambda rows: whole(rows[0])[None], start[None])[0, 12:, 12:]
    torch.testing.assert_close(hessian(lambda rows: error(rows[0])[None], theta[None])[0], block)


def test_tied_weights_count_once():
    network, inputs, labels = built("tied")
    _, theta = parametrise(network, inputs, labels, nn.functional.cross_entropy)
    assert len(theta) == 9 + 3 + 3


def test_targets_in_single_precision_serve():
    network, inputs, _ = built("softmax")
    error, theta = parametrise(network, inputs, torch.rand(SAMPLES, 3), nn.functional.mse_loss)
    assert error(theta).dtype == theta.dtype == torch.float64


@pytest.mark.parametrize(
    "pooling",
    [
        nn.MaxPool1d(2),
        nn.AdaptiveMaxPool1d(2),
        nn.AvgPool1d(2),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_pooling_by_maxima_has_kinks(pooling):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.Unflatten(1, (1, 4)), pooling, nn.Flatten(), nn.Linear(2, 3))
    inputs, labels = torch.randn(SAMPLES, 3), torch.arange(SAMPLES) % 3
    error, theta = parametrise(network, inputs, labels, nn.functional.cross_entropy)
    assert scalar_curvature(error, theta).smooth is ("Max" not in type(pooling).__name__)


KINKED = {
    "celu": nn.functional.celu,
    "cummax": lambda t: t.cummax(-1).values,
    "fmax": lambda t: torch.fmax(t, -t),
    "fmin": lambda t: torch.fmin(t, -t),
    "kthvalue": lambda t: t.kthvalue(2).values,
    "nanmedian": lambda t: t.nanmedian(-1).values,
    "relu6": nn.functional.relu6,
    "selu": nn.functional.selu,
    "sort": lambda t: t.sort().values.square(),
    "topk": lambda t: t.topk(2).values,
}


@pytest.mark.parametrize("name", KINKED)
def test_other_kinks(name):
    theta = torch.tensor([0.3, -0.2, 0.8, 0.1], dtype=torch.float64)
    assert not scalar_curvature(lambda t: KINKED[name](t.sin()).sum(), theta).smooth


@pytest.mark.parametrize("function", [nn.functional.mish, nn.functional.logsigmoid, torch.erf])
def test_other_smooth_functions(function):
    theta = torch.tensor([0.3, -0.2, 0.8, 0.1], dtype=torch.float64)
    assert scalar_curvature(lambda t: function(t.sin()).sum(), theta).smooth
