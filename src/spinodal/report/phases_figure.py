"""The phase diagram of a network: λ against complexity, the number of learned features as colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float64
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from spinodal.analysis import evidence, expected, order_parameter
from spinodal.report.networks import Curve
from spinodal.report.style import STYLE

NOTHING = "0.88"
"""Colour of λ where no seed has come to rest."""

SPINODAL: dict[str, Any] = {"colors": "black", "linewidth": 1.1}
RIM: dict[str, Any] = {"colors": "white", "linewidth": 2.3}
"""Under a spinodal, so that it is seen on every colour."""


def draw_phases(curves: Sequence[Curve]) -> Figure:
    """Draw which phase each λ leads to, a column per complexity, with the predicted spinodals over it.

    The colour is that of the mean over seeds, rounded: where they disagree, the edge between two phases is where
    half of them have changed.

    Args:
        curves: Of one network and branch, sorted by complexity.
    """
    tables = [_phases(curve.records) for curve in curves]
    most = max(int(np.ceil(table["features"].max() or 0)) for table in tables)  # type: ignore[arg-type]
    colours = ListedColormap(colormaps["viridis"](np.linspace(0.92, 0, most + 1))).with_extremes(bad=NOTHING)
    norm = BoundaryNorm(np.arange(most + 2) - 0.5, most + 1)
    predicted = False
    with rc_context(STYLE):
        figure = Figure(figsize=(4.8, 4.4), layout="constrained")
        panel: Axes = figure.subplots()
        for place, (curve, table) in enumerate(zip(curves, tables, strict=True)):
            ends = _edges(table["control_value"].to_numpy())
            features = table["features"].cast(pl.Float64).fill_null(np.nan).to_numpy()
            features = np.ma.masked_invalid(features)
            panel.pcolormesh([place - 0.46, place + 0.46], ends, features[:, None], cmap=colours, norm=norm)
            theirs = expected(curve.records)
            if theirs is not None:
                predicted = True
                for style in (RIM, SPINODAL):
                    panel.hlines(theirs.spinodals, place - 0.46, place + 0.46, **style)
        _axes(panel, curves)
        bar = figure.colorbar(
            ScalarMappable(norm, colours),
            ax=panel,
            ticks=range(0, most + 1, 1 + most // 12),
            pad=0.02,
            aspect=30,
        )
        bar.set_label("learned features")
        bar.ax.tick_params(length=0)
        bar.minorticks_off()
        handles: list[Any] = [
            Line2D([], [], color="black", linewidth=1.1, label=r"predicted $\lambda_\mathrm{sp}$")
        ]
        handles = handles if predicted else []
        if any(table["features"].is_null().any() for table in tables):
            handles.append(Patch(color=NOTHING, label="not relaxed"))
        if handles:
            figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _phases(records: pl.DataFrame) -> pl.DataFrame:
    """λ and the mean number of learned features of the seeds that came to rest; null where none did."""
    features = pl.col(order_parameter(records)).filter(evidence()).mean().alias("features")
    return (
        records.filter(pl.col("control_value") > 0)
        .group_by("control_value")
        .agg(features)
        .sort("control_value")
    )


def _edges(control: Float64[np.ndarray, " l"]) -> Float64[np.ndarray, " e"]:
    """Between the points of a grid, in ln λ, and as far beyond its ends."""
    if len(control) == 1:
        return np.array([0.97 * control[0], 1.03 * control[0]])
    middle = np.sqrt(control[1:] * control[:-1])
    ends = control[0] ** 2 / middle[0], control[-1] ** 2 / middle[-1]
    return np.array([ends[0], *middle, ends[1]])


def _axes(panel: Axes, curves: Sequence[Curve]) -> None:
    panel.set_yscale("log")
    control = pl.concat([curve.records["control_value"] for curve in curves])
    control = control.filter(control > 0)
    panel.set_ylim(float(control.min()) / 1.02, float(control.max()) * 1.02)  # type: ignore[arg-type]
    panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    panel.yaxis.set_minor_locator(LogLocator(subs=tuple(range(1, 10))))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.yaxis.set_minor_formatter(NullFormatter())
    panel.set_ylabel(r"strength of the L2 term, $\lambda$")
    panel.set_xlim(-0.5, len(curves) - 0.5)
    panel.set_xticks(range(len(curves)), [str(curve.records["complexity"][0]) for curve in curves])
    panel.set_xlabel("complexity $K$")
    panel.tick_params(axis="x", length=0)
