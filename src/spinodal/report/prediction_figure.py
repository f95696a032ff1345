"""The predicted phase diagram of a task: every phase over λ, how far it reaches and where it is the global minimum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Bool, Float64
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spinodal import theory
from spinodal.report import panels
from spinodal.report.names import CurveName
from spinodal.report.style import SPINODAL, STYLE

GLOBAL: dict[str, Any] = {"linewidth": 2.6, "solid_capstyle": "butt"}
METASTABLE: dict[str, Any] = {"linewidth": 1.0}
UNSTABLE: dict[str, Any] = {"linewidth": 0.9, "linestyle": (0, (1, 1.5))}
COEXISTENCE: dict[str, Any] = {"color": "black", "linewidth": 0.6}

FARTHEST = 1e-4
"""Features that die below this fraction of the onset's λ are left of the figure."""


def draw_prediction(name: CurveName, network: theory.DeepLinear, zero_error: float) -> Figure:
    """Draw extent, E and ‖θ‖² of the phases m = 0 … K against λ on a log axis.

    A phase is drawn thick where it is the global minimum, thin where it is another minimum, dotted where it is
    stationary but no minimum.

    Args:
        name: Of task and network.
        network: with the task; the title has whether it is exact or an estimate.
        zero_error: E₀ of the zero function.
    """
    depth, edges, equal = network.depth, network.spinodals, network.coexistences
    l2 = _grid(edges, equal)
    features = (network.strengths, depth, network.variances, zero_error)
    phases, best = theory.phases(l2, *features), theory.global_minimum(l2, *features)
    colours = colormaps["viridis"](np.linspace(0.92, 0, len(phases)))
    with rc_context(STYLE):
        figure = Figure(figsize=(4.8, 6.2), layout="constrained")
        extent, error, norm = axes = list(figure.subplots(3, sharex=True))
        kind = "exact" if network.exact else "estimate"
        figure.suptitle(f"{name.data}\n{name.model}: {kind}", linespacing=1.05)
        for m, (phase, colour) in enumerate(zip(phases, colours, strict=True)):
            chosen = best.learned == m
            _draw(extent, phase, np.where(phase.exists, m, np.nan), chosen, colour)
            _draw(error, phase, phase.error, chosen, colour)
            _draw(norm, phase, phase.norm_squared, chosen, colour)
        extent.set_ylabel("phase $m$")
        extent.set_ylim(-0.6, len(phases) - 0.4)
        extent.set_yticks(range(0, len(phases), 1 + len(phases) // 12))
        error.set_ylabel("error $E$")
        norm.set_ylabel(r"$\Vert\theta\Vert^2$")
        panels.scale_control(norm, pl.DataFrame({"control_value": l2}))
        _mark(axes, edges, equal, depth)
        figure.align_ylabels()
        turning = any((phase.exists & ~phase.minimum).any() for phase in phases)
        figure.legend(handles=_legend(depth, turning), loc="outside lower center", ncols=5)
    return figure


def _grid(edges: Float64[np.ndarray, " k"], equal: Float64[np.ndarray, " k"]) -> Float64[np.ndarray, " l"]:
    """λ around all transitions, with both sides of each: phases end there."""
    low, high = max(0.5 * equal.min(), FARTHEST * edges.max()), 1.5 * edges.max()
    sides = np.outer([1 - 1e-12, 1 + 1e-12], np.concatenate([edges, equal])).ravel()
    return np.sort(np.concatenate([np.geomspace(low, high, 600), sides[sides > low]]))


def _draw(
    panel: Axes,
    phase: theory.State,
    values: Float64[np.ndarray, " l"],
    chosen: Bool[np.ndarray, " l"],
    colour: Any,
) -> None:
    for where, style in (
        (phase.exists & ~phase.minimum, UNSTABLE),
        (phase.minimum & ~chosen, METASTABLE),
        (phase.exists & chosen, GLOBAL),
    ):
        panel.plot(phase.l2, np.where(where, values, np.nan), color=colour, **style)


def _mark(
    axes: Sequence[Axes], edges: Float64[np.ndarray, " k"], equal: Float64[np.ndarray, " k"], depth: int
) -> None:
    """Lines at every λ_sp and λ_co, with the feature's name above its spinodal."""
    low, high = axes[0].get_xlim()
    above = axes[0].get_xaxis_transform()
    for k, (edge, at) in enumerate(zip(edges, equal, strict=True), start=1):
        for panel in axes:
            panel.axvline(edge, zorder=0, **SPINODAL)
            if depth > 2:
                panel.axvline(at, zorder=0, **COEXISTENCE)
        if low < edge < high and len(edges) <= 12:
            axes[0].text(
                edge, 1.03, f"$c_{{{k}}}$", transform=above, ha="center", va="bottom", fontsize="small"
            )
    axes[0].set_xlim(low, high)


def _legend(depth: int, turning: bool) -> list[Line2D]:
    handles = [Line2D([], [], color="0.4", **GLOBAL, label="global minimum")]
    if depth > 2:
        handles.append(Line2D([], [], color="0.4", **METASTABLE, label="metastable"))
    if turning:
        handles.append(Line2D([], [], color="0.4", **UNSTABLE, label="saddle"))
    handles.append(Line2D([], [], **SPINODAL, label=r"$\lambda_\mathrm{sp}$" if depth > 2 else "$c_k/2$"))
    if depth > 2:
        handles.append(Line2D([], [], **COEXISTENCE, label=r"$\lambda_\mathrm{co}$"))
    return handles
