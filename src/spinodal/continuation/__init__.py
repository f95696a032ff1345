"""Stationary points of 𝓛 = E + c·P followed along c: folds, pitchforks, saddles and barriers of any smooth function."""

from spinodal.continuation.barriers import Barrier, Coexistence, Stationary, barrier, coexistence, saddles
from spinodal.continuation.events import Event
from spinodal.continuation.family import Family, squared_norm
from spinodal.continuation.locate import Spinodal, locate
from spinodal.continuation.minima import Kind

__all__ = [
    "Barrier",
    "Coexistence",
    "Event",
    "Family",
    "Kind",
    "Spinodal",
    "Stationary",
    "barrier",
    "coexistence",
    "locate",
    "saddles",
    "squared_norm",
]
