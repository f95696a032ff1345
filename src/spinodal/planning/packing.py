"""Cutting points into packs: ensembles as large as memory and the launcher's parallelism make sensible."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from spinodal.campaign import Pack, Part, own_values, with_values
from spinodal.planning.curves import Curve
from spinodal.planning.identity import canonical, job_id
from spinodal.planning.memory import sizes
from spinodal.protocols import TRAIN, Trajectory

LARGEST = 1024
"""Replicas in a pack at most, unless somebody asks for more: with more nothing is gained, and more is lost if a job
is."""

SMALLEST = 32
"""Replicas a pack is not cut below to keep more processes busy: it would take as long."""


@dataclass(frozen=True)
class Limits:
    """What bounds the size of a pack.

    Attributes:
        jobs: that run at the same time.
        replicas: as somebody asked for; None if nobody did.
        fitting: by curve, how many fit into memory, as far as is known.
    """

    jobs: int
    replicas: int | None
    fitting: Mapping[str, int]


def cut(wanted: Iterable[Curve], limits: Limits) -> list[Pack]:
    """Packs of all points that are left to run, the same for the same points whatever the order they come in.

    Args:
        wanted: curves with the points to run; those that differ only in `REPLICA_AXES` share their packs.
        limits: of the size of a pack.
    """
    alike: dict[str, list[Part]] = defaultdict(list)
    for curve in wanted:
        if curve.points:
            alike[_shared(curve.config)].append(Part(curve.name, curve.config, curve.points))
    total = sum(len(part.points) for parts in alike.values() for part in parts)
    # Enough packs for every process to have one, if they do not become too small for it.
    share = max(SMALLEST, math.ceil(total / limits.jobs))
    packs = []
    for parts in alike.values():
        fitting = min(limits.fitting.get(part.curve, total) for part in parts)
        size = min(limits.replicas or min(LARGEST, share), fitting)
        packs += _even(sorted(parts, key=lambda part: part.curve), max(size, 1))
    return packs


def _shared(config: Mapping[str, Any]) -> str:
    """All that the replicas of an ensemble have to share."""
    own = dict.fromkeys(own_values(config), 0.0)
    shapes = sizes(config.get("data", {}))
    if shapes is None:
        own.pop("data.complexity", None)  # nobody knows whether tasks of another would fit together
    protocol = config.get("protocol", {})
    if protocol.get("name") == TRAIN and protocol.get("noise") != "none":
        own.pop("optimizer.lr", None)  # the step of the noise is that of the descent
    return canonical([with_values(config, own), shapes])


def halves(pack: Pack, points: Iterable[str]) -> list[Pack]:
    """Some points of a pack, in two packs."""
    kept = set(points)
    parts = [
        replace(part, points={point: each for point, each in part.points.items() if point in kept})
        for part in pack.parts
    ]
    return _even(parts, math.ceil(len(kept) / 2))


def apart(pack: Pack, points: Iterable[str]) -> list[Pack]:
    """Some points of a pack, in a pack for each curve."""
    kept = set(points)
    parts = [
        replace(part, points={point: each for point, each in part.points.items() if point in kept})
        for part in pack.parts
    ]
    return [Pack(job_id(part.points), (part,)) for part in parts if part.points]


def _even(parts: Sequence[Part], largest: int) -> list[Pack]:
    """Packs of sizes that differ by one at most, λ after λ of seed after seed, noise after noise of each."""
    ordered = sorted(
        ((point, place, each) for place, part in enumerate(parts) for point, each in part.points.items()),
        key=lambda item: (item[2].seed, item[2].path, item[2].strength or 0, item[1]),
    )
    count = math.ceil(len(ordered) / largest)
    ends = [len(ordered) * place // count for place in range(count + 1)]
    packs = []
    for begin, end in pairwise(ends):
        own: dict[int, dict[str, Trajectory]] = defaultdict(dict)
        for point, place, each in ordered[begin:end]:
            own[place][point] = each
        members = tuple(replace(parts[place], points=points) for place, points in sorted(own.items()))
        packs.append(Pack(job_id(point for point, _, _ in ordered[begin:end]), members))
    return packs
