"""Closed forms: what must happen, computed without training anything.

Deep linear networks of any depth L ≥ 2 without biases, squared error, no layer narrower than there are features.
Exact where Σ_xx commutes with Σ_yxᵀΣ_yx (whitened inputs always do), an estimate elsewhere: `scope` decides which;
the other functions take strengths and variances.
"""

from spinodal.theory.escape import Escape, escape_time, escapes
from spinodal.theory.feature import (
    Barriers,
    amplitude,
    amplitude_mode,
    barriers,
    coexistence,
    potential,
    saddle_amplitude,
    spinodal,
)
from spinodal.theory.front import Front, curvature_zero, ricci_along, stiffness_of_error
from spinodal.theory.geometry import Geometry, geometry, soft_mode, zero_modes
from spinodal.theory.phases import State, by_spinodal, global_minimum, learned_state, phases, saddles
from spinodal.theory.reach import reach, relearning
from spinodal.theory.scope import FACTS, DeepLinear, leaves_quadratically, order_parameter, scope
from spinodal.theory.stability import is_minimum

__all__ = [
    "FACTS",
    "Barriers",
    "DeepLinear",
    "Escape",
    "Front",
    "Geometry",
    "State",
    "amplitude",
    "amplitude_mode",
    "barriers",
    "by_spinodal",
    "coexistence",
    "curvature_zero",
    "escape_time",
    "escapes",
    "geometry",
    "global_minimum",
    "is_minimum",
    "learned_state",
    "leaves_quadratically",
    "order_parameter",
    "phases",
    "potential",
    "reach",
    "relearning",
    "ricci_along",
    "saddle_amplitude",
    "saddles",
    "scope",
    "soft_mode",
    "spinodal",
    "stiffness_of_error",
    "zero_modes",
]
