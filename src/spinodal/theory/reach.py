"""How far a perturbation reaches: at which λ noise on the parameters takes an unlearned network past the saddle.

Near θ = 0 a deep linear network has 𝓛 = λ‖θ‖² − P(θ) + const with P = tr(Σ_yxᵀ W_L ⋯ W_1), up to terms smaller by
u/s. Gradient flow from there is θ = e^{−2λt} ψ, where ψ climbs P alone, dψ/dτ = ∇P, for no longer than
τ = 1/(2λ(L − 2)): it runs away exactly if ψ diverges before that. A balanced network of amplitude a per layer does
so at T = 1/(c_1 (L − 2) a^{L−2}), and any draw of the noise has the a of the balanced network that diverges with it
(`spinodal.theory.runaway`). So it is past the saddle where its a is, (s − u) u^{(L−2)/L} > 2λ with u = a^L; for small u

    λ < ½ c_1 a^{L−2},    a ∝ the noise's standard deviation.

What is left out are terms of relative size u/s at the saddle. With features 1 … m − 1 learned, which relax quickly,
the rest is a network of width h − m + 1 with the other features; there also terms of the size of the noise over a
learned layer's amplitude are left out.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from spinodal.theory.feature import Numbers, checked, spinodal
from spinodal.theory.phases import by_spinodal
from spinodal.theory.runaway import amplitudes

_DRAWS = 1000
"""Of the noise: enough for the mean of a to 0.5 % and for its spread to 3 %."""

_NUMBERS = 1_000_000
"""So many parameters of all draws together at most, and 100 draws at least: wide networks scatter less."""


def reach(
    noise: float,
    strengths: Numbers,
    depth: int,
    width: int,
    variances: Numbers = 1.0,
    draws: int | None = None,
) -> Float64[np.ndarray, " draws"]:
    """λ below which a perturbed unlearned network learns its first feature, for each of many draws of the noise.

    Args:
        noise: Standard deviation ≥ 0 of the noise on every parameter, added at θ = 0.
        strengths: c_k > 0, [K], of all features.
        depth: L ≥ 2. For L = 2 θ = 0 is a saddle below c_1/2, which any noise leaves: every draw reaches that far.
        width: Of all hidden layers, at least 1.
        variances: σ_k > 0, [K] or a scalar.
        draws: How many; by default a thousand, fewer for wide networks.

    Returns:
        λ ≤ λ_sp of the first feature, [draws]; 0 without noise for L ≥ 3.

    Raises:
        ValueError: Unless noise ≥ 0, L ≥ 2, width ≥ 1, every c_k > 0 and every σ_k > 0.
    """
    c, sigma = np.broadcast_arrays(*checked(np.atleast_1d(strengths), depth, variances))
    if not (np.all(c > 0) and noise >= 0 and width >= 1):
        raise ValueError("strengths must be above 0, noise at least 0 and width at least 1")
    order = by_spinodal(c, depth, sigma)
    first, variance = float(c[order[0]]), float(sigma[order[0]])
    limit = float(spinodal(first, depth, variance))
    parameters = 2 * len(c) * width + (depth - 2) * width**2
    draws = draws or int(np.clip(_NUMBERS // parameters, 100, _DRAWS))
    if depth == 2:
        return np.full(draws, limit)
    u = (noise * amplitudes(tuple(c[order] / first), depth, width, draws)) ** depth
    fold = first / variance * (depth - 2) / (2 * depth - 2)
    at = 0.5 * (first - variance * u) * u ** ((depth - 2) / depth)
    return np.where(u < fold, at, limit)


def relearning(
    path: Numbers,
    noise: float,
    strengths: Numbers,
    depth: int,
    width: int,
    variances: Numbers = 1.0,
    learned: int = 0,
) -> Float64[np.ndarray, "k s"]:
    """Where a down branch learns again, if every stage starts with a fresh perturbation of the minimum before.

    The m-th feature is tried for at each stage after that at which the one before it has come back: two features
    that come back at the same stage are not foreseen.

    Args:
        path: λ of the stages, [S], in their order.
        noise: Standard deviation of the noise on every parameter.
        strengths: As in :func:`reach`.
        depth: L ≥ 2.
        width: Of all hidden layers, at least K.
        variances: As in :func:`reach`.
        learned: How many features are alive before the first stage.

    Returns:
        The probability that the m-th feature, by λ_sp, comes back at a stage, [K, S]. What a row lacks to 1 is the
        probability that it does not within the path; NaN for features that are alive from the start.

    Raises:
        ValueError: As :func:`reach`.
    """
    lam = np.atleast_1d(np.asarray(path, dtype=np.float64))
    c, sigma = np.broadcast_arrays(*checked(np.atleast_1d(strengths), depth, variances))
    order = by_spinodal(c, depth, sigma)
    arrival = np.full((len(c), len(lam)), np.nan)
    # Before the first stage everything that is alive has come.
    before = np.concatenate([[1.0], np.zeros(len(lam))])
    for m in range(learned, len(c)):
        rest = order[m:]
        draws = reach(noise, c[rest], depth, max(width - m, 1), sigma[rest])
        succeeds = (draws > lam[:, None]).mean(axis=1)
        waiting = 0.0
        for stage, success in enumerate(succeeds):
            waiting += before[stage]
            arrival[m, stage] = waiting * success
            waiting -= arrival[m, stage]
        before = np.concatenate([[0.0], arrival[m]])
    return arrival
