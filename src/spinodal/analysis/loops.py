"""Branches that belong together: up and down of one network, and the loops that its runs make of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float64

from spinodal.analysis.curves import CURVE, evidence

NETWORK = (*(name for name in CURVE if name not in ("branch", "curve")), "error_name", "noise", "parameters")
"""Columns in which an up and a down branch agree if they are of one network and its data."""

_LOOP = [name for name in CURVE if name != "branch"]


class Pair(NamedTuple):
    """An up and a down branch of one network: of a loop, or of two curves."""

    up: pl.DataFrame
    """Records, with the columns of a way; in the order of the points, of their stages, of λ."""
    down: pl.DataFrame


class Way(NamedTuple):
    """The rows of one trajectory on one branch that are evidence, with λ > 0."""

    l2: Float64[np.ndarray, " l"]
    error: Float64[np.ndarray, " l"]
    size: Float64[np.ndarray, " l"]
    """‖θ‖²."""
    features: Float64[np.ndarray, " l"]
    """How many are learned; NaN where nobody counted."""
    residual: Float64[np.ndarray, " l"]
    """At most ‖∇𝓛‖, from max |∇𝓛|."""

    def take(self, rows: Any) -> Way:
        """Some rows, in some order."""
        return Way(*(column[rows] for column in self))


_WAY = {
    "known": (
        evidence() & (pl.col("l2") > 0) & pl.all_horizontal(pl.col("error", "norm").is_finite())
    ).fill_null(False),
    "size": (pl.col("norm") ** 2).fill_null(float("nan")),
    "features": pl.col("learned_features").cast(pl.Float64).fill_null(float("nan")),
    "residual": pl.col("grad_max").fill_null(0.0) * pl.col("parameters").fill_null(1).sqrt(),
}
"""Of the records. NaN stands for null, which NumPy does not have."""


class Run(NamedTuple):
    """One trajectory down, and the one up that it is to be compared with."""

    seed: int
    up: Way
    """From small to large λ."""
    down: Way
    """From large to small λ. The turning point of a loop belongs to both."""
    path: tuple[float, ...]
    """λ of the stages of the way down, in their order, whatever they came to."""
    span: tuple[float, float]
    """The least and the largest λ that both ways were asked to go to."""
    loop: bool
    """Whether the way down starts where the way up has ended, and not at θ = 0."""


def pairs(table: pl.DataFrame) -> Iterator[Pair]:
    """Every down branch of a table with the up branch it goes with.

    That is the other half of its loop, or else every up branch of the same network on data of the same strengths.

    Args:
        table: Records.
    """
    if not (table["branch"] == "down").any():
        return
    rows = (
        table.filter(pl.col("branch").is_in(["up", "down"])).with_columns(**_WAY).sort("point", "stage", "l2")
    )
    ups, downs = (rows.filter(branch=branch) for branch in ("up", "down"))
    loops = ups.partition_by(_LOOP, as_dict=True, maintain_order=True)
    networks = ups.partition_by(NETWORK, as_dict=True, maintain_order=True)
    for down in downs.partition_by(CURVE, maintain_order=True):
        own = loops.get(down.select(_LOOP).row(0))
        if own is not None:
            yield Pair(own, down)
            continue
        alike = networks.get(down.select(NETWORK).row(0), ups.clear())
        for up in alike.partition_by(CURVE, maintain_order=True):
            if _strengths(up) == _strengths(down):
                yield Pair(up, down)


def runs(pair: Pair) -> list[Run]:
    """The runs of a pair: each trajectory down with its own way up, or else with that of the same seed."""
    by_point, downs = _trajectories(pair.up, "point"), _trajectories(pair.down, "point")
    apart = downs.keys() - by_point.keys()
    by_seed = _trajectories(pair.up.sort("seed", "stage", "l2"), "seed") if apart else {}
    found = []
    for point, (seed, used, fallen, path) in downs.items():
        loop = point not in apart
        ahead = by_point[point] if loop else by_seed.get(seed)
        if ahead is None:
            continue
        _, known, risen, way = ahead
        span = max(min(way), min(path)), min(max(way), max(path))
        if loop:
            top = known & (risen.l2 == max(way))
            used, fallen = (
                np.append(top[top], used),
                Way(*map(np.append, risen.take(top), fallen)),
            )
            span = span[0], max(way)
        up, down = _rising(risen.take(known)), _rising(fallen.take(used)).take(np.s_[::-1])
        if len(up.l2) and len(down.l2):
            found.append(Run(seed, up, down, path, span, loop))
    return found


def _trajectories(
    branch: pl.DataFrame, key: str
) -> dict[Any, tuple[int, np.ndarray, Way, tuple[float, ...]]]:
    """By key: a seed, which rows are evidence, all rows in the order of the path, and λ of the path."""
    way = Way(*(branch[name].to_numpy() for name in Way._fields))
    known, names, seeds = branch["known"].to_numpy(), branch[key].to_list(), branch["seed"].to_list()
    starts = [i for i in range(len(names)) if i == 0 or names[i] != names[i - 1]]
    ends = [*starts[1:], len(names)]
    return {
        names[i]: (seeds[i], known[i:j], way.take(np.s_[i:j]), tuple(way.l2[i:j].tolist()))
        for i, j in zip(starts, ends, strict=True)
    }


def _rising(way: Way) -> Way:
    """From small to large λ; of a λ seen twice the later row."""
    _, last = np.unique(way.l2[::-1], return_index=True)
    return way.take(len(way.l2) - 1 - last)


def _strengths(branch: pl.DataFrame) -> tuple[float, ...]:
    measured = branch["strengths"].drop_nulls()
    return () if measured.is_empty() else tuple(float(f"{strength:.5g}") for strength in measured[0])
