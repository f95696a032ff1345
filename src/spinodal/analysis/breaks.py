"""Jumps and kinks of a noisy curve: what no smooth curve, and no slope that the grid resolves, explains as well.

The curve is a straight line over the grid and in each given regressor, a random smooth function (an integrated Wiener
process: the prior of a cubic smoothing spline, Wahba 1978) of unknown amplitude, noise of known standard errors, and
shapes, each at some place c: a step θ(x − c), a kink max(0, x − c), or both, and the same smoothed to a width w,
½ tanh((x − c)/w) and ½ w ln(1 + e^{2(x − c)/w}); x counts the points of the grid. Shapes are added as long as one
raises twice the logarithm of the likelihood, at the best amplitude of the smooth function, by `DETECTED`. Then each is
judged against the others, all else being equal:

- what a shape of width ≥ `RESOLVED` explains as well is smooth, and left out;
- a jump is a step that is better than all those by `DECIDED`, and not much worse than a slope narrower than the grid
  resolves: such a slope has tails, and where they are seen, or where a wide shape explains nearly as much, it is not
  decided whether there is a jump (order None). What happens entirely between two points, without tails, is a jump: no
  grid can tell;
- a kink must be better than all wide shapes by `DECIDED_KINK`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

DETECTED = 25.0
"""Of twice the log-likelihood: 5 standard errors."""

DECIDED = 2.0
"""Of the same, between a step and everything that the grid resolves."""

DECIDED_KINK = 10.0
"""The same for a kink, which differs less from its smoothed shape."""

TAILS = 6.0
"""Of the same: a slope narrower than the grid resolves, better by this than a step, has tails."""

SECOND = 6.0
"""What a step and a kink at one place must explain beyond either alone to count."""

UNACCOUNTED = 0.3, 0.5
"""A jump is at least this fraction of the change in its interval, a kink of the change of slope about its interval.

The rest is what the curve does by itself: where it does more than that, shapes make up for what others do not fit."""

SMOOTH = 15.0
"""What a shape that the grid resolves must explain more to be added: the smooth function does it, unless it is steep."""

SHARP = 0.5
"""Beside a kink a curve bends by less than this fraction of the change of slope about it, per two spacings."""

MOVED = 1.0
"""What a kink must explain more for lying anywhere in its interval."""

RESOLVED = 2.0
"""Widths from here on are those of slopes that the grid resolves, in spacings: they take 4.4 from 10 % to 90 %."""

WIDTHS = {0.5: 0.5, 1.0: 0.5, 1.5: 0.5, 2.0: 0.5, 3.0: 1.0, 4.0: 1.0, 6.0: 2.0, 9.0: 3.0}
"""Widths of smooth shapes, and the distance between their places, in spacings."""

AMPLITUDES = np.array([1e-8, *10.0 ** np.arange(-5, 3)])
"""Of the smooth function: variance of its second differences over that of the noise."""

STARTS = (0, 3, 5)
"""Places in `AMPLITUDES` of those that the search begins with."""

EDGE = 4
"""Points on either side of a jump or kink, at least."""

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


class _Dictionary(NamedTuple):
    """All shapes over a grid; those of width 0 come first."""

    places: Float64[np.ndarray, " s"]
    widths: Float64[np.ndarray, " s"]
    shapes: Float64[np.ndarray, "n 2s"]
    """Steps, then kinks. Steps of width 0 are at the middle of intervals only: elsewhere they are 0."""


@lru_cache(maxsize=16)
def _dictionary(n: int) -> _Dictionary:
    x = np.arange(n)[:, None]
    sharp = np.arange(EDGE - 0.5, n - EDGE - 0.4, 0.5)
    steps = [np.where(sharp % 1 == 0.5, x > sharp, 0.0)]
    kinks = [np.maximum(0.0, x - sharp)]
    places, widths = [sharp], [np.zeros(len(sharp))]
    for width, spacing in WIDTHS.items():
        at = np.arange(0.5, n - 1, spacing)
        places.append(at)
        widths.append(np.full(len(at), width))
        steps.append(0.5 * np.tanh((x - at) / width))
        kinks.append(0.5 * width * np.logaddexp(0.0, 2 * (x - at) / width))
    return _Dictionary(np.concatenate(places), np.concatenate(widths), np.hstack([*steps, *kinks]))


class _Model:
    """The likelihood of one curve, given shapes, for all amplitudes of the smooth function."""

    def __init__(
        self,
        values: Float64[np.ndarray, " n"],
        errors: Float64[np.ndarray, " n"],
        regressors: Float64[np.ndarray, "r n"],
    ) -> None:
        n = len(values)
        self.dictionary = _dictionary(n)
        x = np.arange(n, dtype=np.float64)
        self.lines = _basis(np.stack([np.ones(n), x, *regressors], axis=1))
        first, last = np.minimum.outer(x, x), np.maximum.outer(x, x)
        smooth = first**2 * (3 * last - first) / 6 * np.mean(errors**2)
        self.noise = errors**2
        self.covariance = np.diag(self.noise) + AMPLITUDES[:, None, None] * smooth
        lower = np.linalg.cholesky(self.covariance)
        self.log_determinant = 2 * np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
        # Everything is whitened once: least squares is then all that is left.
        whitener = np.linalg.inv(lower)
        self.values = values
        self.white_lines = whitener @ self.lines
        self.white_values = whitener @ values
        self.white_shapes = whitener @ self.dictionary.shapes
        self.lengths = np.einsum("anj,anj->aj", self.white_shapes, self.white_shapes)
        self.whitener = whitener

    def deviance(self, columns: list[int]) -> float:
        """Minus twice the logarithm of the likelihood at the best amplitude, with given shapes."""
        _, left = self._left(columns)
        return float((self.log_determinant + np.einsum("an,an->a", left, left)).min())

    def _left(self, columns: list[int]) -> tuple[Float64[np.ndarray, "a n k"], Float64[np.ndarray, "a n"]]:
        """What lines and given shapes span, and what they leave of the values."""
        known = np.concatenate([self.white_lines, self.white_shapes[:, :, columns]], axis=2)
        basis = np.linalg.qr(known)[0]
        along = np.einsum("ank,an->ak", basis, self.white_values)
        return basis, self.white_values - np.einsum("ank,ak->an", basis, along)

    def gains(self, columns: list[int], amplitude: int | None = None) -> Float64[np.ndarray, "3 s"]:
        """What each step, each kink, and both together raise twice the log-likelihood by, next to given shapes.

        Args:
            columns: Of the given shapes.
            amplitude: Of the smooth function, by its place in `AMPLITUDES`; None for the best, with and without.
        """
        basis, left = self._left(columns)
        only = slice(None) if amplitude is None else slice(amplitude, amplitude + 1)
        basis, left, shapes = basis[only], left[only], self.white_shapes[only]
        shapes = shapes - basis @ (basis.transpose(0, 2, 1) @ shapes)
        size = len(self.dictionary.places)
        steps, kinks = shapes[:, :, :size], shapes[:, :, size:]
        norms = np.einsum("anj,anj->aj", shapes, shapes)
        both = np.einsum("anj,anj->aj", steps, kinks)
        along = np.einsum("an,anj->aj", left, shapes)
        norms = np.where(norms > 1e-6 * self.lengths[only], norms, np.inf)  # a shape that is there already
        one, two, a, b = norms[:, :size], norms[:, size:], along[:, :size], along[:, size:]
        with np.errstate(invalid="ignore", divide="ignore"):
            left_over = 1 - both**2 / (one * two)
            pair = (a**2 / one - 2 * a * b * both / (one * two) + b**2 / two) / left_over
            moved = np.abs((a - b * both / two) / (b - a * both / one) * two / one) <= 0.5
        there = np.isfinite(one) & np.isfinite(two) & (left_over > 1e-4)
        pair = np.where(there, pair, 0.0)
        # A kink anywhere within an interval is one at its middle and a step of at most half its slope.
        moved &= there & (self.dictionary.widths == 0)
        kink = np.where(moved, np.maximum(b**2 / two, pair - MOVED), b**2 / two)
        gains = np.stack([a**2 / one, kink, np.where(moved, 0.0, pair - SECOND)])
        deviance = self.log_determinant[only] + np.einsum("an,an->a", left, left)
        return np.asarray(deviance.min() - (deviance[:, None] - gains).min(axis=1))

    def fit(self, shapes: Float64[np.ndarray, "n s"]) -> _Fit:
        """The curve without its noise, and the sizes of shapes, at the best amplitude of the smooth function."""
        columns = np.hstack([self.lines, shapes])
        white = self.whitener @ columns
        basis = np.linalg.qr(white)[0]
        left = self.white_values - np.einsum("anj,amj,am->an", basis, basis, self.white_values, optimize=True)
        best = int(np.argmin(self.log_determinant + np.einsum("an,an->a", left, left)))
        inverse = self.whitener[best].T @ self.whitener[best]
        sizes_covariance = np.linalg.pinv(white[best].T @ white[best])
        projected = inverse - inverse @ columns @ sizes_covariance @ columns.T @ inverse
        sizes = sizes_covariance @ columns.T @ inverse @ self.values
        scaled = self.noise[:, None] * projected
        lines = self.lines.shape[1]
        return _Fit(
            self.values - scaled @ self.values,
            np.diag(self.noise) - scaled * self.noise,
            sizes[lines:],
            np.sqrt(np.diag(sizes_covariance))[lines:],
        )


def _basis(columns: Float64[np.ndarray, "n c"]) -> Float64[np.ndarray, "n b"]:
    """Orthonormal vectors that span the columns, but for what is one of them up to rounding."""
    vectors, values, _ = np.linalg.svd(columns / np.abs(columns).max(axis=0), full_matrices=False)
    return vectors[:, values > 1e-6 * values[0]]


class _Fit(NamedTuple):
    curve: Float64[np.ndarray, " n"]
    covariance: Float64[np.ndarray, "n n"]
    """Of the curve."""
    sizes: Float64[np.ndarray, " s"]
    errors: Float64[np.ndarray, " s"]


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
    model = _Model(values, errors, regressors)
    chosen = _chosen(model)
    verdicts = [_judged(model, chosen, shape) for shape in chosen]
    sharp = [verdict for verdict in verdicts if verdict is not None]
    if not sharp:
        return []
    kept = _apart(sharp)
    smooth = [shape for shape, verdict in zip(chosen, verdicts, strict=True) if verdict is None]
    return _measured(model, smooth, kept)


_Shape = tuple[int, int]
"""A place in the dictionary, and what of it: 0 the step, 1 the kink, 2 both."""


def _columns(dictionary: _Dictionary, chosen: Sequence[_Shape]) -> list[int]:
    size = len(dictionary.places)
    return [at + size * part for at, kind in chosen for part in _parts(dictionary, at, kind)]


def _parts(dictionary: _Dictionary, at: int, kind: int) -> tuple[int, ...]:
    """A kink of width 0 within an interval is free to move in it."""
    moves = dictionary.widths[at] == 0 and dictionary.places[at] % 1 == 0.5
    return ((0,), (0, 1) if moves else (1,), (0, 1))[kind]


def _chosen(model: _Model) -> list[_Shape]:
    """The shapes that are worth their price: `DETECTED` each, and `SMOOTH` for what the grid resolves.

    Several jumps hide each other: next to the others unexplained, the smooth function seems to be large, and takes in
    each. So the search also begins with small ones, and what proves too much is dropped.
    """
    starts = [_dropped(model, _added(model, [], start)) for start in STARTS]
    ends = [_dropped(model, _added(model, start, None)) for start in (*starts, [])]
    return min(ends, key=lambda chosen: _deviance(model, chosen) + sum(_price(model, shape) for shape in chosen))


def _added(model: _Model, chosen: Sequence[_Shape], amplitude: int | None) -> list[_Shape]:
    """Shapes and those that pay best next to them, one by one."""
    chosen = list(chosen)
    while len(chosen) < _SHAPES:
        gains = model.gains(_columns(model.dictionary, chosen), amplitude)
        gains[:, model.dictionary.widths >= RESOLVED] -= SMOOTH
        kind, at = np.unravel_index(int(gains.argmax()), gains.shape)
        if gains[kind, at] < DETECTED:
            break
        chosen.append((int(at), int(kind)))
    return chosen


def _dropped(model: _Model, chosen: list[_Shape]) -> list[_Shape]:
    """Shapes without those that do not pay next to the others, one by one."""
    while chosen:
        rests = [[other for other in chosen if other != shape] for shape in chosen]
        now = _deviance(model, chosen)
        losses = [
            now + _price(model, shape) - _deviance(model, rest) for shape, rest in zip(chosen, rests, strict=True)
        ]
        worst = int(np.argmax(losses))
        if losses[worst] <= 0:
            break
        chosen = rests[worst]
    return chosen


def _deviance(model: _Model, chosen: Sequence[_Shape]) -> float:
    return model.deviance(_columns(model.dictionary, chosen))


def _price(model: _Model, shape: _Shape) -> float:
    at, kind = shape
    smooth = SMOOTH if model.dictionary.widths[at] >= RESOLVED else 0.0
    second = SECOND if kind == 2 else MOVED * (len(_parts(model.dictionary, at, kind)) - 1)
    return DETECTED + smooth + second


def _judged(model: _Model, chosen: Sequence[_Shape], shape: _Shape) -> _Verdict | None:
    """What the data say of one shape, the others being there; None if it is smooth."""
    places, widths = model.dictionary.places, model.dictionary.widths
    here, width = places[shape[0]], widths[shape[0]]
    near = np.abs(places - here) <= 1.5 + width
    sharp = np.flatnonzero(near & (widths == 0))
    if width > 3 or not len(sharp):
        return None
    rest = [other for other in chosen if other != shape]
    step, kink, both = gains = model.gains(_columns(model.dictionary, rest))
    jump = np.maximum(step, both)[sharp]
    best_jump, best_kink = jump.max(), kink[sharp].max()
    resolved = gains[:, near & (widths >= RESOLVED)].max()
    narrow = gains[:, near & (widths > 0) & (widths < RESOLVED)].max()
    if best_jump >= DETECTED and best_jump > max(resolved - DECIDED, best_kink):
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


def _measured(model: _Model, smooth: Sequence[_Shape], verdicts: Sequence[_Verdict]) -> list[Break]:
    """Sizes and places with their errors, all at once."""
    x = np.arange(len(model.values))
    shapes, owners = [model.dictionary.shapes[:, _columns(model.dictionary, smooth)]], []
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


def _accounts(model: _Model, fit: _Fit, verdict: _Verdict, at: int) -> bool:
    """Whether a jump or kink is most of what is seen where it is, and a kink sharp, give or take two standard errors."""
    y, i = model.values, int(verdict.place)
    noise = 2 * np.sqrt(model.noise[i - 2 : i + 4].max())
    if verdict.order == 2:
        size, seen, slack = fit.sizes[at + 1], y[i + 2] - y[i + 1] - y[i] + y[i - 1], 2 * noise
        bends = np.abs(np.diff(y[i - 2 : i + 4], 2))[[0, -1]]
        if 2 * bends.max() > SHARP * abs(seen) + 5 * noise:
            return False
    else:
        size, seen, slack = fit.sizes[at], y[i + 1] - y[i], 2**0.5 * noise
    return bool(np.sign(size) * seen + slack > 0 and abs(size) > UNACCOUNTED[verdict.order == 2] * abs(seen) - slack)


def _break(fit: _Fit, verdict: _Verdict, at: int) -> Break:
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
        size, size_error = after - before, np.sqrt(variance)
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
