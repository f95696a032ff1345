"""The figure of how transitions depend on depth, width or the number of samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from spinodal.report.style import CURVES, STYLE, ZERO

LABELS = {"depth": "depth $L$", "width": "width of the hidden layers", "samples": "number of samples $N$"}
PREDICTED: dict[str, Any] = {"color": "black", "marker": "_", "markersize": 17, "markeredgewidth": 1.0}
SEED: dict[str, Any] = {"marker": "o", "markersize": 2.6, "alpha": 0.5, "linestyle": "none"}


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
    with rc_context(STYLE):
        figure = Figure(figsize=(4.8, 5.0), layout="constrained")
        place, size = figure.subplots(2, sharex=True, height_ratios=[1.4, 1])
        for rank in ranks:
            colour = CURVES[rank % len(CURVES)]
            here = found.filter(from_onset=rank)
            _points(place, here, "location", values, colour)
            _points(size, here, "jump", values, colour)
            each = seeds.filter(from_onset=rank)
            for panel, column in ((place, "location"), (size, "jump")):
                panel.plot(_at(each, values) + 0.12, each[column], color=colour, **SEED)
            predicted = here.with_columns(_place=pl.coalesce("control_exact", "control_estimate")).drop_nulls(
                "_place"
            )
            place.plot(_at(predicted, values), predicted["_place"], linestyle="none", **PREDICTED)
        place.set_yscale("log")
        place.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        place.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        place.yaxis.set_minor_formatter(NullFormatter())
        place.set_ylabel(r"transition at $\lambda$")
        size.axhline(0, **ZERO)
        size.set_ylabel("jump in $E$")
        size.set_xticks(range(len(values)), [str(value) for value in values])
        size.set_xlim(-0.5, len(values) - 0.5)
        size.set_xlabel(LABELS[found["axis"][0]])
        figure.align_ylabels()
        figure.legend(handles=_legend(found, ranks), loc="outside lower center", ncols=3)
    return figure


def _at(rows: pl.DataFrame, values: list[int]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([values.index(value) for value in rows["value"]], dtype=np.float64)


def _points(panel: Axes, rows: pl.DataFrame, column: str, values: list[int], colour: str) -> None:
    """The mean of each transition; where it is continuous E does not jump."""
    measured = rows.drop_nulls("location").with_columns(
        jump=pl.when(pl.col("order") == 2).then(0.0).otherwise("jump"),
        jump_error=pl.col("jump_error").fill_null(0.0),
    )
    for first, part in ((True, pl.col("order").eq_missing(1)), (False, pl.col("order").ne_missing(1))):
        shown = measured.filter(part).drop_nulls(column)
        panel.errorbar(
            _at(shown, values),
            shown[column],
            shown[f"{column}_error"],
            color=colour,
            marker="o",
            markersize=4.4,
            markerfacecolor=colour if first else "white",
            linestyle="none",
            linewidth=0.8,
        )


def _legend(found: pl.DataFrame, ranks: list[int]) -> list[Line2D]:
    def point(label: str, **style: Any) -> Line2D:
        return Line2D(
            [],
            [],
            **{
                "marker": "o",
                "linestyle": "none",
                "markersize": 4.4,
                "color": "0.3",
                **style,
                "label": label,
            },
        )

    names = ["the onset", *(f"{rank} before it" for rank in ranks[1:])]
    handles = [point(name, color=CURVES[rank % len(CURVES)]) for name, rank in zip(names, ranks, strict=True)]
    handles.append(point("each seed", markersize=2.6, alpha=0.6))
    if found.drop_nulls("location")["order"].ne_missing(1).any():
        handles.append(point("continuous, or not decided", markerfacecolor="white"))
    if found.select(pl.coalesce("control_exact", "control_estimate").is_not_null().any()).item():
        handles.append(point("predicted", **(PREDICTED | {"markersize": 9})))
    return handles
