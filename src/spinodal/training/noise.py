"""Noise that moves replicas while their λ is held."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from spinodal.geometry import value_and_gradient
from spinodal.training.randomness import stream


def langevin(
    loss: Callable[[Tensor], Tensor],
    theta: Float[Tensor, "A n"],
    temperature: Float[Tensor, " A"],
    noise: Float[Tensor, "steps A n"],
    time_step: float,
) -> Float[Tensor, "A n"]:
    """Steps of overdamped Langevin dynamics dθ = −∇𝓛 dt + √(2T) dW, all rows at once.

    Leimkuhler & Matthews, Appl. Math. Res. Express 2013, 34, eq. 1.7, in the form of Vilmart, SIAM J. Sci. Comput.
    37, A201 (2015): the gradient is taken half a kick ahead. It costs what Euler and Maruyama's scheme costs, and
    what it samples is off e^{−𝓛/T} by the square of the time step only, on harmonic wells by nothing.

    Args:
        loss: 𝓛 of the rows.
        theta: where they are.
        temperature: T of each.
        noise: standard normal numbers.
        time_step: η.
    """
    kick = (2 * time_step * temperature).sqrt()[:, None]
    for xi in noise:
        _, gradient = value_and_gradient(loss, theta + 0.5 * kick * xi)
        theta = theta - time_step * gradient + kick * xi
    return theta


def kicks(
    steps: int, size: int, seeds: Sequence[int], temperatures: Sequence[float], *key: int
) -> Float64[Tensor, "steps A n"]:
    """Standard normal numbers, each replica's from its own seed and temperature.

    Args:
        steps: how many for each parameter.
        size: n.
        seeds: of the replicas.
        temperatures: theirs. Replicas that share their seeds are still independent.
        key: of the stage and the block.
    """
    drawn = [
        stream("langevin", seed, *struct.unpack("<Q", struct.pack("<d", temperature)), *key).standard_normal(
            (steps, size)
        )
        for seed, temperature in zip(seeds, temperatures, strict=True)
    ]
    return torch.from_numpy(np.stack(drawn, axis=1))
