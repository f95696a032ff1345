"""Where a noisy curve jumps or has a kink: what no smooth curve, and no slope that the grid resolves, explains as well.

Shapes are added to the curve (see `likelihood`) as long as each raises twice the logarithm of its likelihood by its
price, at the best amplitude of the smooth function. Then each is judged against the others at its place, all else being
equal:

- what shapes of width ≥ `RESOLVED` explain better than any step by `UNDECIDED` is smooth, and left out;
- a jump is a step that is better than all those by `DECIDED`, and not much worse than a slope narrower than the grid
  resolves: such a slope has tails, and where they are seen, or where a wide shape explains about as much, it is not
  decided whether there is a jump (order None). What happens entirely between two points, without tails, is a jump: no
  grid can tell;
- a kink must be better than all wide shapes by `DECIDED_KINK`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from spinodal.analysis.likelihood import EDGE, MOVED, SECOND, Fit, Likelihood, Shape

DETECTED = 25.0
"""Of twice the log-likelihood: 5 standard errors."""

SMOOTH = 15.0
"""What a shape that the grid resolves must explain more: unless it is steep, the smooth function will do."""

DECIDED = 2.0
"""Of the same, between a step and everything that the grid resolves."""

UNDECIDED = 10.0
"""Of the same: where a step is worse by less than this than what the grid resolves, either may be what is there."""

DECIDED_KINK = 10.0
"""The same for a kink, which differs less from its smoothed shape."""

TAILS = 6.0
"""Of the same: a slope narrower than the grid resolves, better by this than a step, has tails."""

UNACCOUNTED = 0.3, 0.5
"""A jump is at least this fraction of the change in its interval, a kink of the change of slope about its interval.
The rest is what the curve does by itself: where it does more than that, shapes make up for what others do not fit."""

SHARP = 0.5
"""Beside a kink a curve bends by less than this fraction of the change of slope about it, per two spacings."""

RESOLVED = 2.0
"""Widths from here on are those of slopes that the grid resolves, in spacings: they take 4.4 from 10 % to 90 %."""

STARTS = (0, 3, 5)
"""Places in `AMPLITUDES` of those that the search begins with."""

_SHAPES = 8
"""At most so many."""


class Break(NamedTuple):
    """A jump or a kink; places count the points of the grid from 0."""

    order: int | None
    """1: a jump. 2: a kink. None: it is not decided whether it is a jump."""
    place: float
    place_error: float
    low: int
    """The point before all places that are within two standard errors; with `high` the bracket."""
    high: int
    before: float
    """Of the curve at `low`, without the noise."""
    after: float
    size: float
    """Of a jump: after − before. Of a kink: change of the slope per spacing."""
    size_error: float
    significance: float
    """Square root of what it raises twice the log-likelihood by: standard errors."""


class _Verdict(NamedTuple):
    order: int | None
    place: float
    low: float
    high: float
    paired: bool
    gain: float


def find_breaks(
    values: Float64[np.ndarray, " n"],
    errors: Float64[np.ndarray, " n"],
    regressors: Float64[np.ndarray, "r n"],
) -> list[Break]:
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
    sharp = [verdict for verdict in verdicts if verdict is not None]
    if not sharp:
        return []
    kept = _apart(sharp)
    smooth = [shape for shape, verdict in zip(chosen, verdicts, strict=True) if verdict is None]
    return _measured(model, smooth, kept)


def _chosen(model: Likelihood) -> list[Shape]:
    """The shapes that are worth their price: `DETECTED` each, and `SMOOTH` for what the grid resolves.

    Several jumps hide each other: next to the others unexplained, the smooth function seems to be large, and takes in
    each. So the search also begins with small ones, and what proves too much is dropped.
    """
    starts = [_dropped(model, _added(model, [], start)) for start in STARTS]
    different = {tuple(sorted(start)): start for start in (*starts, [])}
    ends = [_dropped(model, _added(model, start, None)) for start in different.values()]
    return min(
        ends, key=lambda chosen: _deviance(model, chosen) + sum(_price(model, shape) for shape in chosen)
    )


def _added(model: Likelihood, chosen: Sequence[Shape], amplitude: int | None) -> list[Shape]:
    """Shapes and those that pay best next to them, one by one."""
    chosen = list(chosen)
    while len(chosen) < _SHAPES:
        gains = model.gains(model.dictionary.columns(chosen), amplitude)
        gains[:, model.dictionary.widths >= RESOLVED] -= SMOOTH
        kind, at = np.unravel_index(int(gains.argmax()), gains.shape)
        if gains[kind, at] < DETECTED:
            break
        chosen.append((int(at), int(kind)))
    return chosen


def _dropped(model: Likelihood, chosen: list[Shape]) -> list[Shape]:
    """Shapes without those that do not pay next to the others, one by one."""
    while chosen:
        rests = [[other for other in chosen if other != shape] for shape in chosen]
        now = _deviance(model, chosen)
        losses = [
            now + _price(model, shape) - _deviance(model, rest)
            for shape, rest in zip(chosen, rests, strict=True)
        ]
        worst = int(np.argmax(losses))
        if losses[worst] <= 0:
            break
        chosen = rests[worst]
    return chosen


def _deviance(model: Likelihood, chosen: Sequence[Shape]) -> float:
    return model.deviance(model.dictionary.columns(chosen))


def _price(model: Likelihood, shape: Shape) -> float:
    at, kind = shape
    smooth = SMOOTH if model.dictionary.widths[at] >= RESOLVED else 0.0
    second = SECOND if kind == 2 else MOVED * (len(model.dictionary.parts(shape)) - 1)
    return DETECTED + smooth + second


def _judged(model: Likelihood, chosen: Sequence[Shape], shape: Shape) -> _Verdict | None:
    """What the data say of one shape, the others being there; None if it is smooth."""
    places, widths = model.dictionary.places, model.dictionary.widths
    here, width = places[shape[0]], widths[shape[0]]
    near = np.abs(places - here) <= 1.5 + width
    sharp = np.flatnonzero(near & (widths == 0))
    if width > 3 or not len(sharp):
        return None
    rest = [other for other in chosen if other != shape]
    step, kink, both = gains = model.gains(model.dictionary.columns(rest))
    jump = np.maximum(step, both)[sharp]
    best_jump, best_kink = jump.max(), kink[sharp].max()
    resolved = gains[:, near & (widths >= RESOLVED)].max()
    narrow = gains[:, near & (widths > 0) & (widths < RESOLVED)].max()
    if best_jump >= DETECTED and best_jump > max(resolved - UNDECIDED, best_kink):
        order = 1 if best_jump > max(resolved + DECIDED, narrow - TAILS, best_kink + DECIDED) else None
        possible = places[sharp][jump >= best_jump - 4]
        at = sharp[jump.argmax()]
        return _Verdict(
            order, places[at], possible.min() - 0.5, possible.max() + 0.5, both[at] > step[at], best_jump
        )
    if best_kink >= max(DETECTED, resolved + DECIDED_KINK, narrow - TAILS, best_jump - DECIDED):
        at = sharp[kink[sharp].argmax()]
        return _Verdict(2, places[at], places[at], places[at], False, best_kink)
    return None


def _apart(verdicts: Sequence[_Verdict]) -> list[_Verdict]:
    """Of verdicts on the same place the most significant."""
    kept: list[_Verdict] = []
    for verdict in sorted(verdicts, key=lambda each: -each.gain):
        if all(abs(verdict.place - other.place) > 2 for other in kept):
            kept.append(verdict)
    return sorted(kept, key=lambda each: each.place)


def _measured(model: Likelihood, smooth: Sequence[Shape], verdicts: Sequence[_Verdict]) -> list[Break]:
    """Sizes and places with their errors, all at once."""
    x = np.arange(len(model.values))
    shapes, owners = [model.dictionary.shapes[:, model.dictionary.columns(smooth)]], []
    for verdict in verdicts:
        owners.append(sum(each.shape[1] for each in shapes))
        step = np.where(x > verdict.place, 1.0, 0.0)
        kink = np.maximum(0.0, x - verdict.place)
        # To first order a kink that is moved is a kink and a step: so the step tells where it is.
        with_kink = verdict.paired or verdict.order == 2
        shapes.append(np.stack([step, kink] if with_kink else [step], axis=1))
    fit = model.fit(np.hstack(shapes))
    return [
        _break(fit, verdict, at)
        for verdict, at in zip(verdicts, owners, strict=True)
        if _accounts(model, fit, verdict, at)
    ]


def _accounts(model: Likelihood, fit: Fit, verdict: _Verdict, at: int) -> bool:
    """Whether it is most of what is seen where it is, and a kink is sharp, give or take two standard errors."""
    y, i = model.values, int(verdict.place)
    noise = 2 * np.sqrt(model.noise[i - 2 : i + 4].max())
    if verdict.order == 2:
        size, seen, slack = fit.sizes[at + 1], y[i + 2] - y[i + 1] - y[i] + y[i - 1], 2 * noise
        bends = np.abs(np.diff(y[i - 2 : i + 4], 2))[[0, -1]]
        if 2 * bends.max() > SHARP * abs(seen) + 5 * noise:
            return False
    else:
        size, seen, slack = fit.sizes[at], y[i + 1] - y[i], 2**0.5 * noise
    return bool(
        np.sign(size) * seen + slack > 0 and abs(size) > UNACCOUNTED[verdict.order == 2] * abs(seen) - slack
    )


def _break(fit: Fit, verdict: _Verdict, at: int) -> Break:
    last = len(fit.curve) - 1
    if verdict.order == 2:
        slope, slope_error = fit.sizes[at + 1], fit.errors[at + 1]
        place = verdict.place - np.clip(fit.sizes[at] / slope, -1, 1)
        error = fit.errors[at] / abs(slope)
        low, high = np.floor(place - 2 * error), np.ceil(place + 2 * error)
        size, size_error = slope, slope_error
    else:
        place, low, high = verdict.place, verdict.low, verdict.high
        error = 0.5 * (high - low)
    first, second = int(np.clip(low, 0, last - 1)), int(np.clip(high, 1, last))
    before, after = fit.curve[first], fit.curve[second]
    if verdict.order != 2:
        ends = [first, second]
        variance = np.array([-1.0, 1.0]) @ fit.covariance[np.ix_(ends, ends)] @ np.array([-1.0, 1.0])
        # What the curve moves by itself between the two points is no jump, and may be anywhere between them.
        size = after - before
        size_error = np.hypot(np.sqrt(variance), 0.5 * (size - fit.sizes[at]))
    return Break(
        verdict.order,
        float(place),
        float(error),
        first,
        second,
        float(before),
        float(after),
        float(size),
        float(size_error),
        float(np.sqrt(verdict.gain)),
    )
