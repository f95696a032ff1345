"""Escape: λ is held under noise until the replica leaves its phase."""

from __future__ import annotations

from collections.abc import Sequence

from spinodal.protocols.trajectory import Hold, Trajectory

ESCAPE = "escape"
"""The branch of a stage that is held."""


def escape(
    l2: Sequence[float], seeds: Sequence[int], phase: int | None, temperatures: Sequence[float]
) -> list[Trajectory]:
    """For every seed, λ and temperature one trajectory.

    Args:
        l2: λ to be held at.
        seeds: of the replicas.
        phase: m to start in; None for the minimum reached from a fresh initialisation, in a stage before.
        temperatures: T of the noise.
    """
    return [
        Trajectory(
            seed,
            path=(value,) if phase is not None else (value, value),
            branch=(ESCAPE,) if phase is not None else ("quench", ESCAPE),
            hold=Hold(phase, temperature),
        )
        for seed in seeds
        for value in sorted(l2)
        for temperature in sorted(temperatures)
    ]
