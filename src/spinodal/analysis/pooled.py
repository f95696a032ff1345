"""Jumps and kinks that no single trajectory shows beyond its noise, but their mean does."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int
from numpy.polynomial import polynomial
from scipy.special import gammaln

from spinodal.analysis.branch import Branch
from spinodal.analysis.breaks import Break, find_breaks
from spinodal.analysis.curves import grouped
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
"""Points whose mean square is the noise of all trajectories at some place."""


class Mean(NamedTuple):
    """The mean over seeds, for rising λ."""

    control: Float64[np.ndarray, " l"]
    values: Float64[np.ndarray, " l"]
    errors: Float64[np.ndarray, " l"]
    """Its standard errors, from how the trajectories scatter about it."""
    trajectories: int
    """So many seeds, each with the mean of its trajectories."""


def mean_of(paths: Sequence[Branch]) -> Mean | None:
    """Average trajectories where most of them have a point; None if there are less than two or too few points.

    Those of one seed count as one. Each is first moved by its median distance from the others, so that points that
    some lack do not make steps. The errors are those of what scatters from point to point: what moves a whole
    trajectory moves no transition.
    """
    seeds = list(grouped(path for path in paths if len(path.control)).values())
    if len(seeds) < 2:
        return None
    own = [np.unique(np.concatenate([path.control for path in seed])) for seed in seeds]
    control, counts = np.unique(np.concatenate(own), return_counts=True)
    control = control[counts >= max(2.0, SHARED * len(seeds))]
    if len(control) < 2 * EDGE + 2:
        return None
    times, table, errors = np.zeros((3, len(seeds), len(control)))
    for row, path in ((row, path) for row, seed in enumerate(seeds) for path in seed):
        here = np.isin(path.control, control)
        at = row, np.searchsorted(control, path.control[here])
        times[at] += 1
        table[at] += path.values[here]
        errors[at] += 0.0 if path.errors is None else path.errors[here]
    table /= np.where(times > 0, times, np.nan)
    known = ((errors / np.maximum(times, 1)) ** 2).sum(axis=0)
    table = table[np.isfinite(table).any(axis=1)]
    number = np.isfinite(table).sum(axis=0)
    apart = table - np.nanmean(table, axis=0)
    median = np.nanmedian if np.isnan(apart).any() else np.median  # which is ten times as fast
    table -= median(apart, axis=1, keepdims=True)
    mean = np.nanmean(table, axis=0)
    variance = np.maximum(_scatter(table - mean) / number, known / number**2)
    return Mean(control, mean, np.sqrt(variance), len(table))


def _scatter(apart: Float64[np.ndarray, "t l"]) -> Float64[np.ndarray, " l"]:
    """Return the variance of one trajectory about the mean from point to point, off the line of its neighbours.

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
    x, deviation = np.linspace(-1, 1, len(local)), np.sqrt(local)
    weights = 1 / np.maximum(deviation, 1e-3 * deviation.max() + np.finfo(np.float64).tiny)
    parabola = polynomial.polyfit(x, np.sqrt(squares / freedom) / shrunk, 2, w=weights / weights.max())
    everywhere = np.maximum(polynomial.polyval(x, parabola), 0.0)
    return np.pad(np.maximum(local, everywhere**2), 1, mode="edge")


def pooled_breaks(mean: Mean, power: float, known: Sequence[tuple[float, float]] = ()) -> list[Break]:
    """Find the jumps and kinks of the mean of trajectories, with λ for places, and slopes over ln λ.

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
        piece = np.flatnonzero((mean.control >= low) & (mean.control <= high))
        for part, first, last in _parts(piece):
            control = mean.control[part]
            breaks = find_breaks(mean.values[part], errors[part], np.stack([control, control**power]))
            found += [_over_control(each, control) for each in breaks if first <= each.location < last]
    return found


def _parts(piece: Int[np.ndarray, " l"]) -> list[tuple[Int[np.ndarray, " p"], float, float]]:
    """Cut a piece into overlapping parts, each with the two of its places between which it is to be believed."""
    longest = len(piece) - LONGEST
    starts = [*range(0, longest, LONGEST // 2), max(0, longest)]
    middles = [0.5 * (one + LONGEST + two) for one, two in pairwise(starts)]
    return [
        (piece[start : start + LONGEST], low - start, high - start)
        for start, (low, high) in zip(starts, pairwise([-np.inf, *middles, np.inf]), strict=True)
    ]


def _over_control(each: Break, control: Float64[np.ndarray, " p"]) -> Break:
    """Return the same break with λ for the points of the grid."""
    places = each.location + np.array([0, -1, 1]) * each.location_error
    at, low, high = np.exp(np.interp(places, np.arange(len(control)), np.log(control)))
    per_spacing = np.gradient(np.log(control))[round(each.location)] if each.order == 2 else 1.0
    return each._replace(
        low=float(control[int(each.low)]),
        high=float(control[int(each.high)]),
        location=float(at),
        location_error=float(0.5 * (high - low)),
        size=float(each.size / per_spacing),
        size_error=float(each.size_error / per_spacing),
    )
