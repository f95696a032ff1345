"""Stationary points of 𝓛 = E + c·P followed along c: folds, pitchforks, saddles and barriers of any smooth function."""

from spinodal.continuation.events import Event
from spinodal.continuation.family import Family, squared_norm
from spinodal.continuation.locate import Spinodal, locate
from spinodal.continuation.minima import Kind

__all__ = ["Event", "Family", "Kind", "Spinodal", "locate", "squared_norm"]
