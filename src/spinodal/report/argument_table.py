"""The verdicts on the terminal, and how their numbers are written."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from spinodal.analysis.verdicts import CLAIMS, Quantity
from spinodal.report.argument import Argument
from spinodal.report.names import with_error

PRECISE, TINY = 1e-3, 1e-4
"""Relative errors below which, and numbers below which, errors are written as powers of ten."""

COLOURS = {"confirmed": "green", "not confirmed": "red", "not decided": "yellow"}


def written(quantities: Sequence[Quantity], shown: int = 5) -> str:
    """Numbers with their names and errors, in a line.

    Args:
        quantities: Predicted, or measured.
        shown: At most so many without a name; of more, the last.
    """
    unnamed = [each for each in quantities if not each.name]
    numbers = ["…"] if len(unnamed) > shown else []
    parts = [", ".join([*numbers, *(_number(each) for each in unnamed[-shown:])])] if unnamed else []
    parts += [f"{each.name} {_number(each)}".strip() for each in quantities if each.name]
    return "; ".join(parts)


def _number(quantity: Quantity) -> str:
    value, error = quantity.value, quantity.error
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return "nothing"
    if error is None:
        text = f"{value:.{3 if quantity.unit else 5}g}"
    elif error >= PRECISE * abs(value) and max(abs(value), error) >= TINY:
        text = with_error(value, error)
    else:
        digits = 6 if abs(value) >= TINY else 1
        text = f"{value:.{digits}g} ± {error:.0e}"
    return re.sub("e-0?", "e−", re.sub("^-", "−", text)) + quantity.unit


def argument_tables(argument: Argument) -> Iterator[Table]:
    """A table for each claim, one row per verdict.

    Args:
        argument: What was judged.
    """
    for claim, sentence in CLAIMS.items():
        table = Table(title=f"[bold]{sentence}[/]", title_justify="left", title_style="", box=SIMPLE_HEAD)
        table.padding, table.pad_edge, table.expand = (0, 1), False, True
        for column, ratio in zip(("", "predicted", "measured", "verdict"), (10, 8, 10, 11), strict=True):
            table.add_column(column, ratio=ratio)
        for each in argument.of(claim):
            verdict = each.verdict
            colour = COLOURS[verdict.decision]
            decision = f"[{colour}]{verdict.decision}[/]: {escape(verdict.reason)}"
            table.add_row(verdict.case, written(verdict.predicted), written(verdict.measured), decision)
        yield table


def markdown(argument: Argument) -> str:
    """The same for a README: a row per verdict, with the reason where it is not confirmed.

    Args:
        argument: What was judged.
    """
    lines = ["| claim | predicted | measured | verdict |", "| --- | --- | --- | --- |"]
    for claim, sentence in CLAIMS.items():
        lines.append(f"| **{sentence}** | | | |")
        for each in argument.of(claim):
            verdict = each.verdict
            said = (
                verdict.decision
                if verdict.decision == "confirmed"
                else f"**{verdict.decision}**: {verdict.reason}"
            )
            cells = (verdict.case, written(verdict.predicted), written(verdict.measured), said)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
