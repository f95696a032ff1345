"""Where a noisy curve jumps or has a kink: what no smooth curve, and no slope that the grid resolves, explains as well.

Shapes are added to the curve (see `likelihood`) as long as each raises twice the logarithm of its likelihood by its
price, at the best amplitude of the smooth function. Then each is judged against the others at its place, all else being
equal:

- what shapes of width ≥ `RESOLVED` explain better than any step by `UNDECIDED` is smooth, and left out;
- a jump is a step that is better than all those by `DECIDED`, and not much worse than a slope narrower than the grid
  resolves: such a slope has tails, and where they are seen, or where a wide shape explains about as much, it is not
  decided whether there is a jump (order None). What happens entirely between two points, without tails, is a jump: no
  grid can tell;
- a kink must be better than all wide shapes by `UNDECIDED`: it differs less from its smoothed shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from spinodal.analysis.jumps import UNACCOUNTED
from spinodal.analysis.likelihood import EDGE, MOVED, SECOND, Curve, Likelihood, Shape

DETECTED = 25.0
"""Of twice the log-likelihood: 5 standard errors."""
SMOOTH = 15.0
"""What a shape that the grid resolves must explain more: unless it is steep, the smooth function will do."""
DECIDED = 2.0
"""Of the same, between a step and everything that the grid resolves."""
UNDECIDED = 10.0
"""Of the same: what is worse by less than this than another shape may be what is there."""
TAILS = 6.0
"""Of the same: a slope narrower than the grid resolves, better by this than a step, has tails."""
TURN = 0.5
"""A kink is at least this fraction of the change of slope about its interval, as a jump is `UNACCOUNTED` of the change,
and beside it a curve bends by less, per two spacings. The rest is what the curve does by itself: where it does more
than that, shapes make up for what others do not fit."""
RESOLVED = 2.0
"""Widths from here on are those of slopes that the grid resolves, in spacings: they take 4.4 from 10 % to 90 %."""
STARTS = (0, 3, 5)
"""Places in `AMPLITUDES` of those that the search begins with."""
_SHAPES = 8
"""At most so many."""


class Break(NamedTuple):
    """A jump or a kink; `find_breaks` returns places as points of the grid, counted from 0."""

    order: int | None
    """1: a jump. 2: a kink. None: it is not decided whether it is a jump."""
    low: float
    """The point before all places that are within two standard errors; with `high` the bracket."""
    high: float
    location: float
    location_error: float
    before: float
    """Of the curve at `low`, without the noise."""
    after: float
    size: float
    """Of a jump: after − before. Of a kink: change of the slope over the place."""
    size_error: float


class _Verdict(NamedTuple):
    """What the data show of one shape."""

    order: int | None
    place: float
    low: float
    high: float
    bends: bool
    """Whether there is a kink: at it, or beside the jump."""
    gain: float


def find_breaks(values: Curve, errors: Curve, regressors: Float64[np.ndarray, "r n"]) -> list[Break]:
    """Find the jumps and kinks of a noisy curve.

    Args:
        values: The curve, at the points of its grid.
        errors: Their standard errors, above 0.
        regressors: What the curve may be a straight line in, beside the number of the point.

    Returns:
        From the first to the last; none if there are fewer than 2·`EDGE` + 2 points.
    """
    if len(values) < 2 * EDGE + 2:
        return []
    model = Likelihood(values, errors, regressors)
    chosen = _chosen(model)
    verdicts = [_judged(model, chosen, shape) for shape in chosen]
    smooth = [shape for shape, verdict in zip(chosen, verdicts, strict=True) if verdict is None]
    kept: list[_Verdict] = []
    for verdict in sorted(filter(None, verdicts), key=lambda each: -each.gain):
        # Of those on the same place the most significant.
        if all(abs(verdict.place - other.place) > 2 for other in kept):
            kept.append(verdict)
    return _measured(model, smooth, sorted(kept, key=lambda each: each.place))


def _chosen(model: Likelihood) -> list[Shape]:
    """Choose the shapes that are worth their price.

    Several jumps hide each other: next to the others unexplained, the smooth function seems to be large, and takes in
    each. So the search also begins with small ones, and what proves too much is dropped.
    """
    starts = [_dropped(model, _added(model, [], start)) for start in STARTS]
    different = {tuple(sorted(start)): start for start in (*starts, [])}
    ends = [_dropped(model, _added(model, start, None)) for start in different.values()]
    return min(ends, key=lambda end: model.deviance(end) + sum(_price(model, shape) for shape in end))


def _added(model: Likelihood, chosen: Sequence[Shape], amplitude: int | None) -> list[Shape]:
    """Add the shapes that pay best next to the others, one by one."""
    chosen = list(chosen)
    while len(chosen) < _SHAPES:
        gains = model.gains(chosen, amplitude)
        gains[:, model.widths >= RESOLVED] -= SMOOTH
        kind, at = np.unravel_index(int(gains.argmax()), gains.shape)
        if gains[kind, at] < DETECTED:
            break
        chosen.append((int(at), int(kind)))
    return chosen


def _dropped(model: Likelihood, chosen: list[Shape]) -> list[Shape]:
    """Drop the shapes that do not pay next to the others, one by one."""
    while chosen:
        now = model.deviance(chosen)
        losses = [now + _price(model, each) - model.deviance(_without(chosen, each)) for each in chosen]
        worst = int(np.argmax(losses))
        if losses[worst] <= 0:
            break
        chosen = _without(chosen, chosen[worst])
    return chosen


def _without(chosen: Sequence[Shape], shape: Shape) -> list[Shape]:
    return [other for other in chosen if other != shape]


def _price(model: Likelihood, shape: Shape) -> float:
    """Return what a shape must explain: `DETECTED`, and more for what the grid resolves, and for each freedom."""
    at, kind = shape
    smooth = SMOOTH if model.widths[at] >= RESOLVED else 0.0
    return DETECTED + smooth + (SECOND if kind == 2 else MOVED * (len(model.parts(shape)) - 1))


def _judged(model: Likelihood, chosen: Sequence[Shape], shape: Shape) -> _Verdict | None:
    """Judge one shape, the others being there; None if it is smooth."""
    places, widths = model.places, model.widths
    here, width = places[shape[0]], widths[shape[0]]
    near = np.abs(places - here) <= 1.5 + width
    sharp = np.flatnonzero(near & (widths == 0))
    if width > 3 or not len(sharp):
        return None
    gains = model.gains(_without(chosen, shape))
    step, kink, both = gains[:, sharp]
    jump = np.maximum(step, both)
    best_jump, best_kink = jump.max(), kink.max()
    resolved = gains[:, near & (widths >= RESOLVED)].max()
    narrow = gains[:, near & (widths > 0) & (widths < RESOLVED)].max()
    if best_jump >= DETECTED and best_jump > max(resolved - UNDECIDED, best_kink):
        order = 1 if best_jump > max(resolved + DECIDED, narrow - TAILS, best_kink + DECIDED) else None
        at, possible = jump.argmax(), places[sharp][jump >= best_jump - 4]
        low, high = possible.min() - 0.5, possible.max() + 0.5
        return _Verdict(order, places[sharp[at]], low, high, bool(both[at] > step[at]), best_jump)
    if best_kink >= max(DETECTED, resolved + UNDECIDED, narrow - TAILS, best_jump - DECIDED):
        place = places[sharp[kink.argmax()]]
        return _Verdict(2, place, place, place, True, best_kink)
    return None


def _measured(model: Likelihood, smooth: Sequence[Shape], verdicts: Sequence[_Verdict]) -> list[Break]:
    """Measure sizes and places with their errors, all at once."""
    x = np.arange(len(model.values))
    shapes, at = [model.shapes[:, model.columns(smooth)]], []
    for verdict in verdicts:
        at.append(sum(each.shape[1] for each in shapes))
        shapes.append(np.where(x > verdict.place, 1.0, 0.0)[:, None])
        # To first order a kink that is moved is a kink and a step: so the step shows where it is.
        if verdict.bends:
            shapes.append(np.maximum(0.0, x - verdict.place)[:, None])
    curve, covariance, sizes, errors = model.fit(np.hstack(shapes))
    found, last = [], len(x) - 1
    for verdict, first in zip(verdicts, at, strict=True):
        step, step_error, kink = sizes[first], errors[first], verdict.order == 2
        size, size_error = (sizes[first + 1], errors[first + 1]) if kink else (step, step_error)
        if not _accounts(model, verdict, size):
            continue
        place, low, high = verdict.place, verdict.low, verdict.high
        error = 0.5 * (high - low)
        if kink:
            place, error = place - np.clip(step / size, -1, 1), step_error / abs(size)
            low, high = np.floor(place - 2 * error), np.ceil(place + 2 * error)
        ends = [int(np.clip(low, 0, last - 1)), int(np.clip(high, 1, last))]
        before, after = curve[ends]
        if not kink:
            variance = np.array([-1.0, 1.0]) @ covariance[np.ix_(ends, ends)] @ np.array([-1.0, 1.0])
            # What the curve moves by itself between the two points is no jump, and may be anywhere between them.
            size = after - before
            size_error = np.hypot(np.sqrt(variance), 0.5 * (size - step))
        numbers = (*ends, place, error, before, after, size, size_error)
        found.append(Break(verdict.order, *(float(each) for each in numbers)))
    return found


def _accounts(model: Likelihood, verdict: _Verdict, size: float) -> bool:
    """Whether it is most of what is seen where it is, and a kink is sharp, give or take two standard errors."""
    y, i = model.values, int(verdict.place)
    noise = 2 * np.sqrt(model.noise[i - 2 : i + 4].max())
    if verdict.order == 2:
        share, seen, slack = TURN, y[i + 2] - y[i + 1] - y[i] + y[i - 1], 2 * noise
        bends = np.abs(np.diff(y[i - 2 : i + 4], 2))[[0, -1]]
        if 2 * bends.max() > TURN * abs(seen) + 5 * noise:
            return False
    else:
        share, seen, slack = UNACCOUNTED, y[i + 1] - y[i], 2**0.5 * noise
    return bool(np.sign(size) * seen + slack > 0 and abs(size) > share * abs(seen) - slack)
