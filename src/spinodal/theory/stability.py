"""Which stationary states of a deep linear network are minima of 𝓛.

Where the covariances commute, ∇²𝓛 falls apart into blocks of one feature (its amplitude, and modes that unbalance its
layers, with eigenvalue 4λ) and of two (rotations between them). Up to the network's symmetries it is positive if

- every alive feature is in its learned state, not on its saddle;
- no alive feature p gains by turning to a dead feature k: (g_p + σ_k u_p) c_p > c_k², where g_p = c_p − σ_p u_p.
  That is the determinant of their block, a_p^{L−2} [[g_p + σ_k u_p, −c_k], [−c_k, c_p]]. With σ = 1 it says
  c_p > c_k: phases are nested, strongest first. With unequal variances a phase can turn before its spinodal;
- for L = 2, no dead feature can grow: c_k < 2λ. For L ≥ 3 a dead feature is held by λ‖θ‖² alone.

Two alive features never gain by mixing. 𝓛 as a function of the map W is E + λL Σ_k u_k^{2/L} (the least ‖θ‖² of all
factorisations), and along mixtures of p and q its second derivative is [[S, δ], [δ, A]], δ = (σ_p − σ_q)/2, with
S = σ̄ + (g_p − g_q)/(u_p − u_q) and A = σ̄ + (g_p + g_q)/(u_p + u_q). In their learned states both amplitudes are
stable, σ > κg/u with κ = (L−2)/L, and then S·A > δ², because sinh κt ≤ κ sinh t at t = |ln u_p/u_q|.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from spinodal.theory.feature import Numbers, amplitude_mode, checked


def is_minimum(
    l2: Numbers, amplitudes: Numbers, strengths: Numbers, depth: int, variances: Numbers = 1.0
) -> Bool[np.ndarray, "*l"]:
    """Whether a stationary state is a minimum of 𝓛, up to the network's symmetries.

    Exact where the covariances commute. At λ = 0 with L ≥ 3 no state with a dead feature is: θ = 0 is flat there.

    Args:
        l2: λ ≥ 0, [*l].
        amplitudes: u_k, [*l, K]: 0, or the learned or the saddle's amplitude at this λ. NaN is no minimum.
        strengths: c_k, [K].
        depth: L ≥ 2.
        variances: σ_k, [K] or a scalar.
    """
    c, sigma = np.broadcast_arrays(*checked(np.atleast_1d(strengths), depth, variances))
    u, lam = np.asarray(amplitudes, dtype=np.float64), np.asarray(l2, dtype=np.float64)[..., None]
    alive, dead = u > 0, u == 0
    held = lam > 0 if depth > 2 else 2 * lam > c
    single = (alive & (amplitude_mode(u, c, depth, sigma) > 0)) | (dead & held)
    # Axes: p, alive, then k, dead.
    determinant = (c - sigma * u)[..., None] * c[:, None] + (u * c)[..., None] * sigma - c**2
    stays = (determinant > 0) | dead[..., None] | alive[..., None, :]
    return np.asarray(single.all(axis=-1) & stays.all(axis=(-2, -1)))
