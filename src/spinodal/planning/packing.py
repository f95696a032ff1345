"""Cutting points into packs: ensembles as large as memory and the launcher's parallelism make sensible."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from spinodal.campaign import Pack
from spinodal.planning.curves import Curve
from spinodal.planning.identity import job_id
from spinodal.protocols import Trajectory

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
        wanted: curves with the points to run.
        limits: of the size of a pack.
    """
    groups = [curve for curve in wanted if curve.points]
    total = sum(len(curve.points) for curve in groups)
    # Enough packs for every process to have one, if they do not become too small for it.
    share = max(SMALLEST, math.ceil(total / limits.jobs))
    packs = []
    for curve in groups:
        size = min(limits.replicas or min(LARGEST, share), limits.fitting.get(curve.name, len(curve.points)))
        packs += _even(curve.name, curve.config, curve.points, max(size, 1))
    return packs


def halves(pack: Pack, points: Iterable[str]) -> list[Pack]:
    """Some points of a pack, in two packs."""
    kept = {point: pack.points[point] for point in points}
    return _even(pack.curve, pack.config, kept, math.ceil(len(kept) / 2))


def _even(
    curve: str, config: Mapping[str, Any], points: Mapping[str, Trajectory], largest: int
) -> list[Pack]:
    """Packs of sizes that differ by one at most, λ after λ of seed after seed."""
    ordered = sorted(points.items(), key=lambda item: (item[1].seed, item[1].path))
    count = math.ceil(len(ordered) / largest)
    ends = [len(ordered) * place // count for place in range(count + 1)]
    parts = [dict(ordered[begin:end]) for begin, end in pairwise(ends)]
    return [Pack(job_id(part), curve, config, part) for part in parts]
