"""Stationary states of a deep linear network as what they are: orbits of the hidden layers' rotations.

A balanced state W_l = Σ_p a_p n_l^p (n_{l−1}^p)ᵀ with r features alive leaves the frames n_l of every hidden layer
free: its orbit is a product of Stiefel manifolds V_r(h_l), of Σ_l [r·h_l − r(r+1)/2] dimensions, all of them zero modes
of ∇²𝓛. For the weight of a state in a canonical ensemble two numbers are needed, both of them here: the orbit's volume
in parameter space, and the determinant of ∇²𝓛 across it, which `spinodal.theory.stability` explains block by block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import lgamma, log, pi

import numpy as np
from jaxtyping import Float64

from spinodal.theory.feature import Array


@dataclass(frozen=True)
class Orbit:
    """A stationary state and all that rotations make of it."""

    dimension: int
    """Of the orbit."""
    log_volume: float
    """ln of its volume; of the number of its points if the dimension is 0."""
    log_determinant: float
    """ln |det ∇²𝓛| across it."""


def orbit(
    l2: float,
    amplitudes: Float64[np.ndarray, " k"],
    strengths: Float64[np.ndarray, " k"],
    sizes: Sequence[int],
    variances: Float64[np.ndarray, " k"],
    spare_variances: Float64[np.ndarray, " s"],
) -> Orbit:
    """The orbit of a stationary state whose features decouple.

    Args:
        l2: λ > 0.
        amplitudes: u_k ≥ 0, stationary at λ.
        strengths: c_k.
        sizes: of the layers from input to output: d, the L − 1 hidden widths, c.
        variances: σ_k.
        spare_variances: of the d − K input directions without a feature.
    """
    depth, hidden = len(sizes) - 1, np.array(sizes[1:-1])
    alive = np.flatnonzero(amplitudes > 0)
    dead = np.flatnonzero(amplitudes == 0)
    a = amplitudes ** (1 / depth)
    r = len(alive)
    free = hidden - r  # directions of each hidden layer without a feature
    pairs = [
        _pair(a[[p, q]], strengths[[p, q]], variances[[p, q]], l2, depth) for p, q in combinations(alive, 2)
    ]
    # A layer's entries between directions without a feature feel λ alone.
    unused = np.array([sizes[0] - r, *free, sizes[-1] - r])
    logs = float(unused[:-1] @ unused[1:]) * log(2 * l2)
    logs += r * (depth - 1 + int(free.sum())) * log(4 * l2)  # layers out of balance
    for p in alive:
        u, force = amplitudes[p], strengths[p] - variances[p] * amplitudes[p]
        scale = a[p] ** (depth - 2)
        logs += log(scale * abs((2 * depth - 2) * variances[p] * u - (depth - 2) * strengths[p]))
        # Turning towards a dead feature, at both ends of the network; then towards what has no feature.
        for k in dead:
            determinant = (force + variances[k] * u) * strengths[p] - strengths[k] ** 2
            logs += 2 * log(scale) + log(abs(determinant))
        logs += float(np.log(2 * l2 + spare_variances * scale * u).sum())
        logs += (sizes[-1] - len(amplitudes)) * log(2 * l2 + variances[p] * scale * u)
    volume = sum(_log_sphere(int(h) - i - 1) for h in hidden for i in range(r))
    volume += float(free.sum()) * float(np.log(np.sqrt(2) * a[alive]).sum())
    return Orbit(
        dimension=int((r * hidden - r * (r + 1) // 2).sum()),
        log_volume=volume + sum(each[0] for each in pairs),
        log_determinant=logs + sum(each[1] for each in pairs),
    )


def _pair(a: Array, c: Array, sigma: Array, l2: float, depth: int) -> tuple[float, float]:
    """Of rotations between two alive features: ln of the volume element, and ln |det| across."""
    (ap, aq), (gp, gq) = a, c - sigma * a**depth
    gram = 2 * (ap**2 + aq**2) * np.eye(depth - 1)
    gram -= 2 * ap * aq * (np.eye(depth - 1, k=1) + np.eye(depth - 1, k=-1))
    # Entries (p, q) of the layers, then their entries (q, p). What they add to the map, to first order:
    layer = np.arange(depth)
    to_pq, to_qp = ap ** (depth - 1 - layer) * aq**layer, aq ** (depth - 1 - layer) * ap**layer
    hessian = 2 * l2 * np.eye(2 * depth)
    hessian[:depth, :depth] += sigma[1] * np.outer(to_pq, to_pq)
    hessian[depth:, depth:] += sigma[0] * np.outer(to_qp, to_qp)
    # And to second order, from a feature to the other and back, against the residuals −g.
    for low, high in combinations(range(depth), 2):
        way, rest = high - low - 1, depth - 1 - high + low
        hessian[high, depth + low] -= gp * ap**rest * aq**way
        hessian[depth + low, high] -= gp * ap**rest * aq**way
        hessian[low, depth + high] -= gq * aq**rest * ap**way
        hessian[depth + high, low] -= gq * aq**rest * ap**way
    eigenvalues = np.linalg.eigvalsh(hessian)
    across = np.sort(np.abs(eigenvalues))[depth - 1 :]
    return 0.5 * float(np.linalg.slogdet(gram)[1]), float(np.log(across).sum())


def _log_sphere(dimension: int) -> float:
    """Ln of the volume of the unit sphere S^dimension; S⁰ is two points."""
    return log(2) + (dimension + 1) / 2 * log(pi) - lgamma((dimension + 1) / 2)
