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
from spinodal.report import panels
from spinodal.report.names import CurveName
from spinodal.report.style import ERROR, EXACT, FROM_R, SEED, STYLE, ZERO

PANELS = {
    "error": "error $E$",
    "norm": r"$\Vert\theta\Vert$",
    "scalar_curvature": "curvature $R$",
    "trace_hessian": r"$\mathrm{tr}\,\nabla^2 E$",
    "soft_mode": "soft mode",
}
"""Column and label of each panel, from the top."""


def draw_curvature(
    curve: pl.DataFrame, transitions: pl.DataFrame, from_curvature: pl.DataFrame, name: CurveName
) -> Figure:
    """Draw E, ‖θ‖, R, tr ∇²E and the soft mode of a curve against λ on a log axis.

    Transitions that E shows are bands through all panels. Those that R shows, looked at alone, are triangles on
    its panel.

    Args:
        curve: Records of one curve, with curvature.
        transitions: Those of this curve in E, as `find_transitions` or `compare` returns them.
        from_curvature: Those in R.
        name: Of the curve.
    """
    rows = curve.filter(pl.col("l2") > 0)
    transitions = transitions.drop_nulls("location")
    exact = deep_linear(curve)
    with rc_context(STYLE):
        figure = Figure(figsize=(4.8, 8.8), layout="constrained")
        axes: list[Axes] = list(figure.subplots(len(PANELS), sharex=True))
        figure.suptitle(panels.title(name, rows), linespacing=1.05)
        for panel, (column, label) in zip(axes, PANELS.items(), strict=True):
            panel.set_ylabel(label)
            panels.mark(panel, transitions)
            panels.draw_points(panel, rows, column, SEED)
            panels.draw_mean(panel, rows, column, transitions)
            _error_bars(panel, rows, column)
        _scale_curvature(axes[2], rows)
        for panel in (axes[2], axes[4]):
            panel.axhline(0, **ZERO)
        if len(from_curvature):
            top = axes[2].get_xaxis_transform()
            axes[2].plot(from_curvature["location"], np.ones(len(from_curvature)), transform=top, **FROM_R)
        panels.scale_l2(axes[-1], rows)
        if exact is not None:
            _exact(axes, exact)
        figure.align_ylabels()
        handles = panels.legend(rows, transitions, exact)
        if len(from_curvature):
            handles.append(Line2D([], [], **FROM_R, label="jump of $R$"))
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _error_bars(panel: Axes, rows: pl.DataFrame, column: str) -> None:
    error = f"{column}_se"
    if error in rows.columns:
        estimated = rows.filter(evidence(), pl.col(error) > 0)
        panel.errorbar(estimated["l2"], estimated[column], estimated[error], **ERROR)


def _scale_curvature(panel: Axes, rows: pl.DataFrame) -> None:
    """R falls over decades and then crosses zero: linear about zero, logarithmic in its upper decades."""
    largest = rows.filter(evidence(), pl.col("scalar_curvature").is_finite())["scalar_curvature"].abs().max()
    if isinstance(largest, float) and largest > 0:
        panel.set_yscale("symlog", linthresh=10 ** (np.floor(np.log10(largest)) - 1), linscale=0.8)
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))


def _exact(axes: list[Axes], exact: DeepLinear) -> None:
    l2, ended = panels.branch_grid(axes[0], exact)
    state, soft_mode = exact.learned_state(l2), exact.soft_mode(l2)
    # At depth 2 features end without a jump, and the soft mode of the next takes over.
    soft_mode[1:][np.diff(state.alive.sum(axis=1)) != 0] = np.nan
    values = {"error": state.error, "norm": np.sqrt(state.norm_squared), "soft_mode": soft_mode}
    if (surface := exact.geometry(l2)) is not None:
        values |= {"scalar_curvature": surface.curvature, "trace_hessian": surface.trace}
    for panel, column in zip(axes, PANELS, strict=True):
        if column in values:
            panel.plot(l2, np.where(ended, np.nan, values[column]), **EXACT)
    panels.mark_spinodals(axes, exact)
