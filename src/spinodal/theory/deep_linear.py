"""Exact phase diagram of deep linear networks f(x) = W_L ⋯ W_1 x with squared error and no biases.

At a minimum of 𝓛 = E + λ‖θ‖² the layers are balanced and the features decouple. A feature with
cross-covariance c (`strength`) along an input direction of variance σ (`variance`) is learned with amplitude
u = a^L, where every layer carries the singular value a, and

    E = ½ (σu² − 2cu) + const,    ‖θ‖² = L a²,    stationary where a = 0 or (c − σu) u^{(L−2)/L} = 2λ.

In units s = c/σ and λ/σ this is the whitened feature of strength s. Exact where Σ_xx commutes with Σ_yxᵀΣ_yx
(whitened inputs always do); elsewhere an estimate. Orders of the transitions: Ziyin & Ueda, arXiv 2205.12510.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64
from numpy.typing import NDArray

Array = NDArray[np.float64]
Numbers = int | float | Sequence[Any] | NDArray[Any]

# Halving [0, 1] this often reaches the spacing of float64 for every amplitude above the spinodal.
_HALVINGS = 60


def spinodal(strength: Numbers, depth: int, variance: Numbers = 1.0) -> Array:
    """λ_sp at which the learned state of a feature ends: (c − σu) u^{(L−2)/L} = 2λ has its maximum there.

    For L = 2 the amplitude reaches zero continuously, in a second-order transition at λ_sp = c/2.

    Args:
        strength: Cross-covariance c ≥ 0 of the feature; a scalar or an array of any shape.
        depth: Number of weight layers L ≥ 2.
        variance: Input variance σ > 0 along the feature; broadcasts against `strength`.

    Returns:
        λ_sp ∝ c^{(2L−2)/L} σ^{−(L−2)/L}, shaped as the arguments broadcast.

    Raises:
        ValueError: Unless L ≥ 2, c ≥ 0 and σ > 0.
    """
    c, sigma = _feature(strength, depth, variance)
    return np.asarray(_balance(_fold(depth), depth) * c * _power(c / sigma, (depth - 2) / depth))


def coexistence(strength: Numbers, depth: int, variance: Numbers = 1.0) -> Array:
    """λ_co at which the learned and the unlearned state of a feature have equal 𝓛: where u = s(L−2)/(L−1).

    Arguments, result and errors as in :func:`spinodal`. For L = 2 the two states merge: λ_co = λ_sp = c/2.
    """
    c, sigma = _feature(strength, depth, variance)
    u_co = (depth - 2) / (depth - 1)
    return np.asarray(_balance(u_co, depth) * c * _power(c / sigma, (depth - 2) / depth))


def amplitude(l2: Numbers, strength: Numbers, depth: int, variance: Numbers = 1.0) -> Array:
    """Amplitude u = a^L of a feature in its learned state at λ: c/σ at λ = 0, and 0 above the spinodal.

    Args:
        l2: λ ≥ 0; broadcasts against `strength` and `variance`.
        strength: Cross-covariance c ≥ 0.
        depth: Number of weight layers L ≥ 2.
        variance: Input variance σ > 0.

    Returns:
        u in the units of c/σ, shaped as the arguments broadcast.

    Raises:
        ValueError: Unless λ ≥ 0, L ≥ 2, c ≥ 0 and σ > 0.
    """
    c, sigma = _feature(strength, depth, variance)
    lam = np.asarray(l2, dtype=np.float64)
    if not np.all(lam >= 0):
        raise ValueError("l2 must be at least 0")
    lam, c, sigma = np.broadcast_arrays(lam, c, sigma)
    # In units of c/σ every feature of one depth is the same curve: the balance falls from its maximum at the
    # fold to 0 at u = 1, so halving that interval cannot miss.
    scale = c * _power(c / sigma, (depth - 2) / depth)
    reduced = np.divide(lam, scale, out=np.full(lam.shape, np.inf), where=scale > 0)
    low, high = np.full(lam.shape, _fold(depth)), np.ones(lam.shape)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        above = _balance(middle, depth) > reduced
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.asarray(np.where(reduced <= _balance(_fold(depth), depth), low, 0.0) * c / sigma)


@dataclass(frozen=True)
class LearnedState:
    """The up branch of a whole network: at each λ every feature that can be alive is."""

    l2: Float64[np.ndarray, " l"]
    amplitudes: Float64[np.ndarray, "l k"]
    """u_k = a_k^L, singular values of the network's input–output map in the units of c/σ."""
    alive: Bool[np.ndarray, "l k"]
    error: Float64[np.ndarray, " l"]
    """E = Σ_k ½ σ_k (c_k/σ_k − u_k)²: nothing is left of it where every feature is fully learned."""
    norm_squared: Float64[np.ndarray, " l"]
    """‖θ‖² = L Σ_k u_k^{2/L}."""
    loss: Float64[np.ndarray, " l"]
    """𝓛 = E + λ‖θ‖²."""
    accuracy: Float64[np.ndarray, " l"]
    """1 − E/E₀ with E₀ = Σ_k ½ c_k²/σ_k the error of the zero function."""


def learned_state(l2: Numbers, strengths: Numbers, depth: int, variances: Numbers = 1.0) -> LearnedState:
    """Follow the learned state of a network of width ≥ K along λ; the targets are linear in the inputs.

    Args:
        l2: λ ≥ 0, [l] or a scalar.
        strengths: Cross-covariances c_k, [K], of all features of the task.
        depth: Number of weight layers L ≥ 2.
        variances: Input variances σ_k, [K] or a scalar.

    Raises:
        ValueError: Unless λ ≥ 0, L ≥ 2, every c_k > 0 and every σ_k > 0.
    """
    lam = np.atleast_1d(np.asarray(l2, dtype=np.float64))
    c, sigma = np.broadcast_arrays(*_feature(np.atleast_1d(strengths), depth, variances))
    if not np.all(c > 0):
        raise ValueError("strengths must be above 0")
    u = amplitude(lam[:, None], c, depth, sigma)
    error = (0.5 * sigma * (c / sigma - u) ** 2).sum(axis=1)
    norm_squared = depth * (u ** (2 / depth)).sum(axis=1)
    return LearnedState(
        l2=lam,
        amplitudes=u,
        alive=u > 0,
        error=error,
        norm_squared=norm_squared,
        loss=error + lam * norm_squared,
        accuracy=1 - error / (0.5 * c**2 / sigma).sum(),
    )


def _fold(depth: int) -> float:
    """u_sp in units of c/σ."""
    return (depth - 2) / (2 * depth - 2)


def _balance(u: Numbers, depth: int) -> Array:
    """λ in units of c (c/σ)^{(L−2)/L} at which the amplitude u, in units of c/σ, is stationary."""
    u = np.asarray(u, dtype=np.float64)
    return np.asarray(0.5 * (1 - u) * _power(u, (depth - 2) / depth))


def _power(base: Numbers, exponent: float) -> Array:
    return np.asarray(np.power(base, exponent), dtype=np.float64)


def _feature(strength: Numbers, depth: int, variance: Numbers) -> tuple[Array, Array]:
    c, sigma = np.asarray(strength, dtype=np.float64), np.asarray(variance, dtype=np.float64)
    if depth < 2:
        raise ValueError(f"depth={depth}: the theory needs at least 2 weight layers")
    if not np.all(c >= 0):
        raise ValueError("strength must be at least 0")
    if not np.all(sigma > 0):
        raise ValueError("variance must be above 0")
    return c, sigma
