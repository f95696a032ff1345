"""Fully connected networks, deep linear ones among them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from spinodal.errors import UserError

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "linear": nn.Identity,
    "relu": nn.ReLU,
}


class MLP(nn.Module):
    """f(x) = W_L φ(W_{L−1} … φ(W_1 x)), with L = `depth` weight layers and L − 1 hidden layers of one width.

    Float64. Weights are drawn from N(0, init_scale²/fan_in), from torch's global generator like any module's;
    biases start at 0. With activation "linear" it is the deep linear network, whose phase diagram is known
    exactly (Ziyin & Ueda, arXiv 2205.12510). Of the activations only "relu" is not smooth: minima then lie on
    kinks of E, where there is neither gradient nor Hessian.

    Args:
        input_dim: d.
        output_dim: c.
        depth: L ≥ 1. "Deep" means L ≥ 3.
        width: units in each hidden layer.
        activation: φ, a key of `ACTIVATIONS`.
        bias: whether every layer has biases. An output bias gives the unlearned state a curvature of its own.
        init_scale: standard deviation of the weights times √fan_in.

    Raises:
        UserError: If an argument is out of its range.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        depth: int = 3,
        width: int = 16,
        activation: str = "tanh",
        bias: bool = False,
        init_scale: float = 1.0,
    ) -> None:
        super().__init__()
        counts = {"input_dim": input_dim, "output_dim": output_dim, "depth": depth, "width": width}
        for key, value in counts.items():
            if value < 1:
                raise UserError(f"model.{key} = {value}: must be at least 1.")
        if activation not in ACTIVATIONS:
            raise UserError(f"model.activation = {activation}: must be one of {', '.join(ACTIVATIONS)}.")
        if not (math.isfinite(init_scale) and init_scale >= 0):
            raise UserError(f"model.init_scale = {init_scale}: must be finite and not negative.")

        sizes = [input_dim, *[width] * (depth - 1), output_dim]
        layers = [nn.Linear(n, m, bias=bias, dtype=torch.float64) for n, m in pairwise(sizes)]
        for layer in layers:
            nn.init.normal_(layer.weight, std=init_scale / math.sqrt(layer.in_features))
            if bias:
                nn.init.zeros_(layer.bias)
        self.layers = nn.ModuleList(layers)
        self.activation = ACTIVATIONS[activation]()
        self.width = width
        self.settings = {"activation": activation, "bias": bias, "depth": depth, "width": width}

    @property
    def depth(self) -> int:
        """L, the number of weight layers."""
        return len(self.layers)

    def forward(self, inputs: Float[Tensor, "*B d"]) -> Float[Tensor, "*B c"]:
        """Outputs of the network for any batch of inputs."""
        hidden = inputs
        for layer in self.layers[:-1]:
            hidden = self.activation(layer(hidden))
        outputs: Tensor = self.layers[-1](hidden)
        return outputs

    def stacked(
        self, parameters: Mapping[str, Float[Tensor, "A ..."]], inputs: Float[Tensor, "*A N d"]
    ) -> Float[Tensor, "A N c"]:
        """Outputs of A networks like this one, whose parameters, by name, carry a leading axis A; inputs may, too.

        On the way samples are the last axis, which makes the batched products a third faster.
        """
        hidden = inputs.mT
        for k in range(self.depth):
            hidden = parameters[f"layers.{k}.weight"] @ (self.activation(hidden) if k else hidden)
            if f"layers.{k}.bias" in parameters:
                hidden = hidden + parameters[f"layers.{k}.bias"].unsqueeze(-1)
        return hidden.mT


def class_of(network: nn.Module) -> str | None:
    """Return the name of a network's class; None for an `MLP`, which its depth, width and activation describe."""
    return None if isinstance(network, MLP) else type(network).__name__
