"""Jumps seed by seed: those of each trajectory of a curve, and which of them are one transition."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar, final

from spinodal.analysis.branch import Branch
from spinodal.analysis.curves import by_seed
from spinodal.analysis.extrapolation import Ends
from spinodal.analysis.jumps import Steepening, find_jumps, find_steepening
from spinodal.analysis.kinks import find_kinks

STARTS_AS = {"error": 2.0, "test_error": 2.0, "accuracy": 2.0, "test_accuracy": 2.0}
"""Power of λ with which an observable of a minimum leaves its value at λ = 0. Others than these do so with 1.

At λ = 0 a minimum has ∇E = 0, so that E, and what is a function of E, moves with λ² only. Curvature is no
exception to the others: ∇²E changes with θ*, which moves with λ.
"""

APART = math.log(1.25)
"""Jumps of two seeds further apart in ln λ than this are two transitions, unless their brackets touch."""


@dataclass(frozen=True, eq=False)
class Place:
    """Where a branch jumps or has a kink: between two neighbouring points of it."""

    branch: Branch
    at: int
    """The last point before it, in the order of the path."""
    low: float
    """The last λ before or the first after, whichever is less; with `high` the bracket."""
    high: float

    @property
    def trajectory(self) -> str:
        """Name of the branch."""
        return self.branch.name

    @property
    def seed(self) -> Hashable:
        """Of its replica."""
        return self.branch.seed

    @property
    def unrelaxed(self) -> int:
        """Rows between the two points that are no evidence."""
        return self.branch.unrelaxed(*_bracket(self.branch, self.at))

    def side(self, name: str, after: bool) -> float | None:
        """Return a column at the point before or after, in the order of the path; None where there is no value.

        Args:
            name: Of the column.
            after: Which of them.
        """
        value = float(self.branch.column(name)[self.at + after])
        return value if math.isfinite(value) else None


@final
@dataclass(frozen=True, eq=False)
class Jump(Place):
    """A jump of one trajectory."""

    steepening: Steepening
    first: int
    """The first point of the phase that ends with it, in the order of the path."""
    last: int
    """The last point of the phase that it leads to."""
    ends: Ends | None = None
    """Where the phases on both sides lead to within the bracket; None where they were not followed."""

    @property
    def place(self) -> float:
        """In ln λ."""
        return 0.5 * (math.log(self.low) + math.log(self.high))

    @property
    def rises(self) -> bool:
        """Whether the observable does, along the path."""
        return bool(self.branch.values[self.at + 1] > self.branch.values[self.at])


@final
@dataclass(frozen=True, eq=False)
class Kink(Place):
    """A kink of one trajectory, with a place of its own within the bracket."""

    location: float
    location_error: float
    slope: float
    """Change of the slope over ln λ, for rising λ."""
    slope_error: float

    @property
    def place(self) -> float:
        """In ln λ."""
        return math.log(self.location)

    @property
    def rises(self) -> bool:
        """Whether the slope does."""
        return self.slope > 0


Placed = TypeVar("Placed", Jump, Kink)


def starts_as(observable: str) -> float:
    """Power of λ in which an observable is a straight line far from a transition."""
    return STARTS_AS.get(observable, 1.0)


def branch_jumps(branch: Branch) -> list[Jump]:
    """Find the jumps of one trajectory, in the order of its path."""
    power = starts_as(branch.observable)
    jumps = find_jumps(branch.control, branch.values, power, branch.errors)
    steepening = find_steepening(branch.control, branch.values, jumps, power, branch.errors)
    ends = [-1, *jumps, len(branch.control) - 1]
    return [
        Jump(branch, i, *_bracket(branch, i), steep, before + 1, last)
        for i, steep, before, last in zip(jumps, steepening, ends, ends[2:], strict=False)
    ]


def branch_kinks(branch: Branch, jumps: Sequence[Jump]) -> list[Kink]:
    """Find the kinks of one trajectory, in the order of its path.

    Args:
        branch: The trajectory.
        jumps: Of it.
    """
    known, power = [jump.at for jump in jumps], starts_as(branch.observable)
    found = find_kinks(branch.control, branch.values, known, power, branch.errors)
    return [Kink(branch, i, *_bracket(branch, i), *place) for i, *place in found]


def _bracket(branch: Branch, i: int) -> tuple[float, float]:
    """λ of points i and i + 1, the less first."""
    low, high = sorted((float(branch.control[i]), float(branch.control[i + 1])))
    return low, high


def of_seeds(found: Sequence[Placed]) -> list[Placed]:
    """Put together what several trajectories of one seed show, on different grids: one jump, or kink, of that seed.

    The place is within the bracket of each, and so where all brackets overlap. Where they do not, the seed
    has jumped at different λ on its different ways, and may do so anywhere between.

    Args:
        found: Of all trajectories of a curve.

    Returns:
        For each seed as many as there are; each with the values of the trajectory that shows it best.
    """
    joint: list[Placed] = []
    for places in by_seed(found).values():
        several = len({each.trajectory for each in places}) > 1
        groups = match(places, "trajectory") if several else [[each] for each in places]
        joint += [_joined(group) if len(group) > 1 else group[0] for group in groups]
    return joint


def common(brackets: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Where brackets of one place overlap; where they do not, all there is between them.

    Args:
        brackets: Their two ends, at least one.
    """
    lows, highs = zip(*brackets, strict=True)
    overlap = max(lows) < min(highs)
    return (max(lows), min(highs)) if overlap else (min(lows), max(highs))


def _joined(group: Sequence[Placed]) -> Placed:
    low, high = common([(each.low, each.high) for each in group])
    if isinstance(group[0], Jump):
        return replace(min(group, key=lambda each: each.high / each.low), low=low, high=high)
    kink = min(group, key=lambda each: each.location_error)
    off = max(abs(each.location - kink.location) - each.location_error for each in group)
    return replace(kink, low=low, high=high, location_error=max(kink.location_error, off))


def match(places: Sequence[Placed], one_per: str = "seed") -> list[list[Placed]]:
    """Group jumps, or kinks, closest first; never two of one seed, nor what is `APART`.

    Args:
        places: Of all seeds, each once (`of_seeds`).
        one_per: What has no two in a group: "seed", or "trajectory".
    """
    groups = [[place] for place in sorted(places, key=lambda place: place.place)]

    def span(first: list[Placed], second: list[Placed]) -> float:
        return _span(first + second, one_per)

    spans = [span(first, second) for first, second in pairwise(groups)]
    while spans and min(spans) < math.inf:
        i = spans.index(min(spans))
        groups[i : i + 2] = [groups[i] + groups[i + 1]]
        around = groups[max(0, i - 1) : i + 2]
        spans[max(0, i - 1) : i + 2] = [span(first, second) for first, second in pairwise(around)]
    return groups


def _span(group: Sequence[Placed], one_per: str) -> float:
    """Extent of a group in ln λ; infinite if these jumps cannot be one transition."""
    places = [jump.place for jump in group]
    span = max(places) - min(places)
    near = span <= APART or max(jump.low for jump in group) <= min(jump.high for jump in group)
    one_each = len({getattr(jump, one_per) for jump in group}) == len(group)
    alike = len({jump.rises for jump in group}) == 1
    return span if near and one_each and alike else math.inf
