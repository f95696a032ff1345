"""What each observable predicts of λ_sp from what precedes a jump."""

from __future__ import annotations

from typing import Any

import polars as pl

from spinodal.analysis import KNOWN
from spinodal.analysis.foresight import OBSERVABLES
from spinodal.records import COLUMN
from spinodal.report.campaign import Campaign
from spinodal.report.foresight_figure import MARKERS, draw_foresight
from spinodal.report.networks import FIGURES, of_curves
from spinodal.report.numbers import signed
from spinodal.report.section import Section, section
from spinodal.report.table import Group, Row, Table, columns

MEANING = (
    f"per jump: how far λ_sp, predicted from the phase up to {KNOWN:g} λ_jump, is off, in % of λ_jump; "
    "none: too few points, or no line that reaches zero ahead of them"
)
"""Of the table of predictions."""


@section("foresight", "What foresees a jump", "Foresight", place=70)
def foresight(campaign: Campaign) -> Section | None:
    """Return how far predictions of λ_sp are off, of every observable and jump."""
    found = campaign.found
    if found.foresight.is_empty():
        return None
    foreseen = found.foresight.filter(cut_off=KNOWN)
    shown = [
        curve for network in campaign.drawn for curve in network.curves if len(curve.of(found.foresight))
    ][:FIGURES]
    pictures = []
    if shown:
        markers = " ".join([*MARKERS.values()][: max(found.foresight["index"])])
        tables = (of_curves(table, shown) for table in (found.foresight, found.before_onset))
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
        [
            Group(str(curve.name), _rows(curve.of(foreseen)), network.drawn)
            for network in campaign.networks
            for curve in network.curves
        ],
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


def off_by(row: dict[str, Any]) -> str:
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
