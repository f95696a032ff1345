"""From a protocol as it is asked for to its trajectories: the one place that knows which keys each has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spinodal.protocols.escape import UNDER_NOISE
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
    phase = protocol["phase"]
    if protocol["noise"] == "minibatch":
        holds = [Hold(phase, batch=batch) for batch in sorted(protocol["batch"])]
    else:
        holds = [Hold(phase, temperature) for temperature in sorted(protocol["temperature"])]
    return UNDER_NOISE[name](l2, seeds, holds)
