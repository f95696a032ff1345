"""From records to statements with errors: where the transitions are, and how far from the exact ones."""

from spinodal.analysis.agreement import accuracy_agreement, agreement
from spinodal.analysis.coexistence import coexistence
from spinodal.analysis.curves import CURVE, evidence, network_name, order_parameter, surveyed, trajectory
from spinodal.analysis.deep_linear import compare, deep_linear, expected, landscape
from spinodal.analysis.dependence import dependence, seed_jumps
from spinodal.analysis.escape import HOLD, arrhenius_laws, escape_times, held
from spinodal.analysis.foresight import KNOWN, foresight
from spinodal.analysis.grokking import control_exponents, grokking, milestones, noise_ratios, trained
from spinodal.analysis.hysteresis import hysteresis
from spinodal.analysis.jumps import find_jumps
from spinodal.analysis.loops import Run, pairs, runs
from spinodal.analysis.rescaling import SCALES, before_onset, rescaled, rescaled_curvature
from spinodal.analysis.resolution import unresolved
from spinodal.analysis.thermal import onset_under_noise
from spinodal.analysis.transitions import find_transitions
from spinodal.theory import DeepLinear

__all__ = [
    "CURVE",
    "HOLD",
    "KNOWN",
    "SCALES",
    "DeepLinear",
    "Run",
    "accuracy_agreement",
    "agreement",
    "arrhenius_laws",
    "before_onset",
    "coexistence",
    "compare",
    "control_exponents",
    "deep_linear",
    "dependence",
    "escape_times",
    "evidence",
    "expected",
    "find_jumps",
    "find_transitions",
    "foresight",
    "grokking",
    "held",
    "hysteresis",
    "landscape",
    "milestones",
    "network_name",
    "noise_ratios",
    "onset_under_noise",
    "order_parameter",
    "pairs",
    "rescaled",
    "rescaled_curvature",
    "runs",
    "seed_jumps",
    "surveyed",
    "trained",
    "trajectory",
    "unresolved",
]
