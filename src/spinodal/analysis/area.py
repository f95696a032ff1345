"""The area of a loop: ∮‖θ‖² dλ, with what it leaves open."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
from jaxtyping import Float64

from spinodal.analysis.loops import Run


def loop_area(group: Sequence[Run]) -> dict[str, float]:
    """∮‖θ‖² dλ, up minus down, over the λ that both branches have; mean over runs.

    Args:
        group: Repetitions of one loop.

    Returns:
        `area` and `area_error`; neither if no run has two λ in common.
    """
    measured = [each for run in group if (each := _area(run)) is not None]
    if not measured:
        return {}
    areas, gaps, residuals = np.array(measured).T
    repeated = len(areas) > 1
    scatter = areas.std(ddof=1) / math.sqrt(len(areas)) if repeated else 0.0
    # Runs share their grid, and so what it leaves open: that does not average out.
    error = math.hypot(scatter, math.sqrt(np.mean(gaps**2)), residuals.mean())
    return {"area": float(areas.mean()), "area_error": float(error)}


def _area(run: Run) -> tuple[float, float, float] | None:
    """The area of one run, and its errors from the gaps between λ and from residual gradients."""
    both = run.up.join(run.down, on="l2", suffix="_down").sort("l2")
    if len(both) < 2:
        return None
    l2 = both["l2"].to_numpy()
    sizes = [both[name].to_numpy() ** 2 for name in ("norm", "norm_down")]
    apart = sizes[0] - sizes[1]
    # A change of the distance may have come anywhere between two λ.
    gaps = math.sqrt(np.sum((np.diff(l2) * np.diff(apart)) ** 2) / 12)
    residuals = [
        _residual(l2, size, both[f"grad_max{side}"].fill_null(0.0).to_numpy(), both["parameters"])
        for size, side in zip(sizes, ("", "_down"), strict=True)
    ]
    return float(np.trapezoid(apart, l2)), gaps, math.hypot(*residuals)


def _residual(
    l2: Float64[np.ndarray, " l"],
    size: Float64[np.ndarray, " l"],
    grad_max: Float64[np.ndarray, " l"],
    parameters: pl.Series,
) -> float:
    """How much ∫‖θ‖² dλ may be off because ∇𝓛 is not quite zero.

    A residual along θ is a minimum at another λ: ∇E + 2λθ = g vanishes at λ − g/2‖θ‖. ‖g‖ is at most √n max |g|.
    A ‖θ‖² that is nothing but a residual is not off by more than itself.
    """
    most = grad_max * np.sqrt(parameters.fill_null(1).to_numpy())
    slope = np.abs(np.gradient(size, l2))
    off = np.minimum(slope * most / (2 * np.sqrt(np.maximum(size, np.finfo(float).tiny))), size)
    return float(np.trapezoid(off, l2))
