"""Pure functions of (E, θ): derivatives and spectra, batched over replicas."""

from spinodal.geometry.derivatives import linearise_gradient, value_and_gradient
from spinodal.geometry.lanczos import Extremes, extreme_eigenvalues

__all__ = ["Extremes", "extreme_eigenvalues", "linearise_gradient", "value_and_gradient"]
