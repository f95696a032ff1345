"""Coexistence: the λ at which two phases of one network have equal 𝓛."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float64
from scipy.optimize import brentq

from spinodal import theory
from spinodal.analysis.branch import Branch
from spinodal.analysis.branches import Records
from spinodal.analysis.curves import CURVE, grouped, results
from spinodal.analysis.deep_linear import deep_linear
from spinodal.analysis.deviation import standard_error, stated
from spinodal.analysis.loops import Pair, Run, pairs, runs

_COLUMNS = (
    *("features", "seeds", "seeds_all", "control_coexistence", "control_coexistence_error"),
    *("loss", "error_learned", "error_left", "control_exact"),
)


class _Phase(NamedTuple):
    """A stretch of a trajectory on which one phase is followed, from small to large λ."""

    features: int
    control: Float64[np.ndarray, " l"]
    loss: Float64[np.ndarray, " l"]
    slope: Float64[np.ndarray, " l"]
    """d𝓛/dλ = ‖θ‖²."""

    def interpolated(self, every: int = 1) -> Any:
        """𝓛 over λ; from every second row, as a check. The last row counts always."""
        from scipy.interpolate import CubicHermiteSpline  # takes a while to import, and few reports need it

        rows = np.unique([*range(0, len(self.control), every), len(self.control) - 1])
        return CubicHermiteSpline(self.control[rows], self.loss[rows], self.slope[rows])


def coexistence(table: Records) -> pl.DataFrame:
    """Find where phases m and m − 1 have equal 𝓛, m the number of learned features, in the runs of every network.

    A phase is followed past coexistence only by going on with it: down from just after its jump. Along a branch of
    minima d𝓛/dλ = ‖θ‖² exactly, so that cubic Hermite interpolation between the rows knows 𝓛 and its slope at each.
    Only `evidence` is used.

    Returns:
        One row per network with a down branch and pair of phases: the columns of `CURVE` (those of the down branch),

        - `features`: m, learned on the lower side of λ; m − 1 on the other;
        - `control_coexistence`: mean over seeds; `control_coexistence_error`: the standard error over seeds and, in
          quadrature, how far it moves if every second row is left out; `seeds` that show it, of `seeds_all`;
        - `loss`: 𝓛 of both there; `error_learned`, `error_left`: E of phases m and m − 1;
        - `control_exact`: of a deep linear network within the range of λ, also where no seed shows it, because the
          phases were not followed there.
    """
    rows = []
    for pair in pairs(table):
        seeds = grouped(runs(pair)).values()
        found = [_crossed(own) for own in seeds]
        exact = _exact(pair)
        for m in sorted({*exact, *(m for own in found for m in own)}):
            shown = [own[m] for own in found if m in own]
            row = {"features": m, "seeds": len(shown), "seeds_all": len(seeds), "control_exact": exact.get(m)}
            rows.append(pair.down.names | row | _measured(shown))
    return results(rows, CURVE, _COLUMNS).sort(*CURVE, "features")


def _crossed(own: Sequence[Run]) -> dict[int, list[tuple[float, ...]]]:
    """Where phases in the runs of one seed have equal 𝓛, by the number of features of the upper one."""
    ways = [way for run in own for way in (run.up, run.down.take(np.s_[::-1]))]
    found: dict[int, list[tuple[float, ...]]] = {}
    for upper, lower in product([phase for way in ways for phase in _stretches(way)], repeat=2):
        if upper.features == lower.features + 1:
            for crossing in _crossings(upper, lower):
                found.setdefault(upper.features, []).append(crossing)
    return found


def _stretches(rising: Branch) -> Iterator[_Phase]:
    control, slope, features = rising.control, rising.penalty, rising.features
    loss = rising.rest + control * slope
    if len(control) < 2:
        return
    # 𝓛 of a branch of minima is concave in λ: where a secant is not between the slopes at its ends, it jumps.
    secant = np.diff(loss) / np.diff(control)
    rounding = 1e-6 * np.abs(slope[:-1]) + 1e-10 * np.abs(loss[1:]) / np.diff(control)
    # NaN, where nobody counted, is the same as nothing.
    same = np.diff(features) == 0
    same &= (slope[1:] - rounding <= secant) & (secant <= slope[:-1] + rounding)
    for part in np.split(np.arange(len(control)), np.flatnonzero(~same) + 1):
        if len(part) > 1:
            yield _Phase(int(features[part[0]]), control[part], loss[part], slope[part])


def _crossings(upper: _Phase, lower: _Phase) -> Iterator[tuple[float, ...]]:
    """λ at which two phases have equal 𝓛, by how much it moves with half the rows, 𝓛 and E of either there."""
    low, high = max(upper.control[0], lower.control[0]), min(upper.control[-1], lower.control[-1])
    if low >= high:
        return
    first, second = upper.interpolated(), lower.interpolated()
    nodes = np.unique([low, high, *(x for x in (*upper.control, *lower.control) if low < x < high)])
    apart = first(nodes) - second(nodes)
    for i in np.flatnonzero((apart[:-1] < 0) & (apart[1:] >= 0)):
        at = brentq(lambda x: float(first(x) - second(x)), nodes[i], nodes[i + 1], xtol=1e-14, rtol=1e-13)
        # With half the rows the difference is another one, of nearly the same slope.
        coarse = upper.interpolated(2)(at) - lower.interpolated(2)(at)
        slopes = float(first(at, 1)), float(second(at, 1))
        moved = abs(float(coarse) / (slopes[0] - slopes[1]))
        loss = float(first(at))
        yield at, moved, loss, loss - at * slopes[0], loss - at * slopes[1]


def _measured(seeds: Sequence[Sequence[tuple[float, ...]]]) -> dict[str, Any]:
    if not seeds:
        return {}
    values = np.array([np.mean(crossings, axis=0) for crossings in seeds])
    at, moved, loss, learned, left = values.mean(axis=0).tolist()
    return {
        "control_coexistence": at,
        "control_coexistence_error": stated(math.hypot(standard_error(values[:, 0]), moved), at),
        "loss": loss,
        "error_learned": learned,
        "error_left": left,
    }


def _exact(pair: Pair) -> dict[int, float]:
    """λ_co of the m-th feature by m, within the range of λ."""
    exact = deep_linear(pair.up.records)
    if exact is None or exact.depth == 2:
        return {}
    order = theory.by_spinodal(exact.strengths, exact.depth, exact.variances)
    at = exact.coexistences[order]
    control = np.concatenate([branch.path for branch in pair.up.branches])
    low, high = (float(end) for end in (control.min(), control.max()))
    return {m: float(place) for m, place in enumerate(at, start=1) if low < place < high}
