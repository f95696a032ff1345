"""Pure functions of (E, θ): derivatives, spectra and curvatures of the error surface, batched over replicas."""

from spinodal.geometry.curvature import ScalarCurvature, scalar_curvature
from spinodal.geometry.derivatives import Summed, each_term, hessian, linearise_gradient, value_and_gradient
from spinodal.geometry.lanczos import INSPECTED, Extremes, extreme_eigenvalues, lanczos, rows_at_once
from spinodal.geometry.modules import beside, parametrise
from spinodal.geometry.operations import check_deterministic, kinked, same
from spinodal.geometry.pieces import Estimate
from spinodal.geometry.sections import gaussian_curvature, sectional_curvature
from spinodal.geometry.spectrum import (
    FLAT,
    RESPONSE,
    SoftMode,
    SpectralDensity,
    negative_modes,
    soft_mode,
    spectral_density,
    zero_modes,
)
from spinodal.geometry.trust_region import NewtonStep, newton_step

__all__ = [
    "FLAT",
    "INSPECTED",
    "RESPONSE",
    "Estimate",
    "Extremes",
    "NewtonStep",
    "ScalarCurvature",
    "SoftMode",
    "SpectralDensity",
    "Summed",
    "beside",
    "check_deterministic",
    "each_term",
    "extreme_eigenvalues",
    "gaussian_curvature",
    "hessian",
    "kinked",
    "lanczos",
    "linearise_gradient",
    "negative_modes",
    "newton_step",
    "parametrise",
    "rows_at_once",
    "same",
    "scalar_curvature",
    "sectional_curvature",
    "soft_mode",
    "spectral_density",
    "value_and_gradient",
    "zero_modes",
]
