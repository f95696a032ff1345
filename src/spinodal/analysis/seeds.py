"""Jumps seed by seed: those of each trajectory of a curve, and which of them are one transition."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple, TypeVar, final

import numpy as np
from jaxtyping import Float64

from spinodal.analysis.branch import Branch
from spinodal.analysis.curves import grouped
from spinodal.analysis.jumps import RESOLUTION, Steepening, find_jumps, find_steepening
from spinodal.analysis.kinks import find_kinks

APART = math.log(1.25)
"""Jumps of two seeds further apart in ln λ than this are two transitions, unless their brackets touch."""


class Bracket(NamedTuple):
    """Two λ between which something happens."""

    low: float
    high: float

    @property
    def place(self) -> float:
        """In ln λ."""
        return 0.5 * (math.log(self.low) + math.log(self.high))

    @property
    def half(self) -> float:
        """From the place to the farther end: the geometric mean is nearer to the lower one."""
        return self.high - math.exp(self.place)

    def overlaps(self, other: tuple[float, float]) -> bool:
        """Return whether both have an interval in common."""
        return self.low < other[1] and other[0] < self.high


def common(brackets: Sequence[tuple[float, float]]) -> Bracket:
    """Return where brackets of one place overlap; where they do not, all there is between them."""
    lows, highs = zip(*brackets, strict=True)
    overlap = max(lows) < min(highs)
    return Bracket(max(lows), min(highs)) if overlap else Bracket(min(lows), max(highs))


def around(brackets: Sequence[tuple[float, float]]) -> Bracket:
    """Return the least bracket that holds some others."""
    lows, highs = zip(*brackets, strict=True)
    return Bracket(min(lows), max(highs))


@dataclass(frozen=True, eq=False)
class Place:
    """Where a branch jumps or has a kink: between two neighbouring points of it."""

    branch: Branch
    at: int
    """The last point before it, in the order of the path."""
    bracket: Bracket

    @property
    def low(self) -> float:
        """The last λ before or the first after, whichever is less."""
        return self.bracket.low

    @property
    def high(self) -> float:
        """The other."""
        return self.bracket.high

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
        return self.branch.unrelaxed(*_between(self.branch, self.at))


@final
@dataclass(frozen=True, eq=False)
class Jump(Place):
    """A jump of one trajectory."""

    steepening: Steepening
    first: int
    """The first point of the phase that ends with it, in the order of the path."""
    last: int
    """The last point of the phase that it leads to."""
    ends: Float64[np.ndarray, "5 w"] | None = None
    """Where the phases on both sides lead to within the bracket (see `Ends`); None where they were not followed."""

    @property
    def place(self) -> float:
        """In ln λ."""
        return self.bracket.place

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


LOCATED = 1e-9
"""Fraction of λ to which continuation locates the end of a minimum, at best."""


def branch_jumps(branch: Branch, power: float) -> list[Jump]:
    """Find the jumps of one trajectory, in the order of its path.

    Where minima were followed from each λ to the next (`protocol.refine=exact`), these are where minima were found to
    end, and nothing is inferred from how the observable looks.

    Args:
        branch: The trajectory.
        power: Of λ, in which it is a straight line far from a transition.
    """
    if np.isfinite(branch.column("located")).any():
        jumps = _known(branch)
        steepening = [Steepening(0.0, 0.0, 0.0)] * len(jumps)
    else:
        jumps = find_jumps(branch.control, branch.values, power, branch.errors)
        steepening = find_steepening(branch.control, branch.values, jumps, power, branch.errors)
    ends = [-1, *jumps, len(branch.control) - 1]
    return [
        Jump(branch, i, _located(branch, i), steep, before + 1, last)
        for i, steep, before, last in zip(jumps, steepening, ends, ends[2:], strict=False)
    ]


def _known(branch: Branch) -> list[int]:
    """Return the intervals in which a minimum ends and the observable changes by more than its resolution."""
    ends = branch.column("reversible")[1:] == 0
    large = np.abs(np.diff(branch.values)) > RESOLUTION * np.ptp(branch.values)
    return [int(i) for i in np.flatnonzero(ends & large)]


def _located(branch: Branch, i: int) -> Bracket:
    """λ at which the minimum before an interval ends, with its error, or λ of both points."""
    at, error = (branch.column(name)[i + 1] for name in ("located", "located_error"))
    if not math.isfinite(at):
        return _between(branch, i)
    half = max(float(error), LOCATED * float(at))
    return Bracket(float(at) - half, float(at) + half)


def branch_kinks(branch: Branch, jumps: Sequence[Jump], power: float) -> list[Kink]:
    """Find the kinks of one trajectory, as `branch_jumps` its jumps."""
    found = find_kinks(branch.control, branch.values, [jump.at for jump in jumps], power, branch.errors)
    return [Kink(branch, i, _between(branch, i), *place) for i, *place in found]


def _between(branch: Branch, i: int) -> Bracket:
    """λ of points i and i + 1, the less first."""
    return Bracket(*sorted((float(branch.control[i]), float(branch.control[i + 1]))))


def of_seeds(found: Sequence[Placed]) -> list[Placed]:
    """Put together what several trajectories of one seed show, on different grids: one jump, or kink, of that seed.

    The place is within the bracket of each, and so where all brackets overlap. Where they do not, the seed
    has jumped at different λ on its different ways, and may do so anywhere between.

    Returns:
        For each seed as many as there are; each with the values of the trajectory that shows it best.
    """
    joint: list[Placed] = []
    for places in grouped(found).values():
        several = len({each.trajectory for each in places}) > 1
        groups = match(places, "trajectory") if several else [[each] for each in places]
        joint += [_joined(group) if len(group) > 1 else group[0] for group in groups]
    return joint


def _joined(group: Sequence[Placed]) -> Placed:
    bracket = common([each.bracket for each in group])
    if isinstance(group[0], Jump):
        return replace(min(group, key=lambda each: each.high / each.low), bracket=bracket)
    kink = min(group, key=lambda each: each.location_error)
    off = max(abs(each.location - kink.location) - each.location_error for each in group)
    return replace(kink, bracket=bracket, location_error=max(kink.location_error, off))


def match(places: Sequence[Placed], one_per: str = "seed") -> list[list[Placed]]:
    """Group jumps, or kinks, closest first; never two of one seed, nor what is `APART`.

    Args:
        places: Of all seeds, each once (`of_seeds`).
        one_per: What has no two in a group: "seed", or "trajectory".
    """
    groups = [[place] for place in sorted(places, key=lambda place: place.place)]

    def spans(groups: Sequence[list[Placed]]) -> list[float]:
        return [_span(first + second, one_per) for first, second in pairwise(groups)]

    apart = spans(groups)
    while apart and min(apart) < math.inf:
        i = apart.index(min(apart))
        groups[i : i + 2] = [groups[i] + groups[i + 1]]
        apart[max(0, i - 1) : i + 2] = spans(groups[max(0, i - 1) : i + 2])
    return groups


def _span(group: Sequence[Placed], one_per: str) -> float:
    """Extent of a group in ln λ; infinite if these jumps cannot be one transition."""
    places = [jump.place for jump in group]
    span = max(places) - min(places)
    near = span <= APART or max(jump.low for jump in group) <= min(jump.high for jump in group)
    one_each = len(set(map(attrgetter(one_per), group))) == len(group)
    alike = len({jump.rises for jump in group}) == 1
    return span if near and one_each and alike else math.inf
