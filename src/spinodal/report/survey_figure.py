"""The figure of a survey: E, the rank of the outputs and R along its path, and where they suggest a transition."""

from __future__ import annotations

from typing import Any

import polars as pl
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from spinodal.analysis import evidence, trajectory
from spinodal.records import COLUMN
from spinodal.report import panels
from spinodal.report.style import BAND, ERROR, HOLLOW, SEED, STYLE, TRANSITION

PANELS = {
    "error": f"error {COLUMN['error'].latex}",
    "rank": "rank of the outputs",
    "scalar_curvature": f"curvature {COLUMN['scalar_curvature'].latex}",
}
"""Column and label of each panel, from the top; those of which nothing is known are left out."""

PLACES = {True: ("$E$ seems to jump", TRANSITION), False: ("the rank alone changes", "0.5")}
"""Label and colour of a place, by whether E seems to jump there."""

PATH: dict[str, Any] = {"color": SEED["color"], "linewidth": 0.7, "alpha": 0.6, "zorder": 1}


def draw_survey(curve: pl.DataFrame, places: pl.DataFrame) -> Figure:
    """Draw E and the rank of a curve, and R with its error if it was measured, against λ on a log axis.

    Args:
        curve: Records of one curve, with rows of a survey.
        places: Those of this curve, as `Findings.survey`; each is a band, the fainter the fewer seeds show it.
    """
    rows = (
        curve.filter(pl.col("control_value") > 0)
        .with_columns(_name=trajectory())
        .sort("stage", "control_value")
    )
    middle = (pl.col("control_low") * pl.col("control_high")).sqrt()
    marked = places.with_columns(location=middle, order=pl.lit(1))
    labels = {name: label for name, label in PANELS.items() if rows[name].is_not_null().any()}
    with rc_context(STYLE):
        figure = Figure(figsize=(4.8, 0.8 + 1.9 * len(labels)), layout="constrained")
        axes = figure.subplots(len(labels), sharex=True, squeeze=False)[:, 0]
        for (column, label), panel in zip(labels.items(), axes, strict=True):
            panel.set_ylabel(label)
            for jumps, (_, colour) in PLACES.items():
                panels.mark(panel, marked.filter(jumps=jumps), colour)
            for _, path in rows.group_by("_name", maintain_order=True):
                panel.plot(path["control_value"], path[column], **PATH)
            if (error := f"{column}_se") in rows.columns:
                panel.errorbar(rows["control_value"], rows[column], rows[error], **ERROR)
            panels.draw_points(panel, rows, column, SEED)
        panels.scale_control(axes[-1], rows)
        handles: list[Any] = [Line2D([], [], **{**SEED, **HOLLOW}, label="only surveyed")]
        if rows.filter(evidence()).height:
            handles.append(Line2D([], [], **SEED, label="relaxed exactly"))
        for jumps, (label, colour) in PLACES.items():
            if jumps in places["jumps"]:
                handles.append(Patch(alpha=0.35, **{**BAND, "facecolor": colour}, label=label))
        figure.align_ylabels()
        figure.legend(handles=handles, loc="outside lower center", ncols=2 + (len(handles) == 3))
    return figure
