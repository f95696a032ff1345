"""The figure of a campaign: which observable foresees a transition, and which depends on more than λ_sp."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float64
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from spinodal.analysis import CURVE, SCALES, rescaled_curvature
from spinodal.report.names import CurveName
from spinodal.report.style import CURVES, DASHES, OBSERVABLES, STYLE, ZERO

COLUMNS = 3
MARKERS = "os^Dv<>p"
"""Of the transitions of a curve, in order."""

PER_CENT = (-10, 0, 10, 100, 1000)
"""Ticks, on a scale that is linear up to 10 %."""


def draw_foresight(
    foreseen: pl.DataFrame,
    phases: pl.DataFrame,
    transitions: pl.DataFrame,
    names: Sequence[tuple[pl.DataFrame, CurveName]],
) -> Figure:
    """Draw how far predictions of λ_sp are off, curve by curve, and what R and the soft mode depend on.

    In the upper panels a marker is one transition, predicted from one observable with the phase up to a
    fraction of λ_jump; hollow where not every seed predicts it, a cross at the top where none does. The lower
    panels follow R and the soft mode through the last phase, for every curve and several units of E.

    Args:
        foreseen: As `analysis.foresight` returns it, not empty.
        phases: The last phases of these curves, as `analysis.before_onset` returns them.
        transitions: Those in E, as `compare` returns them.
        names: The curves that it speaks of, by a row with the columns of `CURVE`.
    """
    rows, columns = math.ceil(len(names) / COLUMNS), min(COLUMNS, len(names))
    with rc_context(STYLE):
        heights = [3.0 * rows, 3.2 + 0.12 * len(names)]
        figure = Figure(figsize=(7.6, sum(heights)), layout="constrained")
        upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=heights).flat
        grid = upper.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for panel, (identity, name) in zip(grid.flat, names, strict=False):
            here = foreseen.join(identity, on=CURVE, how="semi", nulls_equal=True)
            panel.set_title(f"{name.data}\n{name.model}", fontsize="small")
            _predictions(panel, here)
        for panel in grid.flat[len(names) :]:
            panel.set_visible(False)
        for panel in grid.flat[len(names) - columns : len(names)]:
            panel.tick_params(labelbottom=True)  # with nothing below it
        upper.supylabel(r"predicted $\lambda_\mathrm{sp}$ off by (%)", fontsize=11.5)
        upper.supxlabel(r"from the phase up to this fraction of $\lambda_\mathrm{jump}$", fontsize=11.5)
        handles = _legend(foreseen)
        lines = math.ceil(len(handles) / 10)
        upper.legend(
            handles=handles,
            loc="outside upper center",
            ncols=math.ceil(len(handles) / lines),
            columnspacing=1.0,
            handletextpad=0.1,
        )
        _last_phase(list(lower.subplots(1, 2)), phases, transitions, names)
        lower.legend(loc="outside lower center", ncols=2, fontsize=9)
    return figure


def _predictions(panel: Axes, foreseen: pl.DataFrame) -> None:
    cut_offs = foreseen["cut_off"].unique().sort().to_list()
    panel.axhline(0, **ZERO)
    panel.set_yscale("symlog", linthresh=10, linscale=1.2)
    panel.yaxis.set_major_locator(FixedLocator(PER_CENT))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:+g}".replace("-", "−") if value else "0")
    )
    panel.set_xticks(range(len(cut_offs)), [f"{x:g}" for x in cut_offs])
    panel.set_ylim(-100, 4000)
    panel.set_xlim(-0.5, len(cut_offs) - 0.5)
    for column, at in enumerate(cut_offs):
        if column:
            panel.axvline(column - 0.5, **ZERO)
        for row in foreseen.filter(cut_off=at).iter_rows(named=True):
            place = column + 0.17 * (list(OBSERVABLES).index(row["observable"]) - 2)
            colour = OBSERVABLES[row["observable"]][1]
            style: dict[str, Any] = {"color": colour, "linestyle": "none"}
            if not row["seeds"]:
                panel.plot(
                    place, 0.955, marker="x", markersize=4, transform=panel.get_xaxis_transform(), **style
                )
                continue
            style |= {"marker": MARKERS[(row["index"] - 1) % len(MARKERS)], "markersize": 3.6}
            if row["seeds"] < row["seeds_all"]:
                style |= {"markerfacecolor": "white"}
            panel.errorbar(place, row["deviation"], row["deviation_error"] or 0, linewidth=0.7, **style)


def _legend(foreseen: pl.DataFrame) -> list[Artist]:
    shown = foreseen["observable"].unique()
    handles: list[Artist] = [
        Line2D([], [], color=colour, marker="s", linestyle="none", markersize=5, label=label)
        for name, (label, colour) in OBSERVABLES.items()
        if name in shown
    ]
    for index in foreseen["index"].unique().sort():
        marker = MARKERS[(index - 1) % len(MARKERS)]
        handles.append(
            Line2D(
                [], [], color="0.4", marker=marker, linestyle="none", markersize=3.6, label=f"jump {index}"
            )
        )
    if foreseen.filter(seeds=0).height:
        handles.append(Line2D([], [], color="0.4", marker="x", linestyle="none", markersize=4, label="none"))
    return handles


def _last_phase(
    axes: Sequence[Axes],
    path: pl.DataFrame,
    transitions: pl.DataFrame,
    names: Sequence[tuple[pl.DataFrame, CurveName]],
) -> None:
    """R_c and the soft mode through the last phase against λ/λ_sp, in units of their own.

    The soft mode is c times what it is for c = 1, so that there is one line for all c.
    """
    curvature, soft_mode = axes
    models = [name.model for _, name in names]
    for number, ((identity, name), colour) in enumerate(zip(names, CURVES * len(names), strict=False)):
        here, known = (
            table.join(identity, on=CURVE, how="semi", nulls_equal=True) for table in (path, transitions)
        )
        starts = known.drop_nulls("location").sort("location")["l2_high"].to_list()[-2:-1] or [0.0]
        phase = here.filter(pl.col("l2") >= starts[0])
        label = name.model if models.count(name.model) == 1 else f"{name.data}; {name.model}"
        for scale, dashes in zip(SCALES, DASHES, strict=True):
            share, values = _mean(phase, rescaled_curvature(scale))
            largest = np.abs(values).max(initial=0.0) or 1.0
            curvature.plot(share, values / largest, color=colour, linestyle=dashes, linewidth=1.1)
        share, values = _mean(phase, pl.col("soft_mode"))
        # They may all be the same line: the later ones leave a rim of the earlier.
        width = 1.1 + min(1.6, 5 / len(names)) * (len(names) - 1 - number)
        soft_mode.plot(share, values / values[:1], color=colour, linewidth=width, label=label)
    for scale, dashes in zip(SCALES, DASHES, strict=True):
        curvature.plot([], [], color="0.4", linestyle=dashes, label=f"$c = {scale:g}$")
    curvature.set_ylabel(r"$R_c\,/\,\max\,|R_c|$")
    soft_mode.set_ylabel("soft mode / where the phase begins")
    for panel in axes:
        panel.axhline(0, **ZERO)
        panel.axvline(1, **ZERO)
        panel.set_xlabel(r"$\lambda/\lambda_\mathrm{sp}$, last phase")


def _mean(
    phase: pl.DataFrame, observable: pl.Expr
) -> tuple[Float64[np.ndarray, " l"], Float64[np.ndarray, " l"]]:
    """λ/λ_sp and the mean over seeds, where at least half of them were measured."""
    rows = phase.with_columns(_value=observable).filter(pl.col("_value").is_finite())
    mean = rows.group_by("l2", "spinodal").agg(pl.col("_value").mean(), pl.len()).sort("l2")
    mean = mean.filter(pl.col("len") * 2 >= pl.col("len").max())
    return (mean["l2"] / mean["spinodal"]).to_numpy(), mean["_value"].to_numpy()
