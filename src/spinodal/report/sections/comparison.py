"""Predicted and measured transitions, next to each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from spinodal.analysis import order_parameter
from spinodal.analysis.elsewhere import ELSEWHERE
from spinodal.report.campaign import Campaign
from spinodal.report.names import capitalised
from spinodal.report.networks import Network
from spinodal.report.numbers import listed, number, signed, span, with_error
from spinodal.report.section import Section, section
from spinodal.report.table import Cell, Column, Group, Row, Table, columns

COLUMNS = columns(
    *("#", "order", "λ measured", "λ between", "λ theory", "off by", "in errors"),
    Column("verdict", words=True),
    *("jump in E", "accuracy", "features", "seeds"),
    Column("evidence", words=True, brief=False),
    brief=("#", "order", "λ measured", "λ theory", "verdict", "jump in E", "seeds"),
)

ORDERS = {1: "1st", 2: "2nd", None: "?"}
"""Of transitions; a question mark where it is not decided."""

PLACE = pl.coalesce("location", "control_exact", "control_estimate")


@section("comparison", "Predicted and measured", "Comparison", place=80)
def comparison(campaign: Campaign) -> Section | None:
    """Return every transition that was found or predicted; nothing is left out."""
    networks = campaign.networks
    if not networks:
        return None
    results = verdicts(campaign.found.transitions)
    notes = [capitalised("; ".join(results)) + "."]
    transitions = pl.concat([network.transitions for network in networks])
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
    table = Table(caption, COLUMNS, [*_groups(networks)], brief=True, empty="none")
    return Section(notes, tables=[table], results=results, remarks=remarks)


def _groups(networks: Sequence[Network]) -> list[Group]:
    return [
        Group(
            str(curve.name) + (f"; c = {listed(curve.strengths)}" if curve.strengths else ""),
            [
                _row(row, order_parameter(curve.records))
                for row in curve.transitions.sort(PLACE).iter_rows(named=True)
            ],
            network.drawn,
        )
        for network in networks
        for curve in network.curves
    ]


def _row(row: dict[str, Any], counted: str) -> Row:
    predicted = number(row["control_exact"], 5)
    if row["control_estimate"] is not None:
        predicted = f"≈ {number(row['control_estimate'], 5)}"
    if row["location"] is None:
        order = f"{ORDERS[row['order_exact']]} predicted"
        return ("", order, "", "", predicted, "", "", Cell("not found", "bad"), *[""] * 5)
    kink = row["order"] == 2
    size = with_error(row["kink" if kink else "jump"], row["kink_error" if kink else "jump_error"])
    unrelaxed = "*" if row["unrelaxed"] else ""
    return (
        str(row["index"]),
        ORDERS[row["order"]],
        with_error(row["location"], row["location_error"]),
        span(row["control_low"], row["control_high"], 5) + unrelaxed,
        predicted,
        signed(row["deviation_percent"], 2, " %"),
        signed(row["deviation"], 1),
        verdict(row),
        size,
        _sides(row, "accuracy", 3),
        "" if kink else _sides(row, counted, 2),
        f"{row['seeds']}/{row['seeds_all']}",
        row["evidence"],
    )


def verdict(row: dict[str, Any]) -> Cell:
    """Return what the comparison comes to for a transition."""
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


def _sides(row: dict[str, Any], name: str, digits: int) -> str:
    """What was measured before and after."""
    before, after = row[f"{name}_before"], row[f"{name}_after"]
    return "" if before is None or after is None else f"{number(before, digits)} → {number(after, digits)}"


def verdicts(transitions: pl.DataFrame) -> list[str]:
    """Return the comparison in lines: of how many predicted transitions how many were found, and where.

    Args:
        transitions: As `Findings.transitions`.
    """
    status = pl.col("status")
    estimated = pl.col("control_estimate").is_not_null()
    count = {
        name: transitions.filter(which).height
        for name, which in {
            "matched": (status == "matched") & ~estimated,
            "inside": (status == "matched") & ~estimated & pl.col("inside"),
            "predicted": status.is_in(["matched", "missing"]) & ~estimated,
            "near": (status == "matched") & estimated,
            "estimated": status.is_in(["matched", "missing"]) & estimated,
            "unexpected": status == "unexpected",
            "elsewhere": status.is_in(list(ELSEWHERE)),
            "alone": status.is_null() & pl.col("location").is_not_null(),
        }.items()
    }
    lines = []
    if count["predicted"]:
        found = f"{count['matched']} of {count['predicted']} predicted transitions found"
        lines.append(f"{found}, {count['inside']} in their brackets")
    if count["estimated"]:
        lines.append(f"{count['near']} of {count['estimated']} estimated transitions found, within 25 %")
    if count["unexpected"]:
        lines.append(f"{count['unexpected']} transitions found where none is predicted")
    if count["elsewhere"]:
        lines.append(
            f"{count['elsewhere']} transitions found that are compared with what noise makes of them"
        )
    if count["alone"]:
        lines.append(f"{count['alone']} transitions found of which theory says nothing")
    return lines or ["no transition was found, and none is predicted"]
