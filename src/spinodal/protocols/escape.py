"""Paths under noise: λ held until the replica leaves its phase, and loops whose every stage is held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spinodal.protocols.trajectory import Hold, Trajectory, loop

ESCAPE = "escape"
"""The branch of a stage that is held."""


def escape(l2: Sequence[float], seeds: Sequence[int], holds: Sequence[Hold]) -> list[Trajectory]:
    """For every seed, λ and hold one trajectory.

    Args:
        l2: λ to be held at.
        seeds: of the replicas.
        holds: where they start, and their noise. Where no phase is named there is a stage before, in which a fresh
            initialisation relaxes.
    """
    return [
        Trajectory(
            seed,
            path=(value,) if hold.phase is not None else (value, value),
            branch=(ESCAPE,) if hold.phase is not None else ("quench", ESCAPE),
            hold=hold,
        )
        for seed in seeds
        for value in sorted(l2)
        for hold in holds
    ]


def noisy_loop(l2: Sequence[float], seeds: Sequence[int], holds: Sequence[Hold]) -> list[Trajectory]:
    """For every seed and hold a loop through λ under that noise, from a fresh initialisation; as of `escape`."""
    return [
        replace(trajectory, hold=hold) for seed in seeds for trajectory in loop(l2, seed) for hold in holds
    ]


UNDER_NOISE = {ESCAPE: escape, "noisy_loop": noisy_loop}
"""By the protocol's name."""
