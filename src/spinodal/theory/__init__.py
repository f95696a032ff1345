"""Closed forms: what must happen, computed without training anything."""

from spinodal.theory.deep_linear import LearnedState, amplitude, coexistence, learned_state, spinodal

__all__ = ["LearnedState", "amplitude", "coexistence", "learned_state", "spinodal"]
