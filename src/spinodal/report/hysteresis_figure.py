"""The figure of loops: ‖θ‖² and 𝓛 up and down, the area between them, spinodals and coexistence, depth by depth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

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


class Loops(NamedTuple):
    """What is drawn of one network."""

    title: str
    """Above its panels."""
    records: pl.DataFrame
    """Of its branches."""
    loops: pl.DataFrame
    """As `Findings.hysteresis`."""
    phases: pl.DataFrame
    """As `Findings.coexistence`."""


def draw_loops(networks: Sequence[Loops]) -> Figure:
    """Draw the ways of every run of some networks, up and down, against λ on a log axis, a column per network.

    Above ‖θ‖², whose area between the ways is shaded run by run; below 𝓛, with circles where phases were found to
    have equal 𝓛. What is exact is drawn where the theory applies, and where the noise of the way down must reach.

    Args:
        networks: At least one. Their panels share the axes of ‖θ‖² and 𝓛.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(1.4 + 3.4 * len(networks), 5.4), layout="constrained")
        grid = figure.subplots(2, len(networks), squeeze=False, sharex="col", sharey="row")
        columns: list[list[Axes]] = [list(axes) for axes in grid.T]
        exact = [_ways(axes, network) for axes, network in zip(columns, networks, strict=True)]
        for panel, label in zip(columns[0], (r"$\Vert\theta\Vert^2$", r"loss $\mathcal{L}$"), strict=True):
            panel.set_ylabel(label)
        handles: dict[str, Artist] = {}
        for axes, network, theirs in zip(columns, networks, exact, strict=True):
            if theirs is not None:
                _exact(axes, theirs)
            _compared(axes, network)
            handles |= {str(each.get_label()): each for each in _legend(network, theirs)}
        figure.align_ylabels()
        ncols = 4 if len(networks) == 1 else len(handles)
        figure.legend(handles=list(handles.values()), loc="outside lower center", ncols=ncols)
    return figure


def _ways(axes: Sequence[Axes], network: Loops) -> DeepLinear | None:
    """Draw what was measured, and return the exact theory of it."""
    rows = network.records.filter(pl.col("control_value") > 0)
    known = list(pairs(rows))
    found = [run for pair in known for run in runs(pair)]
    axes[0].set_title(network.title, pad=16)
    for run in found:
        _run(axes, run, 0.5 / len(found))
    panels.scale_control(axes[-1], rows)
    return next((each for pair in known if (each := deep_linear(pair.up.records)) is not None), None)


def _run(axes: Sequence[Axes], run: Run, shade: float) -> None:
    for branch, way in (("up", run.up), ("down", run.down)):
        style = {**BRANCHES[branch], "markersize": 2.4}
        for panel, values in zip(axes, (way.penalty, way.rest + way.control * way.penalty), strict=True):
            panel.plot(way.control, values, **style)
            panel.plot(way.control, values, color=style["color"], linewidth=0.7, alpha=0.5)
    control, above, below = np.intersect1d(run.up.control, run.down.control, return_indices=True)
    axes[0].fill_between(
        control, run.up.penalty[above], run.down.penalty[below], alpha=max(0.03, shade), **AREA
    )


def _exact(axes: Sequence[Axes], exact: DeepLinear) -> None:
    """The phases, and where each ends and is as good as the next."""
    control, _ = panels.branch_grid(axes[0], exact)
    heights = [panel.get_ylim() for panel in axes]
    for state in theory.phases(control, exact.strengths, exact.depth, exact.variances):
        held = state.minimum | (exact.depth > 2)
        for panel, values in zip(axes, (state.norm_squared, state.loss), strict=True):
            panel.plot(control, np.where(held, values, np.nan), **EXACT)
    for panel, height in zip(axes, heights, strict=True):
        panel.set_ylim(height)
    panels.mark_spinodals(axes, exact)
    low, high = axes[0].get_xlim()
    for at in exact.coexistences if exact.depth > 2 else ():
        if low < at < high:
            for panel in axes:
                panel.axvline(at, **COEXISTENCE)


def _compared(axes: Sequence[Axes], network: Loops) -> None:
    """Where noise must reach, and coexistence as measured: both phases have this 𝓛 there."""
    reached = (
        network.loops.select("control_reach", "control_reach_spread").drop_nulls().unique(maintain_order=True)
    )
    for at, spread in reached.iter_rows():
        for panel in axes:
            panel.axvspan(at - spread, at + spread, **REACH)
    found = network.phases.drop_nulls("control_coexistence")
    axes[1].plot(found["control_coexistence"], found["loss"], **EQUAL)


def _legend(network: Loops, exact: DeepLinear | None) -> Iterator[Artist]:
    for branch in ("up", "down"):
        yield Line2D([], [], **{**BRANCHES[branch], "alpha": 1.0, "linestyle": "-"}, label=branch)
    yield Patch(alpha=0.5, **AREA, label="area")
    if network.phases["control_coexistence"].is_not_null().any():
        yield Line2D([], [], **EQUAL, label=r"equal $\mathcal{L}$")
    if exact is not None:
        yield Line2D([], [], **EXACT, label="exact phases")
        yield Line2D(
            [], [], **SPINODAL, label=r"$\lambda_\mathrm{sp}(c_k)$" if exact.depth > 2 else "$c_k/2$"
        )
        if exact.depth > 2:
            yield Line2D([], [], **COEXISTENCE, label=r"$\lambda_\mathrm{co}(c_k)$")
    if network.loops["control_reach"].is_not_null().any():
        yield Patch(**REACH, label="noise reaches")
