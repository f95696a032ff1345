"""Paths under noise: λ held until the replica leaves its phase, and loops whose every stage is held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spinodal.protocols.trajectory import Hold, Trajectory, loop

ESCAPE = "escape"
"""The branch of a stage that is held."""


def escape(
    control: Sequence[float], seeds: Sequence[int], holds: Sequence[Hold], start: float | None = None
) -> list[Trajectory]:
    """For every seed, λ and hold one trajectory.

    Args:
        control: λ to be held at.
        seeds: of the replicas.
        holds: where they start, and their noise. Where no phase is named there is a stage before, in which a fresh
            initialisation relaxes.
        start: λ at which it relaxes first, if it is another one: what it has not learned there it has not learned when
            λ is lowered, either.
    """

    def before(value: float) -> tuple[tuple[float, str], ...]:
        if start is None or start == value:
            return ((value, "quench"),)
        return (start, "quench"), (value, "down" if start > value else "up")

    trajectories = []
    for seed in seeds:
        for value in sorted(control):
            for hold in holds:
                stages = (*(before(value) if hold.phase is None else ()), (value, ESCAPE))
                path, branch = zip(*stages, strict=True)
                trajectories.append(Trajectory(seed, path, branch, hold=hold))
    return trajectories


def noisy_loop(control: Sequence[float], seeds: Sequence[int], holds: Sequence[Hold]) -> list[Trajectory]:
    """For every seed and hold a loop through λ under that noise, from a fresh initialisation; as of `escape`."""
    return [
        replace(trajectory, hold=hold)
        for seed in seeds
        for trajectory in loop(control, seed)
        for hold in holds
    ]


UNDER_NOISE = (ESCAPE, "noisy_loop")
"""Protocols that hold λ."""
