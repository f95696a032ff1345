"""Jumps and kinks that no single trajectory shows beyond its noise, but their mean does."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int
from scipy.special import gammaln

from spinodal.analysis.branch import Branch
from spinodal.analysis.breaks import find_breaks
from spinodal.analysis.curves import by_seed
from spinodal.analysis.likelihood import EDGE

NEGLIGIBLE = 1e-4
"""Where the standard error of the mean is below this fraction of its range, each trajectory shows what there is."""

FLOOR = 3e-4
"""Errors count as at least this fraction of the range: no shape fits a curve better than that."""

SHARED = 2 / 3
"""A point of the mean is a λ that at least this fraction of the trajectories has."""

LONGEST = 64
"""Points that are looked at together: longer curves are taken in overlapping pieces."""

_AROUND = 11
"""Points that say how noisy trajectories are at some place."""


class Mean(NamedTuple):
    """The mean over seeds, for rising λ."""

    l2: Float64[np.ndarray, " l"]
    values: Float64[np.ndarray, " l"]
    errors: Float64[np.ndarray, " l"]
    """Its standard errors, from how the trajectories scatter about it."""
    trajectories: int
    """So many seeds, each with the mean of its trajectories."""


class PooledBreak(NamedTuple):
    """A jump or kink of the mean, for rising λ."""

    order: int | None
    """As of `Break`."""
    low: float
    high: float
    location: float
    location_error: float
    before: float
    after: float
    size: float
    """Of a jump: after − before. Of a kink: change of the slope over ln λ."""
    size_error: float


def mean_of(paths: Sequence[Branch]) -> Mean | None:
    """Average trajectories where most of them have a point; None if there are less than two or too few points.

    Those of one seed count as one. Each is first moved by its median distance from the others, so that points that
    some lack do not make steps. The errors are those of what scatters from point to point: what moves a whole
    trajectory moves no transition.

    Args:
        paths: Of one curve.
    """
    paths = _of_seeds([path for path in paths if len(path.l2)])
    if len(paths) < 2:
        return None
    l2, counts = np.unique(np.concatenate([path.l2 for path in paths]), return_counts=True)
    l2 = l2[counts >= max(2.0, SHARED * len(paths))]
    if len(l2) < 2 * EDGE + 2:
        return None
    table = np.full((len(paths), len(l2)), np.nan)
    known = np.zeros(len(l2))
    for row, path in zip(table, paths, strict=True):
        here = np.isin(path.l2, l2)
        at = np.searchsorted(l2, path.l2[here])
        row[at] = path.values[here]
        if path.errors is not None:
            known[at] += path.errors[here] ** 2
    table = table[np.isfinite(table).any(axis=1)]
    number = np.isfinite(table).sum(axis=0)
    apart = table - np.nanmean(table, axis=0)
    median = np.nanmedian if np.isnan(apart).any() else np.median  # which is ten times as fast
    table -= median(apart, axis=1, keepdims=True)
    mean = np.nanmean(table, axis=0)
    scatter = _scatter(table - mean)
    return Mean(l2, mean, np.sqrt(np.maximum(scatter / number, known / number**2)), len(table))


def _of_seeds(paths: Sequence[Branch]) -> list[Branch]:
    """The trajectories of each seed as one, for rising λ: where several have a point, their mean."""
    return [_joined(group) if len(group) > 1 else group[0] for group in by_seed(paths).values()]


def _joined(paths: Sequence[Branch]) -> Branch:
    l2, at, counts = np.unique(
        np.concatenate([path.l2 for path in paths]), return_inverse=True, return_counts=True
    )

    def mean(columns: Sequence[Float64[np.ndarray, " _"]]) -> Float64[np.ndarray, " m"]:
        return np.asarray(np.bincount(at, np.concatenate(columns)) / counts)

    errors = [path.errors for path in paths if path.errors is not None]
    return paths[0]._replace(
        l2=l2, values=mean([path.values for path in paths]), errors=mean(errors) if errors else None
    )


def _scatter(apart: Float64[np.ndarray, "t l"]) -> Float64[np.ndarray, " l"]:
    """Variance of one trajectory about the mean from point to point, from how far each is off its neighbours' line.

    The larger of that over the points around, and of a parabola through the standard deviations at all points: the
    former alone is too small here and there by chance, and jumps would be seen there.
    """
    second = apart[:, 1:-1] - 0.5 * (apart[:, :-2] + apart[:, 2:])
    freedom = np.maximum(np.isfinite(second).sum(axis=0) * (1 - 1 / len(apart)), 1.0)
    squares = np.nansum(second**2, axis=0) / 1.5
    window = np.ones(min(_AROUND, len(squares)))
    local = np.convolve(squares, window, "same") / np.convolve(freedom, window, "same")
    # Mean of the root of χ²/k over the root of its mean.
    shrunk = np.exp(gammaln(0.5 * (freedom + 1)) - gammaln(0.5 * freedom)) * np.sqrt(2 / freedom)
    x = np.linspace(-1, 1, len(local))
    deviation = np.sqrt(local)
    weights = 1 / np.maximum(deviation, 1e-3 * deviation.max() + np.finfo(np.float64).tiny)
    parabola = np.polynomial.polynomial.polyfit(
        x, np.sqrt(squares / freedom) / shrunk, 2, w=weights / weights.max()
    )
    everywhere = np.polynomial.polynomial.polyval(x, parabola)
    return np.pad(np.maximum(local, np.maximum(everywhere, 0.0) ** 2), 1, mode="edge")


def pooled_breaks(mean: Mean, power: float, known: Sequence[tuple[float, float]] = ()) -> list[PooledBreak]:
    """Find the jumps and kinks of the mean of trajectories.

    Args:
        mean: As `mean_of` returns it.
        power: Of λ, in which the observable is a straight line far from a transition.
        known: Brackets of transitions that are known: the curve is taken in pieces between them.

    Returns:
        From small to large λ.
    """
    extent = float(np.ptp(mean.values))
    if np.median(mean.errors) <= NEGLIGIBLE * extent:
        return []
    errors = np.hypot(mean.errors, FLOOR * extent)
    found = []
    ends = [0.0, *(end for bracket in sorted(known) for end in bracket), np.inf]
    for low, high in zip(ends[::2], ends[1::2], strict=True):
        piece = np.flatnonzero((mean.l2 >= low) & (mean.l2 <= high))
        for part, first, last in _parts(piece):
            l2 = mean.l2[part]
            for each in find_breaks(mean.values[part], errors[part], np.stack([l2, l2**power])):
                if first <= each.place < last:
                    points = np.arange(len(l2))
                    at, low_error, high_error = np.interp(
                        each.place + np.array([0, -1, 1]) * each.place_error, points, np.log(l2)
                    )
                    per_spacing = np.gradient(np.log(l2))[round(each.place)] if each.order == 2 else 1.0
                    found.append(
                        PooledBreak(
                            each.order,
                            float(l2[each.low]),
                            float(l2[each.high]),
                            float(np.exp(at)),
                            float(0.5 * (np.exp(high_error) - np.exp(low_error))),
                            each.before,
                            each.after,
                            float(each.size / per_spacing),
                            float(each.size_error / per_spacing),
                        )
                    )
    return found


def _parts(piece: Int[np.ndarray, " l"]) -> list[tuple[Int[np.ndarray, " p"], float, float]]:
    """Overlapping parts of a piece, and between which of its places each is to be believed."""
    if len(piece) <= LONGEST:
        return [(piece, -np.inf, np.inf)]
    step = LONGEST // 2
    starts = [*range(0, len(piece) - LONGEST, step), len(piece) - LONGEST]
    middles = [0.5 * (one + LONGEST + two) for one, two in pairwise(starts)]
    borders = [-np.inf, *middles, np.inf]
    return [
        (piece[start : start + LONGEST], low - start, high - start)
        for start, low, high in zip(starts, borders[:-1], borders[1:], strict=True)
    ]
