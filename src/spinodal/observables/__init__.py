"""Lightning callbacks that measure every replica at the end of a stage, and show how far the run is."""

from spinodal.observables.curvature import Curvature
from spinodal.observables.measurement import StageMeasurement
from spinodal.observables.order_parameters import LEARNED, OrderParameters
from spinodal.observables.progress import StageProgress
from spinodal.observables.spectrum import Spectrum
from spinodal.observables.training_curve import TrainingCurve

__all__ = [
    "LEARNED",
    "Curvature",
    "OrderParameters",
    "Spectrum",
    "StageMeasurement",
    "StageProgress",
    "TrainingCurve",
]
