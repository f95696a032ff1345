"""The tables of the page: what `transitions.csv` and its siblings say, written for a reader."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import polars as pl

from spinodal.analysis.elsewhere import ELSEWHERE
from spinodal.report.groups import Group
from spinodal.report.names import with_error


class Cell(NamedTuple):
    """What stands in one place."""

    text: str
    kind: str = ""
    """good or bad, where that is said; the text says it as well."""
    link: str = ""
    """Where it leads, if anywhere."""


Row = Sequence["Cell | str"]


@dataclass(frozen=True)
class Sheet:
    """One table."""

    caption: str
    header: Sequence[str]
    bodies: list[tuple[str, list[Row]]] = field(default_factory=list)
    """Rows under a title of their own; an empty title is none."""
    words: int = 0
    """So many columns from the left are words, the others numbers."""

    def __len__(self) -> int:
        """Number of rows."""
        return sum(len(rows) for _, rows in self.bodies)


TRANSITIONS = (
    *("#", "order", "λ measured", "λ between", "λ predicted", "off by", "in errors", "verdict"),
    *("jump in E", "accuracy", "features", "seeds", "evidence"),
)


ORDERS = {1: "1st", 2: "2nd", None: "?"}
"""Of transitions; a question mark where it is not decided."""


def transition_sheet(groups: Iterable[Group]) -> Sheet:
    """Every transition that was found or predicted, next to each other; nothing is left out.

    Args:
        groups: Of the campaign.
    """
    bodies: list[tuple[str, list[Row]]] = []
    for group in groups:
        for curve in group.curves:
            found = curve.transitions.sort(pl.coalesce("location", "l2_exact", "l2_estimate"))
            rows: list[Row] = [_transition(row) for row in found.iter_rows(named=True)]
            title = str(curve.name) + (f"; c = {listed(curve.strengths)}" if curve.strengths else "")
            bodies.append((title, rows or [("", "", "none", *[""] * (len(TRANSITIONS) - 3))]))
    return Sheet("Predicted and measured transitions, curve by curve", TRANSITIONS, bodies)


def listed(strengths: Sequence[float]) -> str:
    """As in 1, 0.6, 0.36; the first eight."""
    shown = [f"{value:.3g}" for value in strengths[:8]]
    return ", ".join([*shown, "…"] if len(strengths) > 8 else shown)


def _transition(row: dict[str, Any]) -> Row:
    location = row["location"]
    predicted = "" if row["l2_exact"] is None else f"{row['l2_exact']:.5g}"
    if row["l2_estimate"] is not None:
        predicted = f"≈ {row['l2_estimate']:.5g}"
    if location is None:
        order = f"{ORDERS[row['order_exact']]} predicted"
        return ("", order, "", "", predicted, "", "", Cell("not found", "bad"), *[""] * 5)
    off_by, in_errors = row["deviation_percent"], row["deviation"]
    return (
        str(row["index"]),
        ORDERS[row["order"]],
        with_error(location, row["location_error"]),
        f"{row['l2_low']:.5g} – {row['l2_high']:.5g}" + ("*" if row["unrelaxed"] else ""),
        predicted,
        "" if off_by is None else signed(off_by, 2) + " %",
        "" if in_errors is None else signed(in_errors, 1),
        verdict(row),
        re.sub("^-", "−", with_error(row["jump"], row["jump_error"])) if row["order"] != 2 else _kink(row),
        sides(row, "accuracy", ".3f"),
        sides(row, "learned_features", ".2g"),
        f"{row['seeds']}/{row['seeds_all']}",
        row["evidence"],
    )


def _kink(row: dict[str, Any]) -> str:
    if row["kink"] is None:
        return ""
    return "dE/d ln λ by " + re.sub("^-", "−", with_error(row["kink"], row["kink_error"]))


def verdict(row: dict[str, Any]) -> Cell:
    """What the comparison says of a transition."""
    if row["status"] == "matched" and not agrees(row):
        return Cell("of another order", "bad")
    if row["status"] == "matched" and row["l2_estimate"] is not None:
        return Cell("near the estimate")
    match row["status"], row["inside"]:
        case "matched", True:
            return Cell("in the bracket", "good")
        case "matched", _:
            return Cell("beside the bracket", "bad")
        case "unexpected", _:
            return Cell("none predicted near", "bad")
        case "missing", _:
            return Cell("not found", "bad")
        case status, _ if status in ELSEWHERE:
            return Cell(status, link=f"#{ELSEWHERE[status]}")
        case _:
            return Cell("no prediction")


def agrees(row: dict[str, Any]) -> bool:
    """Whether a transition is of the order that is predicted, as far as both are known."""
    return None in (row["order"], row["order_exact"]) or row["order"] == row["order_exact"]


def signed(value: float, decimals: int) -> str:
    """With its sign, a true minus."""
    text = f"{round(value, decimals) + 0.0:+.{decimals}f}"
    return text.replace("-", "−")


def sides(row: dict[str, Any], name: str, form: str) -> str:
    """What was measured before and after; nothing for the features of a kink, which end without a jump."""
    if row["order"] == 2 and name == "learned_features":
        return ""
    before, after = row[f"{name}_before"], row[f"{name}_after"]
    return "" if before is None or after is None else f"{before:{form}} → {after:{form}}"


def verdicts(groups: Iterable[Group]) -> list[str]:
    """The comparison in a line: of how many predicted transitions how many were found, and where."""
    tables = [group.transitions.select("status", "inside", "location", "l2_estimate") for group in groups]
    table = pl.concat(tables) if tables else pl.DataFrame()
    lines = []
    for kind, here in (
        ("predicted", pl.col("l2_estimate").is_null()),
        ("estimated", pl.col("l2_estimate").is_not_null()),
    ):
        matched, missing = (
            table.filter(here, pl.col("status") == status) for status in ("matched", "missing")
        )
        if predicted := len(matched) + len(missing):
            where = (
                f"{int(matched['inside'].sum())} in their brackets" if kind == "predicted" else "within 25 %"
            )
            lines.append(f"{len(matched)} of {predicted} {kind} transitions found, {where}")
    unexpected = table.filter(pl.col("status") == "unexpected").height
    if unexpected:
        lines.append(f"{unexpected} transitions found where none is predicted")
    elsewhere = table.filter(pl.col("status").is_in(list(ELSEWHERE))).height
    if elsewhere:
        lines.append(f"{elsewhere} transitions found that are compared with what noise makes of them")
    alone = table.filter(pl.col("status").is_null(), pl.col("location").is_not_null()).height
    if alone:
        lines.append(f"{alone} transitions found of which theory says nothing")
    return lines or ["no transition was found, and none is predicted"]
