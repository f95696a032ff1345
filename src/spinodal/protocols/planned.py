"""From a protocol as it is asked for to its trajectories: the one place that knows which keys each has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spinodal.protocols.escape import ESCAPE, UNDER_NOISE
from spinodal.protocols.train import TRAIN, looks, train
from spinodal.protocols.trajectory import Hold, Trajectory, trajectories


def planned(protocol: Mapping[str, Any], l2: Sequence[float], seeds: Sequence[int]) -> list[Trajectory]:
    """All trajectories of a protocol: for every seed, over all λ, at every strength of noise.

    Args:
        protocol: its part of a checked plan.
        l2: λ.
        seeds: of the replicas.
    """
    name = protocol["name"]
    if name == TRAIN:
        return train(l2, seeds, len(looks(protocol["steps"], protocol["records"])))
    if name not in UNDER_NOISE:
        return trajectories(name, l2, seeds)
    axis = _axis(protocol)
    holds = [Hold(protocol["phase"], **{axis: strength}) for strength in sorted(protocol[axis])]
    return UNDER_NOISE[name](l2, seeds, holds)


def size(protocol: Mapping[str, Any], l2: Sequence[float], seeds: Sequence[int]) -> int:
    """How many there are, as of `planned`, without making them."""
    name = protocol["name"]
    strengths = len(protocol[_axis(protocol)]) if name in UNDER_NOISE else 1
    return len(seeds) * strengths * (len(l2) if name in ("quench", ESCAPE, TRAIN) else 1)


def at_strengths(protocol: Mapping[str, Any], strengths: Iterable[float | None]) -> dict[str, Any]:
    """A protocol as if asked for at these strengths of noise; as it is without noise, where they are None."""
    known = sorted({each for each in strengths if each is not None})
    return {**protocol, _axis(protocol): known} if known else dict(protocol)


def _axis(protocol: Mapping[str, Any]) -> str:
    return "batch" if protocol["noise"] == "minibatch" else "temperature"
