"""Jumps seed by seed: those of each trajectory of a curve, and which of them are one transition."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np
import polars as pl

from spinodal.analysis.curves import by_seed, evidence, trajectory
from spinodal.analysis.extrapolation import Ends
from spinodal.analysis.jumps import Steepening, find_jumps, find_steepening
from spinodal.analysis.kinks import find_kinks
from spinodal.analysis.paths import Path, paths

STARTS_AS = {"error": 2.0, "test_error": 2.0, "accuracy": 2.0, "test_accuracy": 2.0}
"""Power of λ with which an observable of a minimum leaves its value at λ = 0. Others than these do so with 1.

At λ = 0 a minimum has ∇E = 0, so that E, and what is a function of E, moves with λ² only. Curvature is no
exception to the others: ∇²E changes with θ*, which moves with λ.
"""

APART = math.log(1.25)
"""Jumps of two seeds further apart in ln λ than this are two transitions, unless their brackets touch."""


class Jump(NamedTuple):
    """A jump of one trajectory."""

    trajectory: str
    low: float
    """The last λ before or the first after, whichever is less; with `high` the bracket of the jump."""
    high: float
    before: dict[str, float | None]
    """The observable and those alongside, on the side that the path comes from."""
    after: dict[str, float | None]
    rises: bool
    unrelaxed: int
    """Rows within the bracket that are no evidence."""
    seed: Hashable
    steepening: Steepening
    first: int
    """The first point of the phase that ends with it, in the order of the path."""
    at: int
    """The last point of it."""
    last: int
    """The last point of the phase that it leads to."""
    ends: Ends | None = None
    """Where the phases on both sides lead to within the bracket; None where they were not followed."""

    @property
    def place(self) -> float:
        """In ln λ."""
        return 0.5 * (math.log(self.low) + math.log(self.high))


class Kink(NamedTuple):
    """A kink of one trajectory: the same, with a place of its own within the bracket."""

    trajectory: str
    low: float
    high: float
    before: dict[str, float | None]
    after: dict[str, float | None]
    rises: bool
    """Its slope over ln λ, for rising λ."""
    unrelaxed: int
    seed: Hashable
    location: float
    location_error: float
    slope: float
    """Change of the slope over ln λ, for rising λ."""
    slope_error: float

    @property
    def place(self) -> float:
        """In ln λ."""
        return math.log(self.location)


Place = TypeVar("Place", Jump, Kink)


def starts_as(observable: str) -> float:
    """Power of λ in which an observable is a straight line far from a transition."""
    return STARTS_AS.get(observable, 1.0)


def trajectories(curve: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The trajectories of a curve by their names, in the order of the table."""
    named = curve.with_columns(trajectory().alias("_name"))
    return {part["_name"][0]: part for part in named.partition_by("_name", maintain_order=True)}


def relaxed(branch: pl.DataFrame, observable: str) -> pl.DataFrame:
    """The rows of a trajectory that say something about an observable, in the order of its path.

    They are `evidence`, have λ > 0 and a finite value; of a λ seen twice the later one.
    """
    rows = branch.filter(evidence(), pl.col(observable).is_finite(), pl.col("l2") > 0).sort("stage", "l2")
    falling = len(rows) > 0 and rows["l2"][0] > rows["l2"][-1]
    return rows.unique("l2", keep="last", maintain_order=True).sort("l2", descending=falling)


def trajectory_jumps(branch: pl.DataFrame, observable: str, alongside: Sequence[str] = ()) -> list[Jump]:
    """Find the jumps of one trajectory, in the order of its path.

    Args:
        branch: One of `trajectories`.
        observable: Column to look for jumps in.
        alongside: Further columns to tell before and after.
    """
    return [
        jump
        for path in paths(branch, observable, alongside)
        for jump in path_jumps(path, observable, alongside)
    ]


def path_jumps(path: Path, observable: str, alongside: Sequence[str] = ()) -> list[Jump]:
    """The same of a `Path`, made with the same columns."""
    power = starts_as(observable)
    jumps = find_jumps(path.l2, path.values, power, path.errors)
    steepening = find_steepening(path.l2, path.values, jumps, power, path.errors)
    firsts, lasts = [0, *(i + 1 for i in jumps)], [*jumps[1:], len(path.l2) - 1]
    return [
        Jump(
            trajectory=path.name,
            **sides(path, i, observable, alongside),
            rises=bool(path.values[i + 1] > path.values[i]),
            steepening=steep,
            first=first,
            at=i,
            last=last,
        )
        for i, steep, first, last in zip(jumps, steepening, firsts[: len(jumps)], lasts, strict=False)
    ]


def path_kinks(
    path: Path, jumps: Sequence[Jump], observable: str, alongside: Sequence[str] = ()
) -> list[Kink]:
    """Find the kinks of one trajectory, in the order of its path.

    Args:
        path: Made with the same columns.
        jumps: Of this path.
        observable: Column that it was made with.
        alongside: Further columns.
    """
    power = starts_as(observable)
    known = [jump.at for jump in jumps]
    return [
        Kink(
            trajectory=path.name,
            **sides(path, i, observable, alongside),
            rises=slope > 0,
            location=l2,
            location_error=error,
            slope=slope,
            slope_error=slope_error,
        )
        for i, l2, error, slope, slope_error in find_kinks(path.l2, path.values, known, power, path.errors)
    ]


def sides(path: Path, i: int, observable: str, alongside: Sequence[str] = ()) -> dict[str, Any]:
    """The bracket between points i and i + 1 of a path, and what was measured at its ends."""
    low, high = sorted((float(path.l2[i]), float(path.l2[i + 1])))
    columns = np.vstack([path.values[None], path.alongside])
    before, after = (
        {
            name: float(value) if np.isfinite(value) else None
            for name, value in zip((observable, *alongside), columns[:, at], strict=True)
        }
        for at in (i, i + 1)
    )
    return {
        "low": low,
        "high": high,
        "before": before,
        "after": after,
        "unrelaxed": path.unrelaxed(low, high),
        "seed": path.seed,
    }


def curve_jumps(curve: pl.DataFrame, observable: str, alongside: Sequence[str] = ()) -> list[list[Jump]]:
    """Find the jumps of all trajectories of a curve, one group per transition, from small to large λ.

    Args:
        curve: Records of one curve.
        observable: Column to look for jumps in.
        alongside: Further columns to tell before and after.
    """
    return match(of_seeds(trajectory_jumps(curve, observable, alongside)))


def of_seeds(found: Sequence[Place]) -> list[Place]:
    """Put together what several trajectories of one seed show, on different grids: one jump, or kink, of that seed.

    The place is within the bracket of each, and so where all brackets overlap. Where they do not, the seed
    has jumped at different λ on its different ways, and may do so anywhere between.

    Args:
        found: Of all trajectories of a curve.

    Returns:
        For each seed as many as there are; each with the values of the trajectory that shows it best.
    """
    return [
        _joined(group) if len(group) > 1 else group[0]
        for places in by_seed(found).values()
        for group in (
            match(places, "trajectory")
            if len({each.trajectory for each in places}) > 1
            else [[each] for each in places]
        )
    ]


def common(brackets: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Where brackets of one place overlap; where they do not, all there is between them.

    Args:
        brackets: Their two ends, at least one.
    """
    lows, highs = zip(*brackets, strict=True)
    overlap = max(lows) < min(highs)
    return (max(lows), min(highs)) if overlap else (min(lows), max(highs))


def _joined(group: Sequence[Place]) -> Place:
    low, high = common([(each.low, each.high) for each in group])
    if isinstance(group[0], Kink):
        kink = min(group, key=lambda each: each.location_error)
        off = max(abs(each.location - kink.location) - each.location_error for each in group)
        return kink._replace(low=low, high=high, location_error=max(kink.location_error, off))
    return min(group, key=lambda each: each.high / each.low)._replace(low=low, high=high)


def match(places: Sequence[Place], one_per: str = "seed") -> list[list[Place]]:
    """Group jumps, or kinks, closest first; never two of one seed, nor what is `APART`.

    Args:
        places: Of all seeds, each once (`of_seeds`).
        one_per: What has no two in a group: "seed", or "trajectory".
    """
    groups = [[place] for place in sorted(places, key=lambda place: place.place)]

    def span(first: list[Place], second: list[Place]) -> float:
        return _span(first + second, one_per)

    spans = [span(first, second) for first, second in pairwise(groups)]
    while spans and min(spans) < math.inf:
        i = spans.index(min(spans))
        groups[i : i + 2] = [groups[i] + groups[i + 1]]
        around = groups[max(0, i - 1) : i + 2]
        spans[max(0, i - 1) : i + 2] = [span(first, second) for first, second in pairwise(around)]
    return groups


def _span(group: Sequence[Place], one_per: str) -> float:
    """Extent of a group in ln λ; infinite if these jumps cannot be one transition."""
    places = [jump.place for jump in group]
    span = max(places) - min(places)
    near = span <= APART or max(jump.low for jump in group) <= min(jump.high for jump in group)
    one_each = len({getattr(jump, one_per) for jump in group}) == len(group)
    alike = len({jump.rises for jump in group}) == 1
    return span if near and one_each and alike else math.inf
