"""Escape: λ is held under noise until the replica leaves its phase."""

from __future__ import annotations

from collections.abc import Sequence

from spinodal.protocols.trajectory import Hold, Trajectory

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
