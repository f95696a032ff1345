"""The path of λ: which values a replica goes through, stage by stage, from which state."""

from spinodal.protocols.itinerary import Itinerary, Visit
from spinodal.protocols.trajectory import PROTOCOLS, Trajectory, trajectories

__all__ = ["PROTOCOLS", "Itinerary", "Trajectory", "Visit", "trajectories"]
