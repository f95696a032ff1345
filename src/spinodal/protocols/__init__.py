"""The path of λ: which values a replica goes through, stage by stage, from which state."""

from spinodal.protocols.escape import ESCAPE, UNDER_NOISE, escape
from spinodal.protocols.itinerary import JUMP, PICKLED, Itinerary, Visit
from spinodal.protocols.located import BISECTED, EXACT, EXACT_DIGITS, Ending, ExactItinerary
from spinodal.protocols.planned import asked, at_strengths, planned, size
from spinodal.protocols.surveying import SurveyItinerary
from spinodal.protocols.train import TRAIN, looks, train
from spinodal.protocols.trajectory import PROTOCOLS, Hold, Trajectory, is_own, trajectories

__all__ = [
    "BISECTED",
    "ESCAPE",
    "EXACT",
    "EXACT_DIGITS",
    "JUMP",
    "PICKLED",
    "PROTOCOLS",
    "TRAIN",
    "UNDER_NOISE",
    "Ending",
    "ExactItinerary",
    "Hold",
    "Itinerary",
    "SurveyItinerary",
    "Trajectory",
    "Visit",
    "asked",
    "at_strengths",
    "escape",
    "is_own",
    "looks",
    "planned",
    "size",
    "train",
    "trajectories",
]
