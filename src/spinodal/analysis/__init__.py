"""From records to statements with errors: where the transitions are, and how far from the exact ones."""

from spinodal.analysis.agreement import agreement
from spinodal.analysis.coexistence import coexistence
from spinodal.analysis.curves import CURVE, evidence, trajectory
from spinodal.analysis.deep_linear import DeepLinear, Expected, compare, deep_linear, expected
from spinodal.analysis.dependence import dependence, seed_jumps
from spinodal.analysis.foresight import foresight
from spinodal.analysis.hysteresis import hysteresis
from spinodal.analysis.jumps import find_jumps
from spinodal.analysis.loops import Run, pairs, runs
from spinodal.analysis.rescaling import SCALES, before_onset, rescaled, rescaled_curvature
from spinodal.analysis.resolution import unresolved
from spinodal.analysis.transitions import find_transitions

__all__ = [
    "CURVE",
    "SCALES",
    "DeepLinear",
    "Expected",
    "Run",
    "agreement",
    "before_onset",
    "coexistence",
    "compare",
    "deep_linear",
    "dependence",
    "evidence",
    "expected",
    "find_jumps",
    "find_transitions",
    "foresight",
    "hysteresis",
    "pairs",
    "rescaled",
    "rescaled_curvature",
    "runs",
    "seed_jumps",
    "trajectory",
    "unresolved",
]
