"""What each observable predicts of λ_sp from what precedes a jump, and which depends on more than λ_sp."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float64
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from spinodal.analysis import KNOWN, SCALES, rescaled_curvature
from spinodal.analysis.curves import of_curves
from spinodal.analysis.foresight import OBSERVABLES
from spinodal.records import COLUMN
from spinodal.report import panels
from spinodal.report.campaign import Campaign
from spinodal.report.cells import Record
from spinodal.report.names import CurveName
from spinodal.report.networks import FIGURES, Curve
from spinodal.report.numbers import signed
from spinodal.report.section import Section, section
from spinodal.report.style import CURVES, DASHES, STYLE, ZERO
from spinodal.report.table import Group, Row, Table, columns

MEANING = (
    f"per jump: how far λ_sp, predicted from the phase up to {KNOWN:g} λ_jump, is off, in % of λ_jump; "
    "none: too few points, or no line that reaches zero ahead of them"
)
"""Of the table of predictions."""


COLUMNS = 3
"""Panels in a row, at most."""

MARKERS = {"o": "●", "s": "■", "^": "▲", "D": "◆", "v": "▼", "<": "◀", ">": "▶", "p": "⬟"}
"""Of the jumps of a curve, in order; as Matplotlib has them, and in text."""

PER_CENT = (-10, 0, 10, 100, 1000)
"""Ticks, on a scale that is linear up to 10 %."""


@section("foresight", "What foresees a jump", "Foresight", place=70)
def foresight(campaign: Campaign) -> Section | None:
    """Return how far predictions of λ_sp are off, of every observable and jump."""
    found = campaign.found
    if found.foresight.is_empty():
        return None
    foreseen = found.foresight.filter(cut_off=KNOWN)
    shown = [each for each in campaign.curves if each.drawn and len(each.of(found.foresight))][:FIGURES]
    pictures = []
    if shown:
        heads = pl.concat([curve.records.head(1) for curve in shown])
        markers = " ".join([*MARKERS.values()][: max(found.foresight["index"])])
        tables = (of_curves(table, heads) for table in (found.foresight, found.before_onset))
        pictures.append(
            campaign.picture(
                campaign.draw("foresight", draw_foresight, *tables, shown),
                alt="How far λ_sp as predicted from each observable is off, curve by curve, for predictions that "
                "know the phase up to several fractions of λ_jump; below, R and the soft mode through the last "
                "phase. The table after the figure has the numbers.",
                caption=f"Above, markers {markers} are the jumps of a curve in the order of λ, hollow where not every "
                "seed predicts one; a cross where none does. Below, R of z = cE(θ) in three units of E, and the soft "
                "mode, which depends on none.",
                curves=shown,
                wide=True,
            )
        )
    notes = [
        "At a jump every function of the minimum jumps. Here each observable has to predict where, from what precedes "
        f"the jump alone. In the table: {MEANING}."
    ]
    table = Table(
        f"Predicted from the phase up to {KNOWN:g} λ_jump: off by, in % of λ_jump",
        columns("jump", *(COLUMN[observable].symbol for observable in OBSERVABLES)),
        [Group(str(each.name), _rows(each.of(foreseen)), each.drawn) for each in campaign.curves],
        brief=True,
    )
    return Section(notes, pictures, [table], remarks=[MEANING])


def _rows(foreseen: pl.DataFrame) -> list[Row]:
    """The predictions of one curve and one cut-off, a row per jump."""
    rows: dict[int, dict[str, str]] = {}
    for row in foreseen.sort("index", maintain_order=True).iter_rows(named=True):
        rows.setdefault(row["index"], {})[row["observable"]] = off_by(row)
    return [
        (str(index), *(cells.get(observable, "") for observable in OBSERVABLES))
        for index, cells in rows.items()
    ]


def off_by(row: Record) -> str:
    """Return how far a prediction is off, in per cent, as in +9.2 ± 0.1 (2/3).

    Args:
        row: Of the table that `analysis.foresight` returns.
    """
    if not row["seeds"]:
        return "none"
    some = "" if row["seeds"] == row["seeds_all"] else f" ({row['seeds']}/{row['seeds_all']})"
    error = row["deviation_error"] or 0.0
    decimals = 0 if max(error, abs(row["deviation"])) >= 100 else 1
    spread = f" ± {error:.{decimals}f}" if error >= 0.05 else ""
    return f"{signed(row['deviation'], decimals)}{spread}{some}"


@rc_context(STYLE)
def draw_foresight(foreseen: pl.DataFrame, path: pl.DataFrame, curves: Sequence[Curve]) -> Figure:
    """Draw how far predictions of λ_sp are off, curve by curve, and what R and the soft mode depend on.

    In the upper panels a marker is one transition, predicted from one observable with the phase up to a
    fraction of λ_jump; hollow where not every seed predicts it, a cross at the top where none does. The lower
    panels follow R and the soft mode through the last phase, for every curve and several units of E.

    Args:
        foreseen: Predictions of these curves, as `Findings.foresight`.
        path: What precedes their last jumps, as `Findings.before_onset`.
        curves: At least one.
    """
    labels = differences([curve.name for curve in curves])
    rows = [len(row) for row in np.array_split(np.arange(len(curves)), math.ceil(len(curves) / COLUMNS))]
    heights, large = [0.9 + 1.9 * len(rows), 3.1 + 0.06 * len(curves)], STYLE["axes.labelsize"]
    figure = Figure(figsize=(7.6, sum(heights)), layout="constrained")
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=heights).flat
    for panel, curve, label in zip(_rows_of_panels(upper, rows), curves, labels, strict=True):
        panel.set_title(label, fontsize=STYLE["legend.fontsize"])
        _predictions(panel, curve.of(foreseen))
    upper.supylabel(r"predicted $\lambda_\mathrm{sp}$ off by (%)", fontsize=large)
    upper.supxlabel(r"from the phase up to this fraction of $\lambda_\mathrm{jump}$", fontsize=large)
    shown = [COLUMN[name] for name in OBSERVABLES if name in foreseen["observable"]]
    square = {"marker": "s", "linestyle": "none"}
    handles = [panels.line(column.latex, {**square, "color": column.colour}) for column in shown]
    upper.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    _last_phase(lower, [curve.of(path) for curve in curves], labels)
    return figure


def differences(names: Sequence[CurveName]) -> list[str]:
    """Return what names of curves do not share, as in "K = 3, width 6"; nothing of a single one."""
    parts = [[*name.data.split(", "), *name.model.split(", ")] for name in names]
    shared = set.intersection(*map(set, parts))
    return [", ".join(part for part in own if part not in shared) for own in parts]


def _rows_of_panels(figure: SubFigure, rows: Sequence[int]) -> list[Axes]:
    """Panels that share their axes, in rows of these numbers, each filled."""
    grid = figure.add_gridspec(len(rows), math.lcm(*rows))
    panels: list[Axes] = []
    for number, length in enumerate(rows):
        share = grid.ncols // length
        for place in range(length):
            first = panels[0] if panels else None
            spot = grid[number, place * share : (place + 1) * share]
            panels.append(figure.add_subplot(spot, sharex=first, sharey=first))
            panels[-1].tick_params(labelleft=place == 0)
    return panels


def _predictions(panel: Axes, foreseen: pl.DataFrame) -> None:
    cut_offs = foreseen["cut_off"].unique().sort().to_list()
    panel.axhline(0, **ZERO)
    panel.set_yscale("symlog", linthresh=10, linscale=1.2)
    panel.yaxis.set_major_locator(FixedLocator(PER_CENT))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: signed(float(value), 0) if value else "0"))
    panel.set_xticks(range(len(cut_offs)), [f"{x:g}" for x in cut_offs])
    panel.tick_params(axis="x", which="both", length=0)
    panel.set_ylim(-100, 4000)
    panel.set_xlim(-0.5, len(cut_offs) - 0.5)
    for column, at in enumerate(cut_offs):
        if column:
            panel.axvline(column - 0.5, **ZERO)
        missing = dict.fromkeys(OBSERVABLES, 0)
        for row in foreseen.filter(cut_off=at).iter_rows(named=True):
            observable = row["observable"]
            place = column + 0.17 * (OBSERVABLES.index(observable) - 2)
            style: dict[str, Any] = {"color": COLUMN[observable].colour, "linestyle": "none"}
            if not row["seeds"]:
                height = 0.95 - 0.07 * missing[observable]
                missing[observable] += 1
                top = panel.get_xaxis_transform()
                panel.plot(place, height, marker="x", markersize=4.5, transform=top, **style)
                continue
            style |= {"marker": [*MARKERS][(row["index"] - 1) % len(MARKERS)], "markersize": 4.2}
            if row["seeds"] < row["seeds_all"]:
                style |= {"markerfacecolor": "white"}
            panel.errorbar(place, row["deviation"], row["deviation_error"] or 0, linewidth=0.8, **style)


def _last_phase(figure: SubFigure, paths: Sequence[pl.DataFrame], labels: Sequence[str]) -> None:
    """R_c and the soft mode through the last phase against λ/λ_sp, in units of their own.

    The soft mode is c times what it is for c = 1, so that there is one line for all c.
    """
    curvature, soft_mode = figure.subplots(1, 2)
    for number, (path, colour) in enumerate(zip(paths, cycle(CURVES), strict=False)):
        phase = path.filter(pl.col("control_value") >= pl.col("phase_from"))
        for scale, dashes in zip(SCALES, DASHES, strict=True):
            share, values = _mean(phase, rescaled_curvature(scale))
            largest = np.abs(values).max(initial=0.0) or 1.0
            curvature.plot(share, values / largest, color=colour, linestyle=dashes, linewidth=1.2)
        share, values = _mean(phase, pl.col("soft_mode"))
        # They may all be the same line: the later ones leave a rim of the earlier.
        width = 1.2 + min(1.0, 5 / len(paths)) * (len(paths) - 1 - number)
        soft_mode.plot(share, values / values[:1], color=colour, linewidth=width)
    units = [
        panels.line(f"$c = {scale:g}$", {"color": "0.3", "linestyle": dashes, "linewidth": 1.2})
        for scale, dashes in zip(SCALES, DASHES, strict=True)
    ]
    above = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "handlelength": 2.4}
    curvature.legend(handles=units, ncols=len(units), **above)
    curvature.set_ylabel(r"$R_c\,/\,\max\,|R_c|$")
    soft_mode.set_ylabel("soft mode / its first value")
    for panel in (curvature, soft_mode):
        panel.axhline(0, **ZERO)
        panel.axvline(1, **ZERO)
        panel.set_xlabel(r"$\lambda/\lambda_\mathrm{sp}$, last phase")
    if len(labels) > 1:
        columns = max(1, 100 // (8 + max(map(len, labels))))
        lines = [
            panels.line(label, {"color": colour})
            for label, colour in zip(labels, cycle(CURVES), strict=False)
        ]
        figure.legend(handles=lines, loc="outside lower center", ncols=columns)


def _mean(
    phase: pl.DataFrame, observable: pl.Expr
) -> tuple[Float64[np.ndarray, " l"], Float64[np.ndarray, " l"]]:
    """λ/λ_sp and the mean over seeds, where at least half of them were measured."""
    rows = phase.with_columns(_value=observable).filter(pl.col("_value").is_finite())
    mean = rows.group_by("control_value", "spinodal").agg(pl.col("_value").mean(), pl.len())
    mean = mean.sort("control_value").filter(pl.col("len") * 2 >= pl.col("len").max())
    return (mean["control_value"] / mean["spinodal"]).to_numpy(), mean["_value"].to_numpy()
