"""Stationary points of 𝓛 = E + c·P followed along c: folds, pitchforks, saddles and barriers of any smooth function."""

from spinodal.continuation.barriers import Barrier, Coexistence, Stationary, barrier, coexistence, saddles
from spinodal.continuation.branches import BranchPoint, Happening, What
from spinodal.continuation.events import Event
from spinodal.continuation.family import Family, squared_norm
from spinodal.continuation.follow import Branch, follow
from spinodal.continuation.locate import Spinodal, locate
from spinodal.continuation.minima import Kind

__all__ = [
    "Barrier",
    "Branch",
    "BranchPoint",
    "Coexistence",
    "Event",
    "Family",
    "Happening",
    "Kind",
    "Spinodal",
    "Stationary",
    "What",
    "barrier",
    "coexistence",
    "follow",
    "locate",
    "saddles",
    "squared_norm",
]
