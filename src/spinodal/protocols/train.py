"""Training as it is commonly done: λ as it is, and a look at the network at times that grow geometrically."""

from __future__ import annotations

from collections.abc import Sequence

from spinodal.protocols.trajectory import Hold, Trajectory

TRAIN = "train"
"""The branch of a stage that ends when its steps are done, relaxed or not."""


def train(
    control: Sequence[float], seeds: Sequence[int], holds: Sequence[Hold | None], stages: int
) -> list[Trajectory]:
    """For every seed, λ and noise one trajectory from a fresh initialisation.

    Args:
        control: λ, each for itself.
        seeds: of the replicas.
        holds: the noise they meet all the time; None for none.
        stages: how often the network is looked at.
    """
    return [
        Trajectory(seed, (value,) * stages, (TRAIN,) * stages, hold=hold)
        for seed in seeds
        for value in sorted(control)
        for hold in holds
    ]


def looks(steps: int, records: int) -> list[int]:
    """After how many steps the network is looked at: at most `records` numbers from 1 to `steps`, geometric.

    Args:
        steps: of the whole training.
        records: at least 2.
    """
    return sorted({round(steps ** (i / (records - 1))) for i in range(records)})
