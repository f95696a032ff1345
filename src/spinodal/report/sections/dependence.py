"""What makes a transition one, and not an accident of one network: the same at other depths, widths, samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spinodal.analysis import CURVE
from spinodal.report import panels
from spinodal.report.campaign import Campaign
from spinodal.report.numbers import number
from spinodal.report.section import Section, section
from spinodal.report.style import CURVES, STYLE, ZERO

AXES = {
    "depth": ("depth ", "depth $L$"),
    "width": ("width ", "width of the hidden layers"),
    "samples": ("N = ", "number of samples $N$"),
}
"""What stands before the value of an axis in the name of a curve, and the label of the axis."""

FAMILIES = 3
"""So many are drawn."""

MEAN: dict[str, Any] = {"marker": "o", "linestyle": "none", "markersize": 4.4}
SEED: dict[str, Any] = {"marker": "o", "markersize": 2.6, "alpha": 0.5, "linestyle": "none"}
PREDICTED: dict[str, Any] = {"color": "black", "marker": "_", "markersize": 17, "markeredgewidth": 1.0}
PLACE = pl.coalesce("control_exact", "control_estimate")
"""Of what is predicted."""


@section("dependence", "Depth, width, samples", "Dependence", place=40)
def dependence(campaign: Campaign) -> Section | None:
    """Return transitions against each axis along which networks differ in nothing else."""
    table = campaign.found.dependence
    if table.is_empty():
        return None
    by_identity = {curve.identity: curve for curve in campaign.curves}
    pictures = []
    for found in table.partition_by("family", maintain_order=True)[:FAMILIES]:
        curves = [by_identity[row] for row in found.select(CURVE).unique(maintain_order=True).rows()]
        axis, name = found["axis"][0], curves[0].name
        where = f"{name.data}; {name.model}".replace(f"{AXES[axis][0]}{found['value'][0]}", f"any {axis}")
        own = campaign.found.seed_jumps.filter(family=found["family"][0])
        onsets = ", ".join(
            f"{value}: λ = {number(at)}"
            for value, at in found.filter(from_onset=0).select("value", "location").drop_nulls().rows()
        )
        pictures.append(
            campaign.picture(
                campaign.draw(f"dependence-{axis}-{name.file}", draw_dependence, found, own),
                alt=f"λ of each transition and the jump in E there against {axis}, for {where}: {onsets}",
                title=f"{where}.",
                caption=f"The onset of learning, by {axis}: {onsets}.",
                curves=curves,
            )
        )
    notes = [
        "Networks that differ in one thing only. A transition that is no accident of one of them is there in all, "
        "every seed shows it, and it moves as predicted (dashes), where theory applies."
    ]
    return Section(notes, pictures)


@rc_context(STYLE)
def draw_dependence(found: pl.DataFrame, seeds: pl.DataFrame) -> Figure:
    """Draw where each transition is, and by how much E jumps there, against one axis.

    Every seed is a point, slightly to the right of the mean with its error; hollow where the transition is
    continuous, or not decided. Dashes are what theory predicts.

    Args:
        found: Rows of one family, as `analysis.dependence` returns them.
        seeds: The jumps of each seed there, as `seed_jumps` returns them.
    """
    values = found["value"].unique().sort().to_list()
    ranks = found["from_onset"].unique().sort().to_list()
    figure = Figure(figsize=(4.8, 5.0), layout="constrained")
    place, size = figure.subplots(2, sharex=True, height_ratios=[1.4, 1])
    for rank in ranks:
        colour = CURVES[rank % len(CURVES)]
        here, each = found.filter(from_onset=rank), seeds.filter(from_onset=rank)
        for panel, column in ((place, "location"), (size, "jump")):
            _points(panel, here, column, values, colour)
            panel.plot(_at(each, values) + 0.12, each[column], color=colour, **SEED)
        predicted = here.with_columns(_place=PLACE).drop_nulls("_place")
        place.plot(_at(predicted, values), predicted["_place"], linestyle="none", **PREDICTED)
    place.set_yscale("log")
    panels.plain_ticks(place.yaxis, 1.0, 2.0, 5.0)
    place.set_ylabel(r"transition at $\lambda$")
    size.axhline(0, **ZERO)
    size.set_ylabel("jump in $E$")
    size.set_xticks(range(len(values)), [str(value) for value in values])
    size.set_xlim(-0.5, len(values) - 0.5)
    size.set_xlabel(AXES[found["axis"][0]][1])
    return panels.finish(figure, _legend(found, ranks), ncols=3)


def _at(rows: pl.DataFrame, values: list[int]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([values.index(value) for value in rows["value"]], dtype=np.float64)


def _points(panel: Axes, rows: pl.DataFrame, column: str, values: list[int], colour: str) -> None:
    """Draw the mean of each transition; where it is continuous E does not jump."""
    measured = rows.drop_nulls("location").with_columns(
        jump=pl.when(pl.col("order") == 2).then(0.0).otherwise("jump"),
        jump_error=pl.col("jump_error").fill_null(0.0),
    )
    first = pl.col("order").eq_missing(1)
    for which, fill in ((first, colour), (~first, "white")):
        shown = measured.filter(which).drop_nulls(column)
        style = {**MEAN, "color": colour, "markerfacecolor": fill, "linewidth": 0.8}
        panel.errorbar(_at(shown, values), shown[column], shown[f"{column}_error"], **style)


def _legend(found: pl.DataFrame, ranks: list[int]) -> list[Line2D]:
    point = {**MEAN, "color": "0.3"}
    names = ["the onset", *(f"{rank} before it" for rank in ranks[1:])]
    handles = [
        panels.line(name, {**point, "color": CURVES[rank % len(CURVES)]})
        for name, rank in zip(names, ranks, strict=True)
    ]
    handles.append(panels.line("each seed", {**point, "markersize": 2.6, "alpha": 0.6}))
    if found.drop_nulls("location")["order"].ne_missing(1).any():
        handles.append(panels.line("continuous, or not decided", {**point, "markerfacecolor": "white"}))
    if found.select(PLACE.is_not_null().any()).item():
        handles.append(panels.line("predicted", {**point, **PREDICTED, "markersize": 9}))
    return handles
