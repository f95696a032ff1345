"""What the report says of grokking: training and test curves, and the geometry along the way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from matplotlib import rc_context
from matplotlib.figure import Figure

from spinodal.analysis import CURVE, grokking, trained
from spinodal.analysis.grokking import FITTED, GENERALISED, GEOMETRY
from spinodal.report.drawing import Drawings
from spinodal.report.names import curve_names
from spinodal.report.page import Picture, Section
from spinodal.report.sheet import Row, Sheet
from spinodal.report.style import CURVES, STYLE, TEST, ZERO

PANELS = {
    "accuracy": "accuracy",
    "scalar_curvature": "$R$",
    "soft_mode": "soft mode",
    "norm": r"$\Vert\theta\Vert$",
}
"""Columns of the panels, those of them that were measured, and their labels."""


@dataclass(frozen=True, eq=False)
class Grokking:
    """One network, at every λ it was trained with."""

    name: str
    found: pl.DataFrame
    """As `analysis.grokking` returns it."""
    figure: Path
    """Without suffix."""

    @property
    def told(self) -> str:
        """What was found, in a line."""
        return "; ".join(f"λ = {row['l2']:g}: {_told(row)}" for row in self.found.iter_rows(named=True))


def make_grokking(records: pl.DataFrame, folder: Path, drawings: Drawings) -> list[Grokking]:
    """Find and draw grokking, network by network.

    Args:
        records: of the campaign; rows of networks that were relaxed are left out.
        folder: for figures and the table.
        drawings: draws them.
    """
    rows = trained(records)
    if rows.is_empty():
        return []
    found = grokking(rows)
    found.write_csv(folder / "grokking.csv")
    made = []
    for number, part in enumerate(rows.partition_by(CURVE, maintain_order=True)):
        identity = part.select(CURVE).head(1)
        name = curve_names(identity)[0]
        title = f"{name.data}; {name.model}"
        figure = drawings.add(folder / f"grokking-{number}", draw_grokking, part, title)
        own = found.join(identity, on=CURVE, how="semi", nulls_equal=True)
        made.append(Grokking(title, own, figure))
    return made


def draw_grokking(rows: pl.DataFrame, title: str) -> Figure:
    """Draw accuracy on training and test data against steps, and beneath it what else was measured.

    Args:
        rows: of one network.
        title: of the figure.
    """
    measured = {name: label for name, label in PANELS.items() if rows[name].drop_nans().count()}
    with rc_context(STYLE):
        figure = Figure(figsize=(5.4, 1.2 + 1.7 * len(measured)), layout="constrained")
        panels = figure.subplots(len(measured), sharex=True, squeeze=False)[:, 0]
        figure.suptitle(title)
        values = rows["l2"].unique().sort()
        for colour, l2 in zip(CURVES, values, strict=False):
            own = rows.filter(pl.col("l2") == l2).partition_by("point", maintain_order=True)
            for number, one in enumerate(own):
                for panel, (column, label) in zip(panels, measured.items(), strict=True):
                    part = one.drop_nulls(column).sort("trained_steps")  # not everything at every look
                    steps = part["trained_steps"]
                    name = rf"$\lambda$ = {l2:g}" if number == 0 and column == "accuracy" else None
                    panel.plot(
                        steps, part[column], color=colour, linewidth=1, marker=".", markersize=3, label=name
                    )
                    panel.set_ylabel(label)
                    if column == "accuracy":
                        style = {**TEST, "color": colour, "linestyle": "--", "linewidth": 1, "marker": ""}
                        test = "test" if number == 0 and l2 == values[0] else None
                        panel.plot(steps, part["test_accuracy"], **style, label=test)
                    if column == "scalar_curvature":
                        panel.axhline(0, **ZERO)
                        panel.set_yscale(
                            "symlog", linthresh=max(1e-3, np.nanmax(np.abs(part[column].to_numpy())) / 1e4)
                        )
        panels[-1].set(xscale="log", xlabel="steps")
        figure.align_ylabels()
        panels[0].legend(loc="center left")
    return figure


def grokking_section(networks: list[Grokking]) -> Section:
    """The section of the page.

    Args:
        networks: what was found.
    """
    notes = [
        f"Networks trained for a number of steps, not relaxed. Fitted means an accuracy of {FITTED} on training data, "
        f"generalised one of {GENERALISED} on test data, at the first look that found it so. Geometry is that of E "
        "where training was, which is no minimum; plateau is the look half-way between, in the logarithm of steps."
    ]
    header = ["λ", "fitted at", "generalised at", "delay", "seeds"]
    header += [f"{name.replace('_', ' ')}, {when}" for name in GEOMETRY for when in ("plateau", "end")]
    bodies: list[tuple[str, list[Row]]] = [
        (each.name, [_row(row) for row in each.found.iter_rows(named=True)]) for each in networks
    ]
    pictures = [
        Picture(
            each.figure,
            alt=f"Accuracy and geometry against steps: {each.told}",
            title=f"{each.name}.",
            caption=f"{each.told}.",
        )
        for each in networks
    ]
    sheet = Sheet("When networks fit and when they generalise", header, bodies)
    return Section("grokking", "Grokking", "Grokking", notes, pictures=pictures, sheets=[sheet])


def _told(row: dict[str, Any]) -> str:
    if not row["generalised"]:
        return f"{row['fitted']} of {row['seeds']} seeds fitted, none generalised"
    return (
        f"fitted after {_times(row, 'fit')} steps, generalised after {_times(row, 'generalise')} "
        f"({row['generalised']} of {row['seeds']} seeds)"
    )


def _times(row: dict[str, Any], name: str) -> str:
    value, factor = row[f"{name}_steps" if name != "delay" else name], row[f"{name}_factor"]
    if value is None:
        return ""
    return f"{value:.3g}" + ("" if factor is None else f" ×/÷ {factor:.2f}")


def _row(row: dict[str, Any]) -> Row:
    geometry = [row[f"{name}_{when}"] for name in GEOMETRY for when in ("plateau", "end")]
    return (
        f"{row['l2']:g}",
        _times(row, "fit"),
        _times(row, "generalise"),
        _times(row, "delay"),
        f"{row['generalised']}/{row['seeds']}",
        *("" if value is None else f"{value:.4g}" for value in geometry),
    )
