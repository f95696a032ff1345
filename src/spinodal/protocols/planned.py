"""From a protocol as it is asked for to its trajectories: the one place that knows which keys each has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spinodal.protocols.escape import ESCAPE, UNDER_NOISE, escape, noisy_loop
from spinodal.protocols.train import TRAIN, looks, train
from spinodal.protocols.trajectory import Hold, Trajectory, trajectories


def planned(protocol: Mapping[str, Any], control: Sequence[float], seeds: Sequence[int]) -> list[Trajectory]:
    """All trajectories of a protocol: for every seed, over all λ, at every strength of noise.

    Args:
        protocol: its part of a checked plan.
        control: λ.
        seeds: of the replicas.
    """
    name, axis = protocol["name"], _axis(protocol)
    phase = protocol.get("phase")
    holds = [Hold(phase, **{axis: strength}) for strength in sorted(protocol[axis])] if axis else []
    if name == ESCAPE:
        return escape(control, seeds, holds, protocol.get("start_l2"))
    if name == TRAIN:
        return train(control, seeds, holds or [None], len(looks(protocol["steps"], protocol["records"])))
    if name in UNDER_NOISE:
        return noisy_loop(control, seeds, holds)
    return trajectories(name, control, seeds)


def size(protocol: Mapping[str, Any], control: Sequence[float], seeds: Sequence[int]) -> int:
    """How many there are, as of `planned`, without making them."""
    name, axis = protocol["name"], _axis(protocol)
    strengths = len(protocol[axis]) if axis else 1
    return len(seeds) * strengths * (len(control) if name in ("quench", ESCAPE, TRAIN) else 1)


def asked(protocol: Mapping[str, Any], path: Sequence[float]) -> list[float]:
    """The λ that must be asked for to have a path.

    Args:
        protocol: its part of a checked plan.
        path: of a trajectory.
    """
    return [path[-1]] if protocol["name"] == ESCAPE else sorted(set(path))


def at_strengths(protocol: Mapping[str, Any], strengths: Iterable[float | None]) -> dict[str, Any]:
    """A protocol as if asked for at these strengths of noise; as it is without noise, where they are None."""
    known, axis = sorted({each for each in strengths if each is not None}), _axis(protocol)
    return {**protocol, axis: known} if known and axis else dict(protocol)


def _axis(protocol: Mapping[str, Any]) -> str | None:
    """The key with the strengths of its noise, if it has any."""
    if protocol["name"] not in (*UNDER_NOISE, TRAIN):
        return None
    return {"langevin": "temperature", "minibatch": "batch"}.get(protocol.get("noise", "none"))
