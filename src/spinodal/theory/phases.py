"""A whole deep linear network along λ: its K + 1 nested phases, the saddles between them, the global minimum.

Features decouple, so a stationary state of the network is a choice of state for each feature (unlearned, learned, or on
its saddle). With m features alive, those with the largest λ_sp, it is phase m. With whitened inputs these are the m
strongest, each phase is a minimum wherever it exists, and no other choice is one; with unequal input variances look
at `minimum`. Ordering and sources as in `spinodal.theory.feature`, whose remark on estimates holds here too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int

from spinodal.theory.feature import (
    Array,
    Numbers,
    amplitude,
    checked,
    coexistence,
    saddle_amplitude,
    spinodal,
)
from spinodal.theory.stability import is_minimum


@dataclass(frozen=True)
class State:
    """A stationary state of a network of width ≥ K along λ; all of it NaN where there is none."""

    l2: Float64[np.ndarray, " l"]
    amplitudes: Float64[np.ndarray, "l k"]
    """u_k = a_k^L, singular values of the network's input–output map in the units of c/σ."""
    error: Float64[np.ndarray, " l"]
    """E = E₀ − Σ_k (c_k u_k − ½ σ_k u_k²)."""
    norm_squared: Float64[np.ndarray, " l"]
    """‖θ‖² = L Σ_k u_k^{2/L}."""
    loss: Float64[np.ndarray, " l"]
    """𝓛 = E + λ‖θ‖²."""
    accuracy: Float64[np.ndarray, " l"]
    """1 − E/E₀, with E₀ the error of the zero function."""
    minimum: Bool[np.ndarray, " l"]
    """Whether it is a minimum of 𝓛, up to the network's symmetries."""

    @property
    def exists(self) -> Bool[np.ndarray, " l"]:
        """Where there is such a state."""
        return np.asarray(np.isfinite(self.loss))

    @property
    def alive(self) -> Bool[np.ndarray, "l k"]:
        """Which features have an amplitude."""
        return self.amplitudes > 0

    @property
    def learned(self) -> Int[np.ndarray, " l"]:
        """How many features have one."""
        return np.asarray(self.alive.sum(axis=1))


def learned_state(
    l2: Numbers, strengths: Numbers, depth: int, variances: Numbers = 1.0, zero_error: float | None = None
) -> State:
    """The up branch: at each λ every feature is alive that can be.

    Args:
        l2: λ ≥ 0, [l] or a scalar.
        strengths: Cross-covariances c_k, [K], of all features of the task.
        depth: Number of weight layers L ≥ 2.
        variances: Input variances σ_k, [K] or a scalar.
        zero_error: E₀, the error of the zero function; by default Σ_k ½ c_k²/σ_k, so that nothing is left of E
            where every feature is fully learned.

    Raises:
        ValueError: Unless λ ≥ 0, L ≥ 2, every c_k > 0 and every σ_k > 0.
    """
    lam, c, sigma = _network(l2, strengths, depth, variances)
    return _state(lam, amplitude(lam[:, None], c, depth, sigma), c, sigma, depth, zero_error)


def global_minimum(
    l2: Numbers, strengths: Numbers, depth: int, variances: Numbers = 1.0, zero_error: float | None = None
) -> State:
    """The state of least 𝓛 at each λ: exactly the features with λ < λ_co are alive.

    Arguments and errors as in :func:`learned_state`. Whitened inputs, and L = 2: exact. Unequal variances: least
    among the states whose features decouple; where it is not a `minimum`, a rotated state lies lower.
    """
    lam, c, sigma = _network(l2, strengths, depth, variances)
    alive = lam[:, None] < coexistence(c, depth, sigma)
    u = np.where(alive, amplitude(lam[:, None], c, depth, sigma), 0.0)
    return _state(lam, u, c, sigma, depth, zero_error)


def phases(
    l2: Numbers, strengths: Numbers, depth: int, variances: Numbers = 1.0, zero_error: float | None = None
) -> tuple[State, ...]:
    """The phases m = 0 … K; phase m exists up to the spinodal of the m-th feature, phase 0 at every λ.

    Arguments and errors as in :func:`learned_state`.
    """
    lam, c, sigma = _network(l2, strengths, depth, variances)
    order = by_spinodal(c, depth, sigma)
    u = amplitude(lam[:, None], c, depth, sigma)
    learned = np.where((u > 0) | (lam == 0)[:, None], u, np.nan)
    return tuple(
        _state(lam, _alive(learned, order[:m]), c, sigma, depth, zero_error) for m in range(len(c) + 1)
    )


def saddles(
    l2: Numbers, strengths: Numbers, depth: int, variances: Numbers = 1.0, zero_error: float | None = None
) -> tuple[State, ...]:
    """The K saddles: the m-th, at index m − 1, lies between phases m − 1 and m, the m-th feature on its smaller root.

    Arguments and errors as in :func:`learned_state`. For L = 2 there are none.
    """
    lam, c, sigma = _network(l2, strengths, depth, variances)
    order = by_spinodal(c, depth, sigma)
    u = amplitude(lam[:, None], c, depth, sigma)
    top = saddle_amplitude(lam[:, None], c, depth, sigma)
    between = []
    for m, feature in enumerate(order):
        amplitudes = _alive(u, order[:m])
        amplitudes[:, feature] = top[:, feature]
        between.append(_state(lam, amplitudes, c, sigma, depth, zero_error))
    return tuple(between)


def by_spinodal(strengths: Numbers, depth: int, variances: Numbers = 1.0) -> Int[np.ndarray, " k"]:
    """Indices of the features [K] from the largest λ_sp to the least: the reverse of how they die on the way up."""
    return np.argsort(-spinodal(strengths, depth, variances), kind="stable")


def _network(l2: Numbers, strengths: Numbers, depth: int, variances: Numbers) -> tuple[Array, Array, Array]:
    lam = np.atleast_1d(np.asarray(l2, dtype=np.float64))
    c, sigma = np.broadcast_arrays(*checked(np.atleast_1d(strengths), depth, variances))
    if not np.all(c > 0):
        raise ValueError("strengths must be above 0")
    return lam, c, sigma


def _alive(u: Array, features: Int[np.ndarray, " m"]) -> Array:
    """These features as they are and the others dead; NaN throughout where one of these does not exist."""
    chosen = np.zeros_like(u)
    chosen[:, features] = u[:, features]
    return np.where(np.isnan(chosen).any(axis=1, keepdims=True), np.nan, chosen)


def _state(lam: Array, u: Array, c: Array, sigma: Array, depth: int, zero_error: float | None) -> State:
    explained = (0.5 * c**2 / sigma).sum()
    left = 0.0 if zero_error is None else zero_error - explained
    # As a sum of squares: what is left of E at small λ keeps its digits.
    error = left + (0.5 * sigma * (c / sigma - u) ** 2).sum(axis=1)
    norm_squared = depth * (u ** (2 / depth)).sum(axis=1)
    return State(
        l2=lam,
        amplitudes=u,
        error=error,
        norm_squared=norm_squared,
        loss=error + lam * norm_squared,
        accuracy=1 - error / (left + explained),
        minimum=is_minimum(lam, u, c, depth, sigma),
    )
