"""When gradient ascent of P = tr(Σ_yxᵀ W_L ⋯ W_1) from random layers diverges; see `spinodal.theory.reach`."""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float64

from spinodal.theory.feature import Array

_STEP = 0.1
"""Of the integration, in units of ‖W‖/‖∇P‖: good to 1e-4."""


@cache
def amplitudes(ratios: tuple[float, ...], depth: int, width: int, draws: int) -> Array:
    """Amplitude a of the balanced network that diverges with each draw of standard normal layers, L ≥ 3.

    Args:
        ratios: c_k/c_1, [K].
        depth: L ≥ 3.
        width: Of all hidden layers.
        draws: How many.
    """
    random = np.random.default_rng(0)
    sizes = [len(ratios), *[width] * (depth - 1), len(ratios)]
    shapes = zip(sizes[1:], sizes[:-1], strict=True)
    layers = [random.standard_normal((draws, *shape)) for shape in shapes]
    return np.asarray(((depth - 2) * time_to_diverge(layers, np.array(ratios))) ** (-1 / (depth - 2)))


def time_to_diverge(
    layers: list[Float64[np.ndarray, "draws _ _"]], strengths: Float64[np.ndarray, " k"]
) -> Float64[np.ndarray, " draws"]:
    """T at which dW/dτ = ∇P, P = Σ_k c_k (W_L ⋯ W_1)_kk, diverges; by Runge and Kutta, in steps that grow with ‖W‖.

    Args:
        layers: W_1 … W_L of every draw at τ = 0, L ≥ 3; the first from K inputs, the last to K outputs.
        strengths: c_k > 0.
    """
    depth = len(layers)
    times, running = np.zeros(len(layers[0])), np.arange(len(layers[0]))
    while len(running):
        p, slope = _ascent(layers, strengths)
        size, steepness = _norm(layers), _norm(slope)
        # Along the steepest ray of P, which everything turns to, what is left is known.
        aligned = depth * p / (size * steepness)
        left = size**2 / (depth * (depth - 2) * np.where(p > 0, p, np.inf))
        done = (p > 0) & (left * (1 - aligned) < 1e-5 * (times[running] + left))
        times[running[done]] += left[done]
        running = running[~done]
        layers, slope = [each[~done] for each in layers], [each[~done] for each in slope]
        step = _STEP * (size / steepness)[~done]
        times[running] += step
        layers = _stepped(layers, slope, strengths, step[:, None, None])
    return times


def _stepped(layers: list[Array], slope: list[Array], strengths: Array, step: Array) -> list[Array]:
    """One step of Runge and Kutta."""

    def at(slopes: list[Array], part: float) -> list[Array]:
        moved = [each + part * step * k for each, k in zip(layers, slopes, strict=True)]
        return _ascent(moved, strengths)[1]

    second = at(slope, 0.5)
    third = at(second, 0.5)
    fourth = at(third, 1.0)
    each_layer = zip(layers, slope, second, third, fourth, strict=True)
    return [w + step / 6 * (a + 2 * b + 2 * c + d) for w, a, b, c, d in each_layer]


def _ascent(layers: list[Array], strengths: Array) -> tuple[Array, list[Array]]:
    """P and ∇P: for each layer (Σ_k c_k-weighted product of all after it)ᵀ (product of all before it)ᵀ."""
    before = [np.broadcast_to(np.eye(len(strengths)), (len(layers[0]), len(strengths), len(strengths)))]
    for layer in layers:
        before.append(layer @ before[-1])
    p = np.einsum("nkk,k->n", before[-1], strengths)
    after, slope = np.broadcast_to(np.diag(strengths), before[0].shape), []
    for layer, product in zip(reversed(layers), reversed(before[:-1]), strict=True):
        slope.append(np.swapaxes(product @ after, 1, 2))
        after = after @ layer
    return np.asarray(p), slope[::-1]


def _norm(layers: list[Array]) -> Array:
    return np.asarray(np.sqrt(sum(np.einsum("nij,nij->n", each, each) for each in layers)))
