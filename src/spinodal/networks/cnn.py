"""Small convolutional networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from spinodal.errors import UserError
from spinodal.networks.mlp import ACTIVATIONS


class CNN(nn.Sequential):
    """Convolutions, each with an activation and the mean of every 2 × 2 pixels, and a linear layer.

    Float64. Convolutions keep the size of an image (zeros beyond its rim). All is as smooth as the activation, and
    samples do not feel each other. Weights are drawn from N(0, init_scale²/fan_in), from torch's generator; biases
    start at 0. With channels 8 and 16 and kernels of 5 × 5 pixels there are 11,240 weights for images of 28 × 28 pixels
    and ten classes.

    Args:
        input_dim: d, numbers in a sample.
        output_dim: c.
        input_shape: of a sample: [C, H, W], or [d] for the pixels of one square image, row by row.
        channels: of each convolution's output.
        kernel: pixels along a side of each filter; odd.
        activation: a key of `ACTIVATIONS`.
        bias: whether every layer has biases.
        init_scale: standard deviation of the weights times √fan_in.

    Raises:
        UserError: If an argument is out of its range, or samples are no images.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        input_shape: Sequence[int],
        channels: Sequence[int] = (8, 16),
        kernel: int = 5,
        activation: str = "tanh",
        bias: bool = False,
        init_scale: float = 1.0,
    ) -> None:
        if not channels or any(each < 1 for each in channels):
            raise UserError(
                f"model.channels = {list(channels)}: must be at least one number, and each at least 1."
            )
        if kernel < 1 or kernel % 2 == 0:
            raise UserError(f"model.kernel = {kernel}: must be odd, from 1 on.")
        if activation not in ACTIVATIONS:
            raise UserError(f"model.activation = {activation}: must be one of {', '.join(ACTIVATIONS)}.")
        if not (math.isfinite(init_scale) and init_scale >= 0):
            raise UserError(f"model.init_scale = {init_scale}: must be finite and not negative.")
        first, height, width = _image(input_dim, input_shape)
        if min(height, width) >> len(channels) < 1:
            raise UserError(
                f"model.channels = {list(channels)}: must be at most {min(height, width).bit_length() - 1} numbers for "
                f"images of {height} × {width} pixels, each of which halves them."
            )
        layers: list[nn.Module] = [nn.Unflatten(1, (1, height, width))] if len(input_shape) == 1 else []
        for n, m in pairwise([first, *channels]):
            filters = nn.Conv2d(n, m, kernel, padding=kernel // 2, bias=bias, dtype=torch.float64)
            layers += [filters, ACTIVATIONS[activation](), nn.AvgPool2d(2)]
            height, width = height // 2, width // 2
        head = nn.Linear(channels[-1] * height * width, output_dim, bias=bias, dtype=torch.float64)
        super().__init__(*layers, nn.Flatten(), head)
        for weight in (each for each in self.parameters() if each.dim() > 1):
            nn.init.normal_(weight, std=init_scale / math.sqrt(weight[0].numel()))
        for offset in (each for each in self.parameters() if each.dim() == 1):
            nn.init.zeros_(offset)


def _image(input_dim: int, input_shape: Sequence[int]) -> tuple[int, int, int]:
    """Channels, height and width."""
    side = math.isqrt(input_dim)
    if len(input_shape) == 3:
        channels, height, width = input_shape
        return channels, height, width
    if len(input_shape) == 1 and side**2 == input_dim:
        return 1, side, side
    raise UserError(
        f"model: CNN takes images [C, H, W], or the pixels of square ones: samples are of shape {list(input_shape)}"
    )
