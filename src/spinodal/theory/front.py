"""One whitened feature along its branch: where curvatures change sign, and the front E(ρ) of least E at ρ = ‖θ‖².

A network with one input and one output, L layers and hidden widths h has u = a^L, g = s − u, and with v² = ‖∇E‖² =
L g² a^{2L−2}, w = 1 + v² and x = v²/w

    R = (2(L−1)/w) g a^{2L−4} {L u − (h − 1 + L/2) g − x [L u − (L−1) g]},
    t·∇²E·t = a^{L−2} [(2L−1) u − (L−1) s],    t the direction of the branch,

of which the second does not depend on the width. Neither changes sign at the spinodal. Two things do, in every smooth
network, as λ = −dE/dρ along a branch: d²E/dρ² = −dλ/dρ, so that the front has an inflection at λ_sp and a double
tangent at λ_co (Maxwell's construction); and Ric(t, t) = (t·A·t) tr A − ‖A·t‖² of the surface of 𝓛, A = ∇²𝓛. That is
what a fold is, in other words: a theorem.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.optimize import brentq

from spinodal.theory.feature import Array, Numbers, amplitude_mode, coexistence, potential, spinodal


def scalar_curvature(amplitude: Numbers, strength: float, depth: int, width: int) -> Array:
    """R of z = E(θ) on the branch of a feature, in a network with one input and one output.

    Args:
        amplitude: u > 0, of any shape.
        strength: s.
        depth: L ≥ 2.
        width: h of every hidden layer.
    """
    u = np.asarray(amplitude, dtype=np.float64)
    a, g = u ** (1 / depth), strength - u
    squares = depth * g**2 * a ** (2 * depth - 2)
    w = 1 + squares
    inner = depth * u - (width - 1 + depth / 2) * g - squares / w * (depth * u - (depth - 1) * g)
    return np.asarray(2 * (depth - 1) / w * g * a ** (2 * depth - 4) * inner)


def curvature_zero(strength: float, depth: int, width: int) -> float:
    """Amplitude u < s at which R = 0: near s (h−1+L/2)/(h−1+3L/2), which tends to s as the width grows.

    Args:
        strength: s.
        depth: L ≥ 2.
        width: h of every hidden layer.
    """

    def inner(u: float) -> float:
        g = strength - u
        squares: float = depth * g**2 * u ** (2 - 2 / depth)
        bent = squares / (1 + squares) * (depth * u - (depth - 1) * g)
        return depth * u - (width - 1 + depth / 2) * g - bent

    return float(brentq(inner, 1e-9 * strength, strength, xtol=1e-15))


def stiffness_of_error(amplitude: Numbers, strength: float, depth: int) -> Array:
    """t·∇²E·t along the branch; at λ_sp it is −2λ, and 0 at u = s (L−1)/(2L−1).

    Args:
        amplitude: u > 0, of any shape.
        strength: s.
        depth: L ≥ 2.
    """
    u = np.asarray(amplitude, dtype=np.float64)
    return np.asarray(u ** ((depth - 2) / depth) * ((2 * depth - 1) * u - (depth - 1) * strength))


def ricci_along(amplitude: Numbers, strength: float, depth: int, trace: Numbers) -> Array:
    """Ric(t, t) = (t·A·t) tr A − ‖A·t‖² of the surface z = 𝓛(θ) at its stationary points, A = ∇²𝓛.

    Args:
        amplitude: u > 0, of any shape.
        strength: s.
        depth: L ≥ 2.
        trace: tr A = tr ∇²E + 2λn; tr ∇²E is `geometry(...).trace`.
    """
    mode = amplitude_mode(amplitude, strength, depth)
    return np.asarray(mode * (np.asarray(trace, dtype=np.float64) - mode))


@dataclass(frozen=True)
class Front:
    """Least E of one feature at each ρ = ‖θ‖²; its slope is −λ."""

    strength: float
    depth: int

    def amplitude(self, norm_squared: Numbers) -> Array:
        """U = (ρ/L)^{L/2}.

        Args:
            norm_squared: ρ ≥ 0.
        """
        return np.asarray((np.asarray(norm_squared, dtype=np.float64) / self.depth) ** (self.depth / 2))

    def error(self, norm_squared: Numbers) -> Array:
        """E = ½(s − u)².

        Args:
            norm_squared: ρ ≥ 0.
        """
        return np.asarray(0.5 * (self.strength - self.amplitude(norm_squared)) ** 2)

    def slope(self, norm_squared: Numbers) -> Array:
        """dE/dρ = −½ (s − u) u^{(L−2)/L} = −λ.

        Args:
            norm_squared: ρ ≥ 0.
        """
        u = self.amplitude(norm_squared)
        return np.asarray(-0.5 * (self.strength - u) * u ** ((self.depth - 2) / self.depth))

    def curvature(self, norm_squared: Numbers) -> Array:
        """d²E/dρ² = ¼ u^{(L−4)/L} [(2L−2) u − (L−2) s]/L, by the mode of the amplitude.

        Args:
            norm_squared: ρ > 0.
        """
        u = self.amplitude(norm_squared)
        mode = amplitude_mode(u, self.strength, self.depth)
        return np.asarray(mode / (4 * self.depth * u ** (2 / self.depth)))

    @property
    def inflection(self) -> Float64[np.ndarray, 2]:
        """ρ and λ at which the front has its inflection: the spinodal."""
        u = self.strength * (self.depth - 2) / (2 * self.depth - 2)
        return np.array([self.depth * u ** (2 / self.depth), float(spinodal(self.strength, self.depth))])

    @property
    def double_tangent(self) -> Float64[np.ndarray, 2]:
        """ρ and λ at which the tangent from ρ = 0, where nothing is learned, touches the front: coexistence."""
        u = self.strength * (self.depth - 2) / (self.depth - 1)
        return np.array([self.depth * u ** (2 / self.depth), float(coexistence(self.strength, self.depth))])

    def above_tangent(self, norm_squared: Numbers, l2: float) -> Array:
        """E + λρ − E(0), how far 𝓛 lies above that of the unlearned state.

        Args:
            norm_squared: ρ ≥ 0.
            l2: λ.
        """
        return potential(self.amplitude(norm_squared), l2, self.strength, self.depth)
