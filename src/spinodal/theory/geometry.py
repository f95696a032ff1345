"""Exact geometry of the error surface z = E(θ) of a deep linear network, at balanced states with decoupled features.

There every layer W_l has the singular value a_k = u_k^{1/L} on feature k, and with A_l = W_L ⋯ W_{l+1} and
B_l = W_{l−1} ⋯ W_1 the second variation of E = ½ tr(WΣ_xxWᵀ) − tr(WΣ_yxᵀ) + const has the blocks

    H_ll = A_lᵀA_l ⊗ B_l Σ_xx B_lᵀ,
    H_lm = T_lm + Q_lm,   T: tr(A_l dW_l B_l Σ_xx (A_m dW_m B_m)ᵀ),   Q: tr(Gᵀ A_m dW_m W_{m−1} ⋯ W_{l+1} dW_l B_l),

l < m, G = WΣ_xx − Σ_yx = −Σ_k g_k (output k)(input k)ᵀ the residual with g_k = c_k − σ_k u_k. In the features' bases
everything is diagonal, and traces and norms are sums of powers of a_k; see the comments. R follows from the Gauss
equation. The widths enter through Q: R is a function of the network as well as of the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int

from spinodal.theory.feature import Array, Numbers, amplitude_mode, checked


@dataclass(frozen=True)
class Geometry:
    """What the error surface is like at a state; H = ∇²E, v = ∇E, w = 1 + ‖v‖². NaN where the state is."""

    curvature: Float64[np.ndarray, "*l"]
    """R = [(tr H)² − ‖H‖_F² − (2/w)(tr H·vᵀHv − ‖Hv‖²)]/w."""
    trace: Float64[np.ndarray, "*l"]
    """tr H."""
    frobenius_squared: Float64[np.ndarray, "*l"]
    """‖H‖_F²."""
    gradient_squared: Float64[np.ndarray, "*l"]
    """‖v‖² = 4λ²‖θ‖² at a stationary point of 𝓛."""
    gradient_hessian_gradient: Float64[np.ndarray, "*l"]
    """vᵀHv."""
    hessian_gradient_squared: Float64[np.ndarray, "*l"]
    """‖Hv‖²."""


def geometry(
    amplitudes: Numbers,
    strengths: Numbers,
    sizes: Sequence[int],
    variances: Numbers = 1.0,
    spare_variances: Numbers = 1.0,
) -> Geometry:
    """Exact geometry of E at a balanced state; exact where the input covariance has the features as eigenvectors.

    Args:
        amplitudes: u_k ≥ 0, [*l, K], as in `State.amplitudes`.
        strengths: c_k, [K].
        sizes: of the layers from input to output: d, the L − 1 hidden widths, c; none below K.
        variances: σ_k, [K] or a scalar.
        spare_variances: of the inputs in the d − K directions without a feature, [d − K] or a scalar.

    Raises:
        ValueError: If there are less than two layers, a layer is narrower than K, or a number is out of its range.
    """
    depth = len(sizes) - 1
    c, sigma = np.broadcast_arrays(*checked(np.atleast_1d(strengths), depth, variances))
    if min(sizes) < len(c):
        raise ValueError(f"sizes={tuple(sizes)}: no layer may be narrower than the {len(c)} features")
    spare = np.broadcast_to(np.asarray(spare_variances, dtype=np.float64), (sizes[0] - len(c),))
    u = np.asarray(amplitudes, dtype=np.float64)
    trace, frobenius_squared = _invariants(u, c, sigma, spare, sizes)
    # v = −Σ_k g_k a_k^{L−1} in every layer's entry (k, k): along amplitude k, where H is diagonal.
    a, force = u ** (1 / depth), c - sigma * u
    squares = depth * (force * a ** (depth - 1)) ** 2
    modes = depth * sigma * a ** (2 * depth - 2) - (depth - 1) * force * a ** (depth - 2)
    v, vhv, hv = squares.sum(-1), (squares * modes).sum(-1), (squares * modes**2).sum(-1)
    w = 1 + v
    curvature = (trace**2 - frobenius_squared - 2 / w * (trace * vhv - hv)) / w
    return Geometry(*map(np.asarray, (curvature, trace, frobenius_squared, v, vhv, hv)))


def soft_mode(
    amplitudes: Numbers, strengths: Numbers, depth: int, variances: Numbers = 1.0
) -> Float64[np.ndarray, "*l"]:
    """Least eigenvalue of ∇²𝓛 that moves an amplitude, σ_k a_k^{L−2} [(2L−2) u_k − (L−2) c_k/σ_k]; NaN if nothing is.

    It reaches zero at the spinodal of its feature and is negative where a feature is on its saddle.

    Args:
        amplitudes: u_k of a stationary state, [*l, K].
        strengths: c_k, [K].
        depth: L ≥ 2.
        variances: σ_k, [K] or a scalar.
    """
    modes = amplitude_mode(amplitudes, strengths, depth, variances)
    least = np.where(np.isnan(modes), np.inf, modes).min(axis=-1)
    return np.asarray(np.where(np.isfinite(least), least, np.nan))


def zero_modes(learned: Numbers, hidden: Sequence[int]) -> Int[np.ndarray, "*l"]:
    """How many zero modes ∇²𝓛 has from rotations of the hidden layers: Σ_l [r·h_l − r(r+1)/2] with r features alive.

    Args:
        learned: r, of any shape.
        hidden: the widths h_l of the hidden layers, none below r.
    """
    r = np.asarray(learned, dtype=np.int64)
    return np.asarray(sum(r * h - r * (r + 1) // 2 for h in hidden))


def _invariants(u: Array, c: Array, sigma: Array, spare: Array, sizes: Sequence[int]) -> tuple[Array, Array]:
    """Tr H and ‖H‖_F²."""
    depth, nan = len(sizes) - 1, np.where(np.isnan(u).any(axis=-1), np.nan, 0.0)
    alive, a, force = u > 0, np.where(u > 0, u, 1.0) ** (1 / depth), c - sigma * u

    def total(power: int, weight: Array | float = 1.0) -> Array:
        """Σ over alive features of a_k^power, weighted."""
        return np.asarray(np.where(alive, a**power * weight, 0.0).sum(axis=-1))

    def left(layer: int, power: int) -> Array:
        """Tr (A_lᵀA_l)^{power/2}: the last layer's A is the identity of all outputs."""
        return np.asarray(float(sizes[-1])) if layer == depth else total(power * (depth - layer))

    def right(layer: int, power: int) -> Array:
        """Tr (B_l Σ_xx B_lᵀ)^{power/2}: the first layer's B is the identity of all inputs."""
        if layer == 1:
            return np.asarray((sigma ** (power / 2)).sum() + (spare ** (power / 2)).sum())
        return total(power * (layer - 1), sigma ** (power / 2))

    trace = nan + sum(left(layer, 2) * right(layer, 2) for layer in range(1, depth + 1))
    squares = nan + sum(left(layer, 4) * right(layer, 4) for layer in range(1, depth + 1))
    for first in range(1, depth + 1):
        for second in range(first + 1, depth + 1):
            apart, outside = second - first, depth - second + first - 1
            # ‖T‖²: outputs and inputs both go through a hidden layer, whose dead units give nothing.
            squares += 2 * total(2 * (2 * depth - first - second)) * total(2 * (first + second - 2), sigma**2)
            # ‖Q‖²: the residual sees dead features only where nothing but the two layers lies in its way (outside = 0);
            # between neighbours lies the identity of all h_l hidden units.
            between = np.asarray(float(sizes[first])) if apart == 1 else total(2 * (apart - 1))
            residual = (force**2).sum(axis=-1) if outside == 0 else total(2 * outside, force**2)
            squares += 2 * between * residual
            # 2⟨T, Q⟩: they meet where a feature's own entries in the two layers do.
            squares -= 4 * total(3 * depth - 4, sigma * force)
    return np.asarray(trace), np.asarray(squares)
