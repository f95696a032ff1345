"""One feature of a deep linear network f(x) = W_L ⋯ W_1 x: its stationary states, spinodal, coexistence, barriers.

At a stationary point of 𝓛 = E + λ‖θ‖² (squared error, no biases) the layers are balanced. Where features decouple,
one with cross-covariance c (`strength`) along an input direction of variance σ (`variance`) is learned with the
amplitude u = a^L, where every layer carries the singular value a, and

    V = ½ σu² − cu + λ L u^{2/L},    stationary where u = 0 or (c − σu) u^{(L−2)/L} = 2λ.

In units s = c/σ and λ/σ this is the whitened feature of strength s. Features decouple exactly where Σ_xx commutes
with Σ_yxᵀΣ_yx, as with whitened inputs; nothing here can know whether it does, and elsewhere all of this is an
estimate. Orders of the transitions: Ziyin & Ueda, arXiv 2205.12510.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
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
    c, sigma = checked(strength, depth, variance)
    return np.asarray(_balance(_fold(depth), depth) * _scale(c, sigma, depth))


def coexistence(strength: Numbers, depth: int, variance: Numbers = 1.0) -> Array:
    """λ_co at which the learned and the unlearned state of a feature have equal 𝓛: where u = s(L−2)/(L−1).

    Arguments, result and errors as in :func:`spinodal`. For L = 2 the two states merge: λ_co = λ_sp = c/2.
    """
    c, sigma = checked(strength, depth, variance)
    return np.asarray(_balance((depth - 2) / (depth - 1), depth) * _scale(c, sigma, depth))


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
    # The balance falls from its maximum at the fold to 0 at u = 1, so halving that interval cannot miss.
    c, sigma, reduced = _reduced(l2, strength, depth, variance)
    u = _root(lambda u: _balance(u, depth) > reduced, _fold(depth), 1.0, reduced.shape)
    return np.asarray(np.where(reduced <= _balance(_fold(depth), depth), u, 0.0) * c / sigma)


def saddle_amplitude(l2: Numbers, strength: Numbers, depth: int, variance: Numbers = 1.0) -> Array:
    """Amplitude u of the saddle between the learned and the unlearned state: the smaller root.

    Arguments and errors as in :func:`amplitude`.

    Returns:
        u, near (2λ/c)^{L/(L−2)} at small λ; NaN above the spinodal, and for L = 2, which has no saddle.
    """
    c, sigma, reduced = _reduced(l2, strength, depth, variance)
    if depth == 2:
        return np.full(reduced.shape, np.nan)
    # In z = u^{(L−2)/L} the balance rises from 0 like z/2, so that small roots have all their digits.
    power = (depth - 2) / depth
    top = float(_power(_fold(depth), power))
    z = _root(lambda z: _balance(_power(z, 1 / power), depth) < reduced, 0.0, top, reduced.shape)
    u = np.where(reduced <= _balance(_fold(depth), depth), _power(z, 1 / power), np.nan)
    return np.asarray(u * c / sigma)


def potential(
    amplitude: Numbers, l2: Numbers, strength: Numbers, depth: int, variance: Numbers = 1.0
) -> Array:
    """V(u) = ½ σu² − cu + λ L u^{2/L}, what a feature of amplitude u ≥ 0 adds to 𝓛; all arguments broadcast."""
    c, sigma = checked(strength, depth, variance)
    u = np.asarray(amplitude, dtype=np.float64)
    return np.asarray(
        0.5 * sigma * u**2 - c * u + np.asarray(l2, dtype=np.float64) * depth * _power(u, 2 / depth)
    )


@dataclass(frozen=True)
class Barriers:
    """How much 𝓛 rises from either state of a feature to the saddle between them.

    NaN where there are no two states to come between: above the spinodal, and everywhere for L = 2.
    """

    from_learned: Float64[np.ndarray, ...]
    """ΔV = V(saddle) − V(learned); c²/2σ at λ = 0, and 0 at the spinodal."""
    from_unlearned: Float64[np.ndarray, ...]
    """ΔV = V(saddle) − V(0); 0 at λ = 0, and the same as from the learned state at coexistence."""


def barriers(l2: Numbers, strength: Numbers, depth: int, variance: Numbers = 1.0) -> Barriers:
    """The barriers on both sides of a feature's saddle at λ; arguments and errors as in :func:`amplitude`."""
    top = potential(saddle_amplitude(l2, strength, depth, variance), l2, strength, depth, variance)
    learned = potential(amplitude(l2, strength, depth, variance), l2, strength, depth, variance)
    return Barriers(from_learned=np.asarray(top - learned), from_unlearned=top)


def amplitude_mode(amplitude: Numbers, strength: Numbers, depth: int, variance: Numbers = 1.0) -> Array:
    """Eigenvalue of ∇²𝓛 along a feature's own amplitude, a^{L−2} [(2L−2) σu − (L−2) c], at a stationary u > 0.

    Positive in the learned state, 0 at the spinodal, negative on the saddle. NaN for u = 0, where no amplitude
    moves. Arguments broadcast.
    """
    c, sigma = checked(strength, depth, variance)
    u = np.asarray(amplitude, dtype=np.float64)
    mode = _power(u, (depth - 2) / depth) * ((2 * depth - 2) * sigma * u - (depth - 2) * c)
    return np.asarray(np.where(u > 0, mode, np.nan))


def checked(strength: Numbers, depth: int, variance: Numbers) -> tuple[Array, Array]:
    """C and σ as arrays, if they make sense.

    Raises:
        ValueError: Unless L ≥ 2, c ≥ 0 and σ > 0.
    """
    c, sigma = np.asarray(strength, dtype=np.float64), np.asarray(variance, dtype=np.float64)
    if depth < 2:
        raise ValueError(f"depth={depth}: the theory needs at least 2 weight layers")
    if not np.all(c >= 0):
        raise ValueError("strength must be at least 0")
    if not np.all(sigma > 0):
        raise ValueError("variance must be above 0")
    return c, sigma


def _fold(depth: int) -> float:
    """u_sp in units of c/σ."""
    return (depth - 2) / (2 * depth - 2)


def _balance(u: Numbers, depth: int) -> Array:
    """λ in units of c (c/σ)^{(L−2)/L} at which the amplitude u, in units of c/σ, is stationary."""
    u = np.asarray(u, dtype=np.float64)
    return np.asarray(0.5 * (1 - u) * _power(u, (depth - 2) / depth))


def _scale(c: Array, sigma: Array, depth: int) -> Array:
    """The unit of λ in which all features of one depth are the same."""
    return np.asarray(c * _power(c / sigma, (depth - 2) / depth))


def _reduced(l2: Numbers, strength: Numbers, depth: int, variance: Numbers) -> tuple[Array, Array, Array]:
    """c, σ, and λ in its unit, of one shape; λ is infinite where c = 0."""
    c, sigma = checked(strength, depth, variance)
    lam = np.asarray(l2, dtype=np.float64)
    if not np.all(lam >= 0):
        raise ValueError("l2 must be at least 0")
    lam, c, sigma = np.broadcast_arrays(lam, c, sigma)
    scale = _scale(c, sigma, depth)
    return c, sigma, np.divide(lam, scale, out=np.full(lam.shape, np.inf), where=scale > 0)


def _root(beyond: Any, low: float, high: float, shape: tuple[int, ...]) -> Array:
    """Where `beyond`, true at first, becomes false, by halving; the last place where it is true."""
    lows, highs = np.full(shape, low), np.full(shape, high)
    for _ in range(_HALVINGS):
        middle = 0.5 * (lows + highs)
        yes = beyond(middle)
        lows, highs = np.where(yes, middle, lows), np.where(yes, highs, middle)
    return lows


def _power(base: Numbers, exponent: float) -> Array:
    return np.asarray(np.power(base, exponent), dtype=np.float64)
