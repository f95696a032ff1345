"""Where one trajectory jumps: changes that the smooth continuation of the branch cannot account for.

Between two neighbouring λ a smooth branch moves as far as its continuation from either side; a jump is what remains.
Far from its end a minimum's observable is a straight line in some power of λ (E in λ²: at λ = 0 it is stationary).
Just before a spinodal it is not: E runs off as √(λ_sp − λ), with a slope without bound. But λ is still a smooth
function of E there, a parabola about the fold. So

- *before* the interval, along the path, the branch is continued as a line, and no further than the parabola
  through its last three points reaches before it folds back;
- *after* the interval there is no singularity, and the branch is continued backwards by the line or the
  parabola in λ through the next three points, whichever allows for the larger change.

A second-order transition is a kink: the line from before meets the branch after it, and nothing remains. A steep but
smooth slope is foreseen from at least one side, as soon as the grid has a few points on it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

UNACCOUNTED = 0.3
"""A jump is at least this fraction of the change in its interval: less may be curvature."""
SIGNIFICANCE = 6.0
"""A jump is at least this many standard errors of the continuation, by the noise around it."""
KNOWN = 4.0
"""The same where the errors of the values are known, and need not be guessed from few of them."""
RESOLUTION = 1e-3
"""A jump is at least this fraction of the whole range of the observable."""
FOLD = 3.0
"""Next to a jump a branch is at most so many times as steep as one interval further: towards a fold, less than 2.5."""
_WINDOW = 21
"""Points whose median is the noise of a trajectory at some place."""

Points = Float64[np.ndarray, " l"]
Intervals = Float64[np.ndarray, " i"]


class Steepening(NamedTuple):
    """Tails of a slope next to a jump, as fractions of the change in its interval; none are negative or 0."""

    before: float
    after: float
    error: float
    """Standard error of either."""


def find_jumps(
    control: Points, values: Points, power: float = 1.0, errors: Points | None = None
) -> list[int]:
    """Find the intervals of one trajectory in which an observable jumps.

    There must be two points between two jumps and beyond the first and the last: with fewer, no grid
    separates a jump from a slope.

    Args:
        control: λ of each point in the order of the path, strictly rising or strictly falling.
        values: The observable there.
        power: Of λ, in which the observable is a straight line far from a transition.
        errors: Standard errors of the values, where they are known: the noise is at least that of its surroundings.

    Returns:
        Indices i, in the order of the path: a jump lies between points i and i + 1.
    """
    if len(values) < 4:
        return []
    q = control**power
    line, fold, error = _left(q, values)
    least = np.maximum(UNACCOUNTED * np.abs(np.diff(values)), RESOLUTION * np.ptp(values))
    known = KNOWN * around(errors, len(values) - 1)
    # The noise that jumps are judged by must be free of jumps. So begin with all candidates and drop,
    # round by round, those that the noise of the rest explains.
    kept, found = _select(line, fold, np.maximum(least, known * error)), None
    while kept and kept != found:
        found = kept
        noise = np.maximum(known, SIGNIFICANCE * noise_between(q, values, found))
        kept = [i for i in _select(line, fold, np.maximum(least, noise * error)) if i in found]
    return kept


def find_steepening(
    control: Points, values: Points, jumps: list[int], power: float = 1.0, errors: Points | None = None
) -> list[Steepening]:
    """Measure, beside each jump, what points to a slope that happens within its interval.

    A slope of some width has tails: in the interval beside it the branch is steeper by far than in the next but one.
    Towards a fold it is steeper by no more than a factor 1/(√2 − 1) = 2.4.

    The arguments are those of `find_jumps`, and the jumps that it returns.
    """
    if not jumps:
        return []
    q = control**power
    dq = np.abs(np.diff(q))
    rise = np.diff(values) / dq
    noise = np.maximum(noise_between(q, values, jumps), around(errors, len(dq)))[jumps]
    step = {by: beside[jumps] for by, beside in _beside(dq, np.inf).items()}
    slope = {by: np.sign(rise[jumps]) * beside[jumps] for by, beside in _beside(rise, 0.0).items()}
    dq, change = dq[jumps], np.abs(rise * dq)[jumps]
    tails = [(slope[by] - FOLD * np.maximum(0.0, slope[2 * by])) * dq / change for by in (-1, 1)]
    error = 2**0.5 * noise * dq / np.minimum(step[-1], step[1]) / change
    return [Steepening(*row) for row in np.stack([*tails, error], axis=1).tolist()]


def _left(q: Points, y: Points) -> tuple[Intervals, Intervals, Intervals]:
    """Return what the continuations leave of the change in each interval; NaN where there are too few points.

    First where only two points before the interval belong to the branch, then where three do; last the standard error
    of either, in units of the noise of one point.
    """
    # Everything is counted along the direction of each interval's own change, q always forwards.
    dq, dy, sign = np.abs(np.diff(q)), np.abs(np.diff(y)), np.sign(np.diff(y))
    step = _beside(dq)
    rise = {by: beside * sign for by, beside in _beside(np.diff(y)).items()}
    slope = {by: rise[by] / step[by] for by in rise}

    line = slope[-1] * dq
    fold = np.fmin(line, _reach(dq, slope, rise))
    bend = (slope[1] - slope[2]) / (step[1] + step[2])
    after = slope[1] * dq + np.fmax(0.0, bend * (step[1] + dq) * dq)
    ratio = np.fmax(dq / step[-1], dq / step[1])
    error = np.sqrt(1 + (1 + ratio) ** 2 + ratio**2)
    return dy - np.maximum(line, after), dy - np.maximum(fold, after), error


def _reach(dq: Intervals, slope: dict[int, Intervals], rise: dict[int, Intervals]) -> Intervals:
    """Return how far y gets within dq on the parabola q(y) through the last three points, or until that folds back.

    Infinite where the branch does not steepen towards the interval.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        bend = (1 / slope[-1] - 1 / slope[-2]) / (0.5 * (rise[-2] + rise[-1]))  # d²q/dy²
        tangent = 1 / slope[-1] + 0.5 * bend * rise[-1]  # dq/dy at the last point
        discriminant = tangent**2 + 2 * bend * dq
        root = np.sqrt(np.maximum(discriminant, 0))
        reach = np.where(discriminant > 0, 2 * dq / (tangent + root), -tangent / bend)
    steepens = (rise[-2] > 0) & (slope[-1] > slope[-2])
    return np.where(steepens, np.where(tangent > 0, reach, 0.0), np.inf)


def _select(line: Intervals, fold: Intervals, threshold: Intervals) -> list[int]:
    found: list[int] = []
    first = 0  # point of the present phase
    for i in np.flatnonzero((line > threshold) | (fold > threshold)).tolist():
        left = fold if i - first >= 2 else line
        if i > first and left[i] > threshold[i]:
            found.append(i)
            first = i + 1
        elif found and i == first and left[i] > line[i - 1]:
            # No room for both: the lesser is the steep end of a branch that turns back as it jumps.
            found[-1] = i
            first = i + 1
    return found


def noise_between(q: Points, y: Points, jumps: list[int]) -> Intervals:
    """Return the noise of a point about each interval: the median distance to the line between its neighbours.

    Points at jumps are left out, and those before them, where the branch bends into its fold.
    """
    weight = (q[2:] - q[1:-1]) / (q[2:] - q[:-2])
    deviation = np.abs(y[1:-1] - weight * y[:-2] - (1 - weight) * y[2:])
    deviation /= np.sqrt(1 + weight**2 + (1 - weight) ** 2)
    inner = np.ones(len(y) - 2, dtype=bool)
    for jump in jumps:
        inner[max(0, jump - 2) : max(0, jump + 1)] = False
    keep = 1 + np.flatnonzero(inner if inner.sum() >= 3 else np.ones_like(inner))
    window = min(_WINDOW, len(keep))
    medians = np.median(np.lib.stride_tricks.sliding_window_view(deviation[keep - 1], window), axis=1)
    start = np.searchsorted(keep, np.arange(len(y) - 1) + 0.5) - window // 2
    return np.asarray(medians[np.clip(start, 0, len(medians) - 1)] / 0.6745)  # of |z|, z a standard normal


def around(errors: Points | None, intervals: int) -> Intervals:
    """Return the largest error of the two points on either side of each interval; 0 where errors are not known."""
    if errors is None:
        return np.zeros(intervals)
    padded = np.concatenate([errors[:1], errors, errors[-1:]])
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, 4).max(axis=1))


def _beside(array: Intervals, beyond: float = np.nan) -> dict[int, Intervals]:
    """Return the neighbours of each interval by how many places further along the path they are."""
    padded = np.full(len(array) + 4, beyond)
    padded[2:-2] = array
    return {by: padded[2 + by : 2 + by + len(array)] for by in (-2, -1, 1, 2)}
