"""One figure per curve: order parameters against λ, transitions, and the exact branch where it applies."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spinodal.analysis import DeepLinear, deep_linear
from spinodal.report import panels
from spinodal.report.names import CurveName
from spinodal.report.style import BRANCHES, EXACT, SEED, STYLE, TEST, TRANSITION

PANELS = {"error": "error $E$", "accuracy": "accuracy", "norm_squared": r"$\Vert\theta\Vert^2$"}
"""Column and label of each panel, from the top."""


def draw_curve(curve: pl.DataFrame, transitions: pl.DataFrame, name: CurveName) -> Figure:
    """Draw E, accuracy and ‖θ‖² of a curve, or of the branches of one network, against λ on a log axis.

    Every trajectory is a set of points, hollow where a row is no evidence. Their mean is a line, broken
    where the curve jumps. The exact branch and its spinodals are there only if the theory applies.

    Args:
        curve: Records of one curve, or of several that differ only in their branches.
        transitions: Theirs, as `find_transitions` or `compare` returns them.
        name: Of the curve, or of the branches `together`.
    """
    rows = curve.filter(pl.col("l2") > 0).with_columns(norm_squared=pl.col("norm") ** 2)
    transitions = transitions.drop_nulls("location")  # what was missed has no place here
    branches = {part["branch"][0] or "": part for part in rows.partition_by("branch", maintain_order=True)}
    several = len(branches) > 1
    styles = {branch: BRANCHES.get(branch, SEED) if several else SEED for branch in branches}
    exact = _theory(curve)
    with rc_context(STYLE):
        figure = Figure(figsize=(4.8, 6.6), layout="constrained")
        axes: list[Axes] = list(figure.subplots(len(PANELS), sharex=True))
        figure.suptitle(panels.title(name, rows), linespacing=1.05)
        for panel, (column, label) in zip(axes, PANELS.items(), strict=True):
            panel.set_ylabel(label)
            for branch, part in branches.items():
                _branch(panel, part, column, _of(transitions, branch), styles[branch], several)
        panels.scale_l2(axes[-1], rows)
        if exact is not None:
            _exact(axes, exact)
        figure.align_ylabels()
        test = not several and rows["test_accuracy"].is_not_null().any()
        handles = panels.legend(rows, transitions, exact, test, styles)
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _theory(curve: pl.DataFrame) -> DeepLinear | None:
    """That of the first branch it speaks of."""
    parts = curve.partition_by("branch", maintain_order=True)
    return next((exact for part in parts if (exact := deep_linear(part)) is not None), None)


def _of(transitions: pl.DataFrame, branch: str) -> pl.DataFrame:
    return transitions.filter(pl.col("branch").fill_null("") == branch)


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


def _exact(axes: list[Axes], exact: DeepLinear) -> None:
    l2, ended = panels.branch_grid(axes[0], exact)
    state = exact.learned_state(l2)
    values = {"error": state.error, "accuracy": state.accuracy, "norm_squared": state.norm_squared}
    for panel, column in zip(axes, PANELS, strict=True):
        panel.plot(l2, np.where(ended, np.nan, values[column]), **EXACT)
    panels.mark_spinodals(axes, exact)
