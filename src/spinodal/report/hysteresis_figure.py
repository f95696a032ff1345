"""The figure of a loop: ‖θ‖² and 𝓛 up and down, the area between them, spinodals and coexistence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from spinodal import theory
from spinodal.analysis import DeepLinear, Run, deep_linear, pairs, runs
from spinodal.report import panels
from spinodal.report.names import CurveName
from spinodal.report.style import BRANCHES, EXACT, SPINODAL, STYLE

COEXISTENCE: dict[str, Any] = {"color": "#009E73", "linewidth": 1.0, "linestyle": (0, (5, 1.5, 1, 1.5))}
EQUAL: dict[str, Any] = {
    "color": "#009E73",
    "marker": "o",
    "markersize": 5.0,
    "markerfacecolor": "none",
    "linestyle": "none",
    "zorder": 5,
}
AREA: dict[str, Any] = {"color": "#E69F00", "linewidth": 0}
REACH: dict[str, Any] = {"facecolor": BRANCHES["down"]["color"], "alpha": 0.16, "linewidth": 0}


def draw_loops(records: pl.DataFrame, loops: pl.DataFrame, phases: pl.DataFrame, name: CurveName) -> Figure:
    """Draw the ways of every run of a network, up and down, against λ on a log axis.

    Above ‖θ‖², whose area between the ways is shaded run by run; below 𝓛, with circles where phases were found to
    have equal 𝓛. What is exact is drawn where the theory applies, and where the noise of the way down must reach.

    Args:
        records: Of the up and down branches of one network.
        loops: What `analysis.hysteresis` says of them.
        phases: What `analysis.coexistence` says.
        name: Of the branches.
    """
    rows = records.filter(pl.col("l2") > 0)
    known = list(pairs(rows))
    found = [run for pair in known for run in runs(pair)]
    exact = next((each for pair in known if (each := deep_linear(pair.up.records)) is not None), None)
    with rc_context(STYLE):
        figure = Figure(figsize=(4.8, 5.6), layout="constrained")
        axes: list[Axes] = list(figure.subplots(2, sharex=True))
        figure.suptitle(panels.title(name, rows), linespacing=1.05)
        for panel, label in zip(axes, (r"$\Vert\theta\Vert^2$", r"loss $\mathcal{L}$"), strict=True):
            panel.set_ylabel(label)
        for run in found:
            _run(axes, run, 0.5 / len(found))
        panels.scale_l2(axes[-1], rows)
        if exact is not None:
            _exact(axes, exact)
        for at, spread in (
            loops.select("l2_reach", "l2_reach_spread").drop_nulls().unique(maintain_order=True).iter_rows()
        ):
            for panel in axes:
                panel.axvspan(at - spread, at + spread, **REACH)
        _equal(axes[1], phases)
        figure.align_ylabels()
        figure.legend(handles=_legend(loops, phases, exact), loc="outside lower center", ncols=4)
    return figure


def _run(axes: Sequence[Axes], run: Run, shade: float) -> None:
    for branch, way in (("up", run.up), ("down", run.down)):
        style = {**BRANCHES[branch], "markersize": 2.4}
        for panel, values in zip(axes, (way.size, way.error + way.l2 * way.size), strict=True):
            panel.plot(way.l2, values, **style)
            panel.plot(way.l2, values, color=style["color"], linewidth=0.7, alpha=0.5)
    l2, above, below = np.intersect1d(run.up.l2, run.down.l2, return_indices=True)
    axes[0].fill_between(l2, run.up.size[above], run.down.size[below], alpha=max(0.03, shade), **AREA)


def _exact(axes: Sequence[Axes], exact: DeepLinear) -> None:
    """The phases, and where each ends and is as good as the next."""
    l2, _ = panels.branch_grid(axes[0], exact)
    heights = [panel.get_ylim() for panel in axes]
    for state in theory.phases(l2, exact.strengths, exact.depth, exact.variances):
        held = state.minimum | (exact.depth > 2)
        for panel, values in zip(axes, (state.norm_squared, state.loss), strict=True):
            panel.plot(l2, np.where(held, values, np.nan), **EXACT)
    for panel, height in zip(axes, heights, strict=True):
        panel.set_ylim(height)
    panels.mark_spinodals(axes, exact)
    low, high = axes[0].get_xlim()
    for at in theory.coexistence(exact.strengths, exact.depth, exact.variances) if exact.depth > 2 else ():
        if low < at < high:
            for panel in axes:
                panel.axvline(at, **COEXISTENCE)


def _equal(panel: Axes, phases: pl.DataFrame) -> None:
    """Coexistence as measured: both phases have this 𝓛 there."""
    found = phases.drop_nulls("l2_coexistence")
    panel.plot(found["l2_coexistence"], found["loss"], **EQUAL)


def _legend(loops: pl.DataFrame, phases: pl.DataFrame, exact: DeepLinear | None) -> list[Artist]:
    handles: list[Artist] = [
        Line2D([], [], **{**BRANCHES[branch], "alpha": 1.0, "linestyle": "-"}, label=branch)
        for branch in ("up", "down")
    ]
    handles.append(Patch(alpha=0.5, **AREA, label="area"))
    if phases["l2_coexistence"].is_not_null().any():
        handles.append(Line2D([], [], **EQUAL, label=r"equal $\mathcal{L}$"))
    if exact is not None:
        handles.append(Line2D([], [], **EXACT, label="exact phases"))
        sign = r"$\lambda_\mathrm{sp}(c_k)$" if exact.depth > 2 else "$c_k/2$"
        handles.append(Line2D([], [], **SPINODAL, label=sign))
        if exact.depth > 2:
            handles.append(Line2D([], [], **COEXISTENCE, label=r"$\lambda_\mathrm{co}(c_k)$"))
    if loops["l2_reach"].is_not_null().any():
        handles.append(Patch(**REACH, label="noise reaches"))
    return handles
