"""How long noise takes to carry a deep linear network out of a phase.

Overdamped Langevin dynamics dθ = −∇𝓛 dt + √(2T) dW leave a minimum over the saddle s at the rate (Kramers, Physica 7,
284 (1940); Langer, Ann. Phys. 54, 258 (1969); Hänggi, Talkner & Borkovec, Rev. Mod. Phys. 62, 251 (1990), eq. 4.36)

    1/τ = (ω/2π) · Z_s/Z_m · e^{−ΔV/T},    Z = Vol · (2πT)^{(n−D)/2} / √|det' ∇²𝓛|,

to leading order in T: ω is the saddle's unstable rate (minus its negative eigenvalue), and a state that is an orbit of
dimension D and volume Vol counts with its volume, transverse fluctuations with the determinant across it. Of the 2πT a
power is left where the saddle's orbit is larger than the minimum's, by d dimensions:

    τ ∝ T^{d/2} e^{ΔV/T}.

From phase m to m + 1, d = Σ_l (h_l − m − 1) over the hidden layers: (L − 1)(h − 1) from θ = 0. From phase m to m − 1
minimum and saddle have the same features alive, and d = 0. That escape follows Arrhenius is claimed by Ersoy & Wiesner,
arXiv 2606.17120.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, pi

import numpy as np
from jaxtyping import Float64

from spinodal.theory.feature import Numbers, amplitude_mode, checked
from spinodal.theory.orbits import orbit
from spinodal.theory.phases import State, by_spinodal, phases, saddles


@dataclass(frozen=True)
class Escape:
    """A way out of a phase."""

    to: int
    """The phase it leads to."""
    barrier: float
    """ΔV = 𝓛(saddle) − 𝓛(phase)."""
    orbit_dimension: int
    """d, by which the saddle's orbit is larger than the phase's."""
    prefactor: float
    """τ / (T^{d/2} e^{ΔV/T}), in units of time (steps × step length)."""

    def time(self, temperature: Numbers) -> Float64[np.ndarray, ...]:
        """τ at T > 0, to leading order in T/ΔV."""
        t = np.asarray(temperature, dtype=np.float64)
        with np.errstate(over="ignore"):  # beyond all numbers it is infinite
            return np.asarray(self.prefactor * t ** (self.orbit_dimension / 2) * np.exp(self.barrier / t))


def escapes(
    l2: float,
    phase: int,
    strengths: Numbers,
    sizes: Sequence[int],
    variances: Numbers = 1.0,
    spare_variances: Numbers = 1.0,
) -> tuple[Escape, ...]:
    """The ways out of phase m at λ: feature m + 1 is born, or feature m dies.

    Args:
        l2: λ > 0.
        phase: m, how many features are alive, those with the largest λ_sp.
        strengths: c_k, [K].
        sizes: of the layers from input to output: d, the L − 1 ≥ 2 hidden widths, c; none below K.
        variances: σ_k, [K] or a scalar.
        spare_variances: of the inputs in the d − K directions without a feature, [d − K] or a scalar.

    Returns:
        Birth, then death; neither where the phase is no minimum, nor birth of a feature that has no learned state.

    Raises:
        ValueError: If λ or m are out of their range, there are less than three layers, or one is too narrow.
    """
    depth = len(sizes) - 1
    c, sigma = np.broadcast_arrays(*checked(np.atleast_1d(strengths), depth, variances))
    if depth < 3:
        raise ValueError(f"depth={depth}: with less than 3 weight layers there are no barriers")
    if not l2 > 0:
        raise ValueError(f"l2={l2}: must be above 0, or θ = 0 is flat")
    if not 0 <= phase <= len(c):
        raise ValueError(f"phase={phase}: must be from 0 to {len(c)}")
    if min(sizes) < len(c):
        raise ValueError(f"sizes={tuple(sizes)}: no layer may be narrower than the {len(c)} features")
    spare = np.broadcast_to(np.asarray(spare_variances, dtype=np.float64), (sizes[0] - len(c),))
    start = phases(l2, c, depth, sigma)[phase]
    if not start.minimum[0]:
        return ()
    tops, order = saddles(l2, c, depth, sigma), by_spinodal(c, depth, sigma)
    ways = [(phase + 1, phase), (phase - 1, phase - 1)]  # where to, and over which saddle
    return tuple(
        _escape(start, tops[top], int(order[top]), to, c, sigma, spare, sizes)
        for to, top in ways
        if 0 <= top < len(c) and tops[top].exists[0]
    )


def escape_time(ways: Sequence[Escape], temperature: Numbers) -> Float64[np.ndarray, ...]:
    """τ out of a phase by any of several ways: their rates add."""
    rates = [1 / way.time(temperature) for way in ways]
    with np.errstate(divide="ignore"):
        return np.asarray(1 / np.sum(rates, axis=0))


def _escape(
    start: State,
    top: State,
    feature: int,
    to: int,
    c: Float64[np.ndarray, " k"],
    sigma: Float64[np.ndarray, " k"],
    spare: Float64[np.ndarray, " s"],
    sizes: Sequence[int],
) -> Escape:
    l2, depth = float(start.l2[0]), len(sizes) - 1
    well, saddle = (orbit(l2, each.amplitudes[0], c, sizes, sigma, spare) for each in (start, top))
    unstable = -float(amplitude_mode(top.amplitudes[0, feature], c[feature], depth, sigma[feature]))
    d = saddle.dimension - well.dimension
    log_ratio = saddle.log_volume - well.log_volume - (saddle.log_determinant - well.log_determinant) / 2
    return Escape(
        to=to,
        barrier=float(top.loss[0] - start.loss[0]),
        orbit_dimension=d,
        prefactor=exp(log(2 * pi / unstable) - log_ratio + d / 2 * log(2 * pi)),
    )
