"""The area of a loop: ∮P dc, with what it leaves open."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from spinodal.analysis.branch import Branch
from spinodal.analysis.curves import grouped
from spinodal.analysis.deviation import standard_error
from spinodal.analysis.loops import Run


def loop_area(group: Sequence[Run]) -> dict[str, float]:
    """Compute ∮P dc, up minus down, over the values that both branches have; mean over seeds. For λ that is ∮‖θ‖² dλ.

    Args:
        group: Repetitions of one loop.

    Returns:
        `area`, `area_error` and `area_up`, ∫P dc of the way up; none if no run has two λ in common.
    """
    measured = [[each for run in own if (each := _area(run)) is not None] for own in grouped(group).values()]
    # Of several runs of one seed, on different grids, the one that leaves the least open.
    best = [min(own, key=lambda each: each[1]) for own in measured if own]
    if not best:
        return {}
    areas, gaps, residuals, ups = np.array(best).T
    # Runs share their grid, and so what it leaves open: that does not average out.
    error = math.hypot(standard_error(areas), math.sqrt(np.mean(gaps**2)), residuals.mean())
    return {"area": float(areas.mean()), "area_error": float(error), "area_up": float(ups.mean())}


def _area(run: Run) -> tuple[float, float, float, float] | None:
    """The area of one run, its errors from the gaps between λ and from residual gradients, and the area below it."""
    control, above, below = np.intersect1d(
        run.up.control, run.down.control, assume_unique=True, return_indices=True
    )
    if len(control) < 2:
        return None
    up, down = run.up.take(above), run.down.take(below)
    apart = up.penalty - down.penalty
    # A change of the distance may have come anywhere between two λ.
    gaps = math.sqrt(np.sum((np.diff(control) * np.diff(apart)) ** 2) / 12)
    below_up = float(np.trapezoid(up.penalty, control))
    return float(np.trapezoid(apart, control)), gaps, math.hypot(_residual(up), _residual(down)), below_up


def _residual(way: Branch) -> float:
    """How much ∫P dc may be off because ∇𝓛 is not quite zero.

    A residual along ∇P is a minimum at another c: ∇E + c∇P = g vanishes at c − g/‖∇P‖. A P that is nothing but a
    residual is not off by more than itself.
    """
    residual = np.nan_to_num(way.column("grad_max")) * np.sqrt(
        np.nan_to_num(way.column("parameters"), nan=1.0)
    )
    slope, push = np.abs(np.gradient(way.penalty, way.control)), way.column("penalty_gradient")
    off = np.fmin(slope * residual / np.maximum(push, np.finfo(float).tiny), np.abs(way.penalty))
    return float(np.trapezoid(off, way.control))
