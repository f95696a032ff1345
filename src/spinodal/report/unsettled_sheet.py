"""The tables of the page about what is not settled."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from spinodal.analysis import CURVE
from spinodal.report.groups import CurveReport
from spinodal.report.sheet import Row, Sheet
from spinodal.report.unsettled import KINDS


def unfinished_sheet(unfinished: pl.DataFrame) -> Sheet:
    """Jobs that did not come to their end.

    Args:
        unfinished: As the function of that name returns it.
    """
    rows: list[Row] = []
    for row in unfinished.iter_rows(named=True):
        stages = "none recorded" if row["stages"] is None else f"{row['stages']} of {row['of'] or '?'}"
        at = "" if row["l2"] is None else f"{row['l2']:.4g}"
        rows.append((row["job"] or "?", str(row["points"]), str(row["finished"]), stages, at))
    header = ("job", "points", "finished", "stages done", "λ it has come to")
    return Sheet("Jobs that are running, were stopped, or have failed", header, [("", rows)], words=1)


def unrelaxed_sheet(unrelaxed: pl.DataFrame, curves: Sequence[CurveReport]) -> Sheet:
    """Rows that are no minima, curve by curve.

    Args:
        unrelaxed: As the function of that name returns it.
        curves: All of them.
    """
    names = {curve.records.select(CURVE).row(0): str(curve.name) for curve in curves}
    rows: list[Row] = []
    for identity, row in zip(unrelaxed.select(CURVE).rows(), unrelaxed.iter_rows(named=True), strict=True):
        counts = [str(row[kind]) if row[kind] else "" for kind in KINDS]
        where = "" if row["l2_low"] is None else f"{row['l2_low']:.4g} – {row['l2_high']:.4g}"
        worst = "" if row["grad_max"] is None else f"{row['grad_max']:.1e}"
        rows.append((names[identity], *counts, str(row["rows"]), where, worst))
    header = (
        "curve",
        "not stationary",
        "saddles",
        "not looked at",
        "of rows",
        "λ of the first two",
        "max |∇𝓛|",
    )
    caption = "Rows that are not stationary, saddles, or stationary but not looked at whether they are minima"
    return Sheet(caption, header, [("", rows)], words=1)


def unresolved_sheet(curves: Sequence[CurveReport]) -> Sheet:
    """Stretches of λ in which a curve moves steeply without a jump.

    Args:
        curves: All of them.
    """
    rows: list[Row] = [
        (str(curve.name), f"{low:.5g} – {high:.5g}")
        for curve in curves
        for low, high in curve.unresolved.select("l2_low", "l2_high").iter_rows()
    ]
    caption = "E moves steeply here; only a finer grid shows whether it jumps"
    return Sheet(caption, ("curve", "λ"), [("", rows)], words=1)
