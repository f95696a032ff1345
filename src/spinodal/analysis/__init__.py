"""From records to statements with errors: where the transitions are, and how far from the exact ones."""

from spinodal.analysis.curves import CURVE, evidence, trajectory
from spinodal.analysis.deep_linear import DeepLinear, compare, deep_linear
from spinodal.analysis.jumps import find_jumps
from spinodal.analysis.resolution import unresolved
from spinodal.analysis.transitions import find_transitions

__all__ = [
    "CURVE",
    "DeepLinear",
    "compare",
    "deep_linear",
    "evidence",
    "find_jumps",
    "find_transitions",
    "trajectory",
    "unresolved",
]
