"""The second figure of a curve: E, ‖θ‖ and the geometry of the error surface at the same minima."""

from __future__ import annotations

import numpy as np
import polars as pl
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from spinodal.analysis import DeepLinear, deep_linear, evidence
from spinodal.records import COLUMN
from spinodal.report import panels
from spinodal.report.numbers import number
from spinodal.report.style import ERROR, EXACT, FROM_R, SEED, STYLE, ZERO

PANELS = ("error", "norm", "scalar_curvature", "trace_hessian", "soft_mode")
"""Column of each panel, from the top."""

SIGNED = ("scalar_curvature", "soft_mode")
"""Those of them in which zero means something."""


def draw_curvature(curve: pl.DataFrame, transitions: pl.DataFrame, from_curvature: pl.DataFrame) -> Figure:
    """Draw E, ‖θ‖, R, tr ∇²E and the soft mode of a curve against λ on a log axis.

    Transitions that E shows are bands through all panels. Those that R shows, looked at alone, are triangles on
    its panel.

    Args:
        curve: Records of one curve, with curvature.
        transitions: Those of this curve in E, as `find_transitions` or `compare` returns them.
        from_curvature: Those in R.
    """
    rows = curve.filter(pl.col("control_value") > 0)
    transitions = transitions.drop_nulls("location")
    exact = deep_linear(curve)
    with rc_context(STYLE):
        figure = Figure(figsize=(4.8, 8.4), layout="constrained")
        axes = dict(zip(PANELS, figure.subplots(len(PANELS), sharex=True), strict=True))
        for column, panel in axes.items():
            panel.set_ylabel(COLUMN[column].latex)
            panels.mark(panel, transitions)
            panels.draw_points(panel, rows, column, SEED)
            panels.draw_mean(panel, rows, column, transitions)
            _error_bars(panel, rows, column)
            if COLUMN[column].scale == "symlog":
                _symlog(panel, rows, column)
            if column in SIGNED:
                panel.axhline(0, **ZERO)
        handles = panels.legend(rows, transitions, exact)
        if len(from_curvature):
            panel = axes["scalar_curvature"]
            top = panel.get_xaxis_transform()
            panel.plot(from_curvature["location"], np.ones(len(from_curvature)), transform=top, **FROM_R)
            handles.append(Line2D([], [], **FROM_R, label="jump of $R$"))
        panels.scale_control(axes[PANELS[-1]], rows)
        if exact is not None:
            _exact(axes, exact)
        figure.align_ylabels()
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _error_bars(panel: Axes, rows: pl.DataFrame, column: str) -> None:
    error = f"{column}_se"
    if error in rows.columns:
        estimated = rows.filter(evidence(), pl.col(error) > 0)
        panel.errorbar(estimated["control_value"], estimated[column], estimated[error], **ERROR)


def _symlog(panel: Axes, rows: pl.DataFrame, column: str) -> None:
    """What falls over decades and then crosses zero: linear about zero, logarithmic in its upper decades."""
    largest = rows.filter(evidence(), pl.col(column).is_finite())[column].abs().max()
    if isinstance(largest, float) and largest > 0:
        panel.set_yscale("symlog", linthresh=10 ** (np.floor(np.log10(largest)) - 1), linscale=0.8)
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


def _exact(axes: dict[str, Axes], exact: DeepLinear) -> None:
    control, ended = panels.branch_grid(axes["error"], exact)
    state, soft_mode = exact.learned_state(control), exact.soft_mode(control)
    # At depth 2 features end without a jump, and the soft mode of the next takes over.
    soft_mode[1:][np.diff(state.alive.sum(axis=1)) != 0] = np.nan
    values = {"error": state.error, "norm": np.sqrt(state.norm_squared), "soft_mode": soft_mode}
    if (surface := exact.geometry(control)) is not None:
        values |= {"scalar_curvature": surface.curvature, "trace_hessian": surface.trace}
    for column, drawn in values.items():
        axes[column].plot(control, np.where(ended, np.nan, drawn), **EXACT)
    panels.mark_spinodals([*axes.values()], exact)
