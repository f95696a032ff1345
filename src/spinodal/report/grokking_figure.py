"""Figures of grokking: training and test curves with geometry beneath, and times against λ and noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from spinodal.analysis import order_parameter
from spinodal.analysis.grokking import TIMES
from spinodal.report.numbers import number
from spinodal.report.style import CURVES, STYLE, ZERO

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

TESTED = {"accuracy": "test_accuracy", "error": "test_error"}
"""Panels with a second curve, dashed: the same on test data."""

AXES = {
    "control_value": r"strength of the L2 term, $\lambda$",
    "temperature": "temperature, $T$",
    "batch": "batch size, $B$",
}
"""What times are drawn against."""

CONDITION = tuple(AXES)
"""What a network is trained under."""

MARKERS = {"fit": ("s", "fitted"), "leave": ("^", "left the plateau"), "generalise": ("o", "generalised")}


class Series(NamedTuple):
    """Times of networks that differ in one thing."""

    axis: str
    """One of `AXES`."""
    name: str
    found: pl.DataFrame
    """As `analysis.grokking` returns it."""


def draw_grokking(rows: pl.DataFrame) -> Figure:
    """Draw accuracy and E on training and test data against steps, and beneath it what else was measured.

    Args:
        rows: Of one network, at every λ and under all noise it was trained with.
    """
    panels_of = {**PANELS, order_parameter(rows): COUNT}
    measured = {name: label for name, label in panels_of.items() if rows[name].drop_nans().n_unique() > 1}
    conditions = rows.select(CONDITION).unique().sort(CONDITION)
    trajectories = rows.sort("trained_steps").partition_by(*CONDITION, "point", as_dict=True)
    with rc_context(STYLE):
        figure = Figure(figsize=(5.4, 1.0 + 1.7 * len(measured)), layout="constrained")
        panels = figure.subplots(len(measured), sharex=True, squeeze=False)[:, 0]
        for colour, condition in zip(CURVES, conditions.iter_rows(named=True), strict=False):
            label = condition_name(condition, varied(conditions))
            panels[0].plot([], [], color=colour, linewidth=1.2, label=label)
            for (*under, _), one in trajectories.items():
                if under == list(condition.values()):
                    for panel, column in zip(panels, measured, strict=True):
                        _draw(panel, one, column, colour)
        panels[0].plot([], [], color="0.4", linewidth=1, linestyle="--", label="test")
        for panel, (column, label) in zip(panels, measured.items(), strict=True):
            panel.set_ylabel(label)
            _scale(panel, rows[column].drop_nans(), column)
        panels[-1].set(xscale="log", xlabel="steps")
        figure.align_ylabels()
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def draw_times(series: Sequence[Series]) -> Figure:
    """Draw when networks fit, leave their plateau and generalise, against λ and against noise.

    Args:
        series: Of networks, one panel for each of `AXES` among them.
    """
    axes = [axis for axis in AXES if any(each.axis == axis for each in series)]
    most = max(sum(each.axis == axis for each in series) for axis in axes)
    with rc_context(STYLE):
        figure = Figure(figsize=(0.8 + 3.7 * len(axes), 3.6 + 0.2 * most), layout="constrained")
        panels = figure.subplots(1, len(axes), squeeze=False, sharey=True)[0]
        for panel, axis in zip(panels, axes, strict=True):
            own = [each for each in series if each.axis == axis]
            panel.set(yscale="log", xlabel=AXES[axis])
            _ticks(panel, axis, sorted({value for each in own for value in each.found[axis]}))
            for colour, each in zip(CURVES, own, strict=False):
                panel.plot([], [], color=colour, label=each.name)
                for name in MARKERS:
                    _times(panel, each, name, colour)
            if axis == "control_value":
                _guide(panel, own)
            panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16))
        panels[0].set_ylabel("steps")
        shapes = [
            Line2D([], [], color="0.4", marker=marker, linestyle="none", markersize=4.5, **_filled(name))
            for name, (marker, _) in MARKERS.items()
        ]
        figure.legend(shapes, [label for _, label in MARKERS.values()], loc="outside upper center", ncols=3)
    return figure


def varied(conditions: pl.DataFrame) -> list[str]:
    """Return the columns in which some conditions differ; λ if they are one."""
    names = [name for name in conditions.columns if conditions[name].n_unique() > 1]
    return names or ["control_value"]


def condition_name(condition: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return the name of a condition, as in λ = 0.001, T = 10⁻⁵.

    Args:
        condition: λ, T and B.
        names: Those of them that it is named by.
    """
    signs = {"control_value": "λ", "temperature": "T", "batch": "B"}
    parts = (f"{signs[name]} = {number(condition[name])}" for name in names if condition[name] is not None)
    return ", ".join(parts) or "no noise"


def _draw(panel: Axes, one: pl.DataFrame, column: str, colour: str) -> None:
    """One trajectory; not everything is measured at every look."""
    part = one.drop_nulls(column)
    few = {"marker": ".", "markersize": 3} if len(part) < len(one) else {}
    panel.plot(part["trained_steps"], part[column], color=colour, linewidth=0.9, alpha=0.8, **few)  # type: ignore[arg-type]
    if column in TESTED:
        test = one.drop_nulls(TESTED[column])
        panel.plot(
            test["trained_steps"],
            test[TESTED[column]],
            color=colour,
            linewidth=0.9,
            alpha=0.8,
            linestyle="--",
        )


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
    style = {"color": colour, "marker": MARKERS[name][0], "markersize": 4, **_filled(name)}
    errors = [steps - steps / factor, steps * factor - steps]
    panel.errorbar(part[series.axis], steps, yerr=errors, linewidth=0.8, capsize=1.5, **style)
    # Where not all seeds did, it takes at least as long as the mean of those that did.
    bounds = least[f"{name}_steps"].to_numpy()
    panel.errorbar(
        least[series.axis], bounds, yerr=bounds / 2, lolims=True, linestyle="none", linewidth=0.8, **style
    )


def _filled(name: str) -> dict[str, Any]:
    return {} if name == "generalise" else {"markerfacecolor": "white"}


def _ticks(panel: Axes, axis: str, values: Sequence[float]) -> None:
    """A logarithmic axis with a tick at each value; T = 0 has its place on it, too."""
    if values[0] == 0:
        panel.set_xscale("symlog", linthresh=values[1])
    else:
        panel.set_xscale("log")
    panel.set_xticks(values, [f"{value:g}" for value in values])
    panel.xaxis.set_minor_locator(NullLocator())


def _guide(panel: Axes, series: Sequence[Series]) -> None:
    """Steps ∝ 1/λ, above the longest times that there are."""
    known = [each.found.drop_nulls("generalise_steps").sort("control_value") for each in series]
    known = [each for each in known if len(each) > 1]
    if not known:
        return
    scale = 1.4 * max(float((each["generalise_steps"] * each["control_value"]).max()) for each in known)  # type: ignore[arg-type]
    ends = np.array(
        [[each["control_value"].min(), each["control_value"].max()] for each in known], dtype=float
    )
    x = np.array([ends.min(), ends.max()])
    panel.plot(x, scale / x, color="0.5", linewidth=0.8, linestyle=(0, (1, 1.8)))
    middle = float(np.sqrt(x.prod()))
    panel.annotate(
        r"$\propto 1/\lambda$", (middle, 1.05 * scale / middle), color="0.4", va="bottom", fontsize=9
    )
