"""One figure per curve: order parameters against λ, transitions, and the exact branch where it applies."""

from __future__ import annotations

import numpy as np
import polars as pl
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spinodal.analysis import DeepLinear, deep_linear
from spinodal.report import panels
from spinodal.report.names import CurveName
from spinodal.report.style import EXACT, SEED, STYLE, TEST

PANELS = {"error": "error $E$", "accuracy": "accuracy", "norm_squared": r"$\Vert\theta\Vert^2$"}
"""Column and label of each panel, from the top."""


def draw_curve(curve: pl.DataFrame, transitions: pl.DataFrame, name: CurveName) -> Figure:
    """Draw E, accuracy and ‖θ‖² of a curve against λ on a log axis.

    Every trajectory is a set of points, hollow where a row is no evidence. Their mean is a line, broken
    where the curve jumps. The exact branch and its spinodals are there only if the theory applies.

    Args:
        curve: Records of one curve.
        transitions: Those of this curve, as `find_transitions` or `compare` returns them.
        name: Of the curve.
    """
    rows = curve.filter(pl.col("l2") > 0).with_columns(norm_squared=pl.col("norm") ** 2)
    transitions = transitions.drop_nulls("location")  # what was missed has no place here
    exact = deep_linear(curve)
    with rc_context(STYLE):
        figure = Figure(figsize=(4.8, 6.6), layout="constrained")
        axes: list[Axes] = list(figure.subplots(len(PANELS), sharex=True))
        figure.suptitle(panels.title(name, rows), linespacing=1.05)
        for panel, (column, label) in zip(axes, PANELS.items(), strict=True):
            panel.set_ylabel(label)
            panels.mark(panel, transitions)
            if column == "accuracy":
                panels.draw_points(panel, rows, "test_accuracy", TEST)
            panels.draw_points(panel, rows, column, SEED)
            panels.draw_mean(panel, rows, column, transitions)
        panels.scale_l2(axes[-1], rows)
        if exact is not None:
            _exact(axes, exact)
        figure.align_ylabels()
        test = rows["test_accuracy"].is_not_null().any()
        figure.legend(
            handles=panels.legend(rows, transitions, exact, test), loc="outside lower center", ncols=4
        )
    return figure


def _exact(axes: list[Axes], exact: DeepLinear) -> None:
    l2, ended = panels.branch_grid(axes[0], exact)
    state = exact.learned_state(l2)
    values = {"error": state.error, "accuracy": state.accuracy, "norm_squared": state.norm_squared}
    for panel, column in zip(axes, PANELS, strict=True):
        panel.plot(l2, np.where(ended, np.nan, values[column]), **EXACT)
    panels.mark_spinodals(axes, exact)
