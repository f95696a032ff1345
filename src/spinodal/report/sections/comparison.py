"""Predicted and measured transitions, next to each other."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from spinodal.analysis import CURVE, order_parameter
from spinodal.analysis.elsewhere import ELSEWHERE
from spinodal.report.campaign import Campaign
from spinodal.report.cells import Cells, Record, measured, off, share, sides, tabulate, text
from spinodal.report.names import capitalised
from spinodal.report.networks import Curve
from spinodal.report.numbers import listed, number, span
from spinodal.report.section import Section, section
from spinodal.report.table import Cell, Group

ORDERS = {1: "1st", 2: "2nd", None: "?"}
"""Of transitions; a question mark where it is not decided."""

PLACE = pl.coalesce("location", "control_exact", "control_estimate")


@section("comparison", "Predicted and measured", "Comparison", place=80)
def comparison(campaign: Campaign) -> Section | None:
    """Return every transition that was found or predicted; nothing is left out."""
    if not campaign.networks:
        return None
    transitions = campaign.found.transitions
    results = verdicts(transitions)
    notes = [capitalised("; ".join(results)) + "."]
    status = set(transitions["status"])
    if status & ELSEWHERE.keys():
        notes.append(
            "Where it is noise that ends a phase, theory predicts the place from the noise: on the way down of a loop, "
            "and in loops under noise. These are compared in sections of their own, which the verdicts lead to."
        )
    if status & {"matched", "missing", "unexpected"}:
        notes.append(
            "λ of theory is the exact spinodal of a deep linear network (at depth 2 the λ at which a feature reaches "
            "zero, c/2) with the strengths and variances measured on its data. Deviations are of the measured λ from "
            "it, in per cent and in units of the error of measurement."
        )
    if (transitions["order"] == 2).any():
        notes.append("Under jump in E a kink, of 2nd order, has by how much dE/d ln λ changes.")
    remarks = []
    if transitions["control_estimate"].is_not_null().any():
        remarks.append("≈: an estimate, since the inputs are not whitened along the features")
        notes.append(
            "≈ is an estimate from the same formula: these inputs are not whitened along the features, so that it is "
            "not exact. Within 25 % counts as near. Of other networks than deep linear ones it says nothing."
        )
    if transitions["unrelaxed"].sum():
        remarks.append("*: rows that did not relax lie in between; the nearest that did make the bracket")
        notes.append("* Rows that did not relax lie in between: the nearest ones that did make the bracket.")
    caption = "Predicted and measured transitions, curve by curve"
    groups = _groups(campaign.curves, transitions)
    table = tabulate(caption, COLUMNS, groups, words=("verdict", "evidence"), brief=BRIEF, empty="none")
    return Section(notes, tables=[table], results=results, remarks=remarks)


def _groups(curves: Sequence[Curve], transitions: pl.DataFrame) -> list[Group]:
    rows = transitions.sort(PLACE, maintain_order=True).rows_by_key(CURVE, named=True, include_key=True)
    return [
        Group(
            str(curve.name) + (f"; c = {listed(curve.strengths)}" if curve.strengths else ""),
            [row | {"counted": order_parameter(curve.records)} for row in rows.get(curve.identity, ())],
            curve.drawn,
        )
        for curve in curves
    ]


def _order(row: Record) -> str:
    return f"{ORDERS[row['order_exact']]} predicted" if row["location"] is None else ORDERS[row["order"]]


def _between(row: Record) -> str:
    return span(row["control_low"], row["control_high"], 5) + ("*" if row["unrelaxed"] else "")


def _theory(row: Record) -> str:
    estimate = row["control_estimate"]
    return number(row["control_exact"], 5) if estimate is None else f"≈ {number(estimate, 5)}"


def _size(row: Record) -> Cell | str:
    return measured("kink" if row["order"] == 2 else "jump")(row)


def _counted(row: Record) -> Cell | str:
    return "" if row["order"] == 2 else sides(f"{row['counted']}_", 2)(row)


def verdict(row: Record) -> Cell:
    """Return what the comparison comes to for a transition."""
    if row["location"] is None:
        return Cell("not found", "bad")
    orders = row["order"], row["order_exact"]
    match row["status"], row["inside"]:
        case "matched", _ if None not in orders and orders[0] != orders[1]:
            return Cell("of another order", "bad")
        case "matched", _ if row["control_estimate"] is not None:
            return Cell("near the estimate")
        case "matched", True:
            return Cell("in bracket", "good")
        case "matched", _:
            return Cell("beside bracket", "bad")
        case "unexpected", _:
            return Cell("none predicted near", "bad")
        case status, _ if status in ELSEWHERE:
            return Cell(status, link=f"#{ELSEWHERE[status]}")
        case _:
            return Cell("no prediction")


COLUMNS: Cells = (
    ("#", text("index")),
    ("order", _order),
    ("λ measured", measured("location")),
    ("λ between", _between),
    ("λ theory", _theory),
    ("off by", off("deviation_percent", 2, " %")),
    ("in errors", off("deviation")),
    ("verdict", verdict),
    ("jump in E", _size),
    ("accuracy", sides("accuracy_", 3)),
    ("features", _counted),
    ("seeds", share("seeds", "seeds_all")),
    ("evidence", text("evidence")),
)
BRIEF = ("#", "order", "λ measured", "λ theory", "verdict", "jump in E", "seeds")
"""What is shown on the terminal, too."""


def verdicts(transitions: pl.DataFrame) -> list[str]:
    """Return in lines of how many predicted transitions how many were found, and where, from `Findings.transitions`."""
    status, estimated = pl.col("status"), pl.col("control_estimate").is_not_null()
    matched, foreseen = status == "matched", status.is_in(["matched", "missing"])

    def count(*which: pl.Expr) -> int:
        return transitions.filter(which).height

    predicted, near = count(foreseen, ~estimated), count(foreseen, estimated)
    brackets = f"{count(matched, ~estimated, pl.col('inside'))} in their brackets"
    unexpected, elsewhere = count(status == "unexpected"), count(status.is_in(list(ELSEWHERE)))
    alone = count(status.is_null(), pl.col("location").is_not_null())
    lines = {
        f"{count(matched, ~estimated)} of {predicted} predicted transitions found, {brackets}": predicted,
        f"{count(matched, estimated)} of {near} estimated transitions found, within 25 %": near,
        f"{unexpected} transitions found where none is predicted": unexpected,
        f"{elsewhere} transitions found that are compared with what noise makes of them": elsewhere,
        f"{alone} transitions found of which theory says nothing": alone,
    }
    shown = [line for line, number in lines.items() if number]
    return shown or ["no transition was found, and none is predicted"]
