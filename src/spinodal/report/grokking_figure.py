"""Figures of grokking: training and test curves with geometry beneath, and times against λ and noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from spinodal.analysis import order_parameter
from spinodal.analysis.grokking import TIMES
from spinodal.report import panels
from spinodal.report.numbers import number
from spinodal.report.style import CURVES, SPINODAL, STYLE, ZERO

PANELS = {
    "accuracy": "accuracy",
    "error": "$E$",
    "scalar_curvature": "$R$",
    "soft_mode": "soft mode",
    "norm": r"$\Vert\theta\Vert$",
}
"""Columns of the panels, those of them that were measured, and their labels."""

COUNT = "features"
"""Label of the panel for what counts them."""

AXES = {
    "control_value": r"strength of the L2 term, $\lambda$",
    "temperature": "temperature, $T$",
    "batch": "batch size, $B$",
}
"""What times are drawn against."""

CONDITION = tuple(AXES)
"""What a network is trained under."""

WHITE = {"markerfacecolor": "white"}
MARKERS: dict[str, tuple[str, dict[str, Any]]] = {
    "fit": ("fitted", {"marker": "s", **WHITE}),
    "leave": ("left the plateau", {"marker": "^", **WHITE}),
    "generalise": ("generalised", {"marker": "o"}),
}


class Series(NamedTuple):
    """Times of networks that differ in one thing."""

    axis: str
    """One of `AXES`."""
    name: str
    found: pl.DataFrame
    """As `analysis.grokking` returns it."""


@rc_context(STYLE)
def draw_grokking(rows: pl.DataFrame) -> Figure:
    """Draw accuracy and E on training and test data against steps, and beneath it what else was measured.

    Args:
        rows: Of one network, at every λ and under all noise it was trained with.
    """
    labels = {**PANELS, order_parameter(rows): COUNT}
    labels = {name: label for name, label in labels.items() if rows[name].drop_nans().n_unique() > 1}
    conditions = rows.select(CONDITION).unique().sort(CONDITION)
    trajectories = rows.sort("trained_steps").partition_by(*CONDITION, "point", as_dict=True)
    figure, axes = panels.stack(labels, 5.4, 1.0 + 1.7 * len(labels))
    handles = []
    for colour, condition in zip(CURVES, conditions.iter_rows(named=True), strict=False):
        label = condition_name(condition, varied(conditions))
        handles.append(panels.line(label, {"color": colour, "linewidth": 1.2}))
        for (*under, _), one in trajectories.items():
            if under == list(condition.values()):
                for column, panel in axes.items():
                    _draw(panel, one, column, colour)
    handles.append(panels.line("test", {"color": "0.4", "linewidth": 1, "linestyle": "--"}))
    for column, panel in axes.items():
        _scale(panel, rows[column].drop_nans(), column)
    panel.set(xscale="log", xlabel="steps")
    return panels.finish(figure, handles, ncols=4)


@rc_context(STYLE)
def draw_times(series: Sequence[Series]) -> Figure:
    """Draw when networks fit, leave their plateau and generalise, against λ and against noise.

    Args:
        series: Of networks, one panel for each of `AXES` among them.
    """
    drawn = {axis: own for axis in AXES if (own := [each for each in series if each.axis == axis])}
    size = (0.8 + 3.7 * len(drawn), 3.6 + 0.2 * max(map(len, drawn.values())))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(1, len(drawn), squeeze=False, sharey=True)[0]
    axes[0].set_ylabel("steps")
    for panel, (axis, own) in zip(axes, drawn.items(), strict=True):
        panel.set(yscale="log", xlabel=AXES[axis])
        _ticks(panel, sorted({value for each in own for value in each.found[axis]}))
        for colour, each in zip(CURVES, own, strict=False):
            panel.plot([], [], color=colour, label=each.name)
            for name in MARKERS:
                _times(panel, each, name, colour)
        if axis == "control_value":
            _guide(panel, own)
        panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16))
    shape = {"color": "0.4", "linestyle": "none", "markersize": 4.5}
    shapes = [panels.line(label, {**shape, **style}) for label, style in MARKERS.values()]
    figure.legend(handles=shapes, loc="outside upper center", ncols=3)
    return figure


def varied(conditions: pl.DataFrame) -> list[str]:
    """Return the columns in which some conditions differ; λ if they are one."""
    names = [name for name in conditions.columns if conditions[name].n_unique() > 1]
    return names or ["control_value"]


def condition_name(condition: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return the name of a condition by some of λ, T and B, as in λ = 0.001, T = 10⁻⁵."""
    signs = {"control_value": "λ", "temperature": "T", "batch": "B"}
    parts = (f"{signs[name]} = {number(condition[name])}" for name in names if condition[name] is not None)
    return ", ".join(parts) or "no noise"


def _draw(panel: Axes, one: pl.DataFrame, column: str, colour: str) -> None:
    """Draw one trajectory, dashed on test data; not everything is measured at every look."""
    style: dict[str, Any] = {"color": colour, "linewidth": 0.9, "alpha": 0.8}
    part = one.drop_nulls(column)
    few: dict[str, Any] = {"marker": ".", "markersize": 3} if len(part) < len(one) else {}
    panel.plot(part["trained_steps"], part[column], **style, **few)
    if column in ("accuracy", "error"):
        test = one.drop_nulls(f"test_{column}")
        panel.plot(test["trained_steps"], test[f"test_{column}"], linestyle="--", **style)


def _scale(panel: Axes, values: pl.Series, column: str) -> None:
    if column in ("learned_features", "rank"):
        panel.set_ylim(bottom=0)
    if column not in ("error", "scalar_curvature", "soft_mode"):
        return
    known = values.drop_nulls().drop_nans().to_numpy()
    if known.min() > 0:
        panel.set_yscale("log")
        return
    panel.axhline(0, **ZERO)
    panel.set_yscale("symlog", linthresh=10 ** np.floor(np.log10(np.abs(known).max()) - 3))
    panel.set_ylim(2 * known.min(), 2 * known.max())


def _times(panel: Axes, series: Series, name: str, colour: str) -> None:
    found = series.found.drop_nulls(f"{name}_steps").sort(series.axis)
    all_did = pl.col(TIMES[name]) == pl.col("seeds")
    part, least = found.filter(all_did), found.filter(~all_did)
    steps, factor = part[f"{name}_steps"].to_numpy(), part[f"{name}_factor"].fill_null(1.0).to_numpy()
    style = {"color": colour, "markersize": 4, "linewidth": 0.8, **MARKERS[name][1]}
    errors = [steps - steps / factor, steps * factor - steps]
    panel.errorbar(part[series.axis], steps, yerr=errors, capsize=1.5, **style)
    # Where not all seeds did, it takes at least as long as the mean of those that did.
    bounds = least[f"{name}_steps"].to_numpy()
    panel.errorbar(least[series.axis], bounds, yerr=bounds / 2, lolims=True, linestyle="none", **style)


def _ticks(panel: Axes, values: Sequence[float]) -> None:
    """Make a logarithmic axis with a tick at each value; T = 0 has its place on it, too."""
    if values[0] == 0:
        panel.set_xscale("symlog", linthresh=values[1])
    else:
        panel.set_xscale("log")
    panel.set_xticks(values, [f"{value:g}" for value in values])
    panel.xaxis.set_minor_locator(NullLocator())


def _guide(panel: Axes, series: Sequence[Series]) -> None:
    """Draw steps ∝ 1/λ, above the longest times that there are."""
    times = (each.found.drop_nulls("generalise_steps") for each in series)
    known = [each.select("control_value", "generalise_steps").to_numpy() for each in times if len(each) > 1]
    if not known:
        return
    control, steps = np.concatenate(known).T
    scale, ends = 1.4 * (steps * control).max(), np.array([control.min(), control.max()])
    panel.plot(ends, scale / ends, **{**SPINODAL, "color": "0.5", "linewidth": 0.8})
    middle = float(np.sqrt(ends.prod()))
    where = (middle, 1.05 * scale / middle)
    panel.annotate(r"$\propto 1/\lambda$", where, color="0.4", va="bottom", fontsize=9)
