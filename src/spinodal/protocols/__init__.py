"""The path of λ: which values a replica goes through, stage by stage, from which state."""

from spinodal.protocols.escape import ESCAPE, escape
from spinodal.protocols.itinerary import JUMP, Itinerary, Visit
from spinodal.protocols.trajectory import PROTOCOLS, Hold, Trajectory, trajectories

__all__ = [
    "ESCAPE",
    "JUMP",
    "PROTOCOLS",
    "Hold",
    "Itinerary",
    "Trajectory",
    "Visit",
    "escape",
    "trajectories",
]
