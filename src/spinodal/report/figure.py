"""The figure of branches: order parameters against λ, a column for each of several networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float64
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spinodal.analysis import DeepLinear, deep_linear, evidence
from spinodal.records import COLUMN
from spinodal.report import panels
from spinodal.report.style import BRANCHES, ESTIMATE, EXACT, SEED, STYLE, TEST, TRANSITION

PANELS = {
    "error": f"error {COLUMN['error'].latex}",
    "accuracy": COLUMN["accuracy"].latex,
    "penalty": COLUMN["norm"].latex[:-1] + "^2$",
}
"""Column and label of each panel, from the top."""

RESIDUAL = r"$|E - E_\mathrm{exact}|$"
"""Label of the panel beneath, where E lies on the exact one."""

ROUNDING = 1e-17
"""Smaller residuals are drawn as this."""


class Column(NamedTuple):
    """A network in the figure."""

    records: pl.DataFrame
    """Of one curve, or of several that differ only in their branches."""
    transitions: pl.DataFrame
    """Theirs, as `Findings.transitions`."""
    title: str
    """Above its panels; empty where the network is alone."""


def draw_branches(columns: Sequence[Column]) -> Figure:
    """Draw E, accuracy and ‖θ‖² of networks against λ on a log axis, and how far E is from the exact one.

    Every trajectory is a set of points, hollow where a row is no evidence. Their mean is a line, broken where the curve
    jumps. The exact branch and its spinodals are there only if the theory applies; where it is an estimate, the
    estimated places of transitions are.

    Args:
        columns: The networks, from the left.
    """
    exact = [_theory(each.records) for each in columns]
    labels = PANELS | ({"residual": RESIDUAL} if any(exact) else {})
    with rc_context(STYLE):
        size = (4.8, 6.6) if len(columns) == 1 else (1.0 + 3.6 * len(columns), 6.6)
        figure = Figure(figsize=(size[0], size[1] + 1.2 * (len(labels) - len(PANELS))), layout="constrained")
        grid = figure.subplots(len(labels), len(columns), sharex="col", sharey="row", squeeze=False)
        for panel, label in zip(grid[:, 0], labels.values(), strict=True):
            panel.set_ylabel(label)
        handles: dict[str, Any] = {}
        for axes, column, theory in zip(grid.T, columns, exact, strict=True):
            axes[0].set_title(column.title, pad=14)
            for handle in _column(list(axes), column, theory):
                handles.setdefault(handle.get_label(), handle)
        figure.align_ylabels(grid[:, 0])
        figure.legend(
            handles=list(handles.values()), loc="outside lower center", ncols=4 + 2 * (len(columns) > 1)
        )
    return figure


def _column(axes: Sequence[Axes], column: Column, exact: DeepLinear | None) -> list[Any]:
    """One network; returns the handles of its legend."""
    rows = column.records.filter(pl.col("control_value") > 0)
    found = column.transitions.drop_nulls("location")  # what was missed has no place here
    branches = by_branch(rows)
    styles = draw_rows(dict(zip(PANELS, axes, strict=False)), rows, found)
    panels.scale_control(axes[-1], rows)
    estimates = column.transitions["control_estimate"].drop_nulls()
    if exact is not None:
        _exact(axes, exact)
        for branch, part in branches.items():
            if deep_linear(part) is not None:  # on the way down it may be another phase that is followed
                _residual(axes[len(PANELS)], part, exact, styles[branch])
    for panel in axes:
        for at in estimates:
            panel.axvline(at, **ESTIMATE)
    test = len(branches) == 1 and rows["test_accuracy"].is_not_null().any()
    return panels.legend(rows, found, exact, test, styles, len(estimates) > 0)


def by_branch(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return the rows of each branch of a network, by its name."""
    return {part["branch"][0] or "": part for part in rows.partition_by("branch", maintain_order=True)}


def draw_rows(
    axes: Mapping[str, Axes], rows: pl.DataFrame, transitions: pl.DataFrame
) -> dict[str, dict[str, Any]]:
    """Draw columns of the records against λ: every seed, means, and the transitions.

    Args:
        axes: A panel for each column.
        rows: Of one network, λ > 0.
        transitions: Its own.

    Returns:
        The style of each branch, for `panels.legend`.
    """
    branches = by_branch(rows)
    several = len(branches) > 1
    styles = {branch: BRANCHES.get(branch, SEED) if several else SEED for branch in branches}
    for column, panel in axes.items():
        for branch, part in branches.items():
            found = transitions.filter(pl.col("branch").fill_null("") == branch)
            _branch(panel, part, column, found, styles[branch], several)
    return styles


def _theory(curve: pl.DataFrame) -> DeepLinear | None:
    """That of the first branch it speaks of."""
    parts = curve.partition_by("branch", maintain_order=True)
    return next((exact for part in parts if (exact := deep_linear(part)) is not None), None)


def _branch(
    panel: Axes,
    rows: pl.DataFrame,
    column: str,
    transitions: pl.DataFrame,
    style: dict[str, Any],
    several: bool,
) -> None:
    """One branch in one panel. Where it is alone there is room for test data, and for a colour of transitions."""
    colour = style["color"]
    panels.mark(panel, transitions, colour if several else TRANSITION)
    if column == "accuracy" and not several:
        panels.draw_points(panel, rows, "test_accuracy", TEST)
    panels.draw_points(panel, rows, column, style)
    if rows["branch"][0] == "down":
        panels.draw_each(panel, rows, column, colour)
    else:
        panels.draw_mean(panel, rows, column, transitions, colour)


def _exact(axes: Sequence[Axes], exact: DeepLinear) -> None:
    control, ended = panels.branch_grid(axes[0], exact)
    state = exact.learned_state(control)
    values = {"error": state.error, "accuracy": state.accuracy, "penalty": state.norm_squared}
    for panel, column in zip(axes, PANELS, strict=False):
        panel.plot(control, np.where(ended, np.nan, values[column]), **EXACT)
    panels.mark_spinodals(axes, exact)


def _residual(panel: Axes, rows: pl.DataFrame, exact: DeepLinear, style: dict[str, Any]) -> None:
    """How far E of every minimum is from that of the branch on which all is learned that can be."""
    used = rows.filter(evidence(), pl.col("error").is_finite())
    control: Float64[np.ndarray, " l"] = used["control_value"].to_numpy()
    residual = np.abs(used["error"].to_numpy() - exact.learned_state(control).error)
    panel.set_yscale("log")
    panel.plot(control, np.maximum(residual, ROUNDING), **style)
