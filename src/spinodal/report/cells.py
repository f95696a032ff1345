"""Columns of a table: each a title, and the function that makes its cell from a row of what was found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spinodal.report.numbers import number, signed, span, with_error, with_factor
from spinodal.report.table import Cell, Group, Table, columns

Record = Mapping[str, Any]
"""A row of a table of `Findings`."""

CellOf = Callable[[Any], Cell | str]

Cells = Sequence[tuple[str, CellOf]]


def tabulate(
    caption: str,
    cells: Cells,
    groups: Sequence[Group],
    words: int | Sequence[str] = 0,
    brief: Sequence[str] | None = (),
    empty: str = "",
) -> Table:
    """Return a table.

    Args:
        caption: What it shows.
        cells: Its columns.
        groups: Whose rows the cells are made from: records, as a rule.
        words: Titles of the columns that hold words, or how many from the left do.
        brief: Titles of the columns that are shown on the terminal, too; None for all, by default the table is not.
        empty: What stands in a group without rows.
    """
    header = columns(*(title for title, _ in cells), words=words, brief=brief)
    made = [each._replace(rows=[[make(row) for _, make in cells] for row in each.rows]) for each in groups]
    return Table(caption, header, made, brief is None or bool(brief), empty)


def text(name: str) -> CellOf:
    """Return what is in a column as it is; nothing if that is not known."""
    return lambda row: "" if row[name] is None else str(row[name])


def value(name: str, digits: int = 4) -> CellOf:
    """Return a number."""
    return lambda row: number(row[name], digits)


def measured(name: str, error: str = "") -> CellOf:
    """Return a number with its error, which is in the column of the same name with `_error`, if in no other."""
    return lambda row: with_error(row[name], row[error or f"{name}_error"])


def times(name: str, unit: str = "") -> CellOf:
    """Return a number, in the column of this name and unit, with the factor of its error."""
    return lambda row: with_factor(row[f"{name}{unit}"], row[f"{name}_factor"])


def off(name: str, decimals: int = 1, unit: str = "") -> CellOf:
    """Return a number with its sign."""
    return lambda row: signed(row[name], decimals, unit)


def between(name: str = "control", digits: int = 4) -> CellOf:
    """Return both ends."""
    return lambda row: span(row[f"{name}_low"], row[f"{name}_high"], digits)


def sides(name: str = "", digits: int = 4) -> CellOf:
    """Return what was measured before and after; nothing if either is not known."""

    def make(row: Record) -> str:
        before, after = (row[f"{name}{side}"] for side in ("before", "after"))
        return "" if None in (before, after) else f"{number(before, digits)} → {number(after, digits)}"

    return make


def share(part: str, whole: str) -> CellOf:
    """Return how many of all, as in 2/3; nothing if that is not known."""
    return lambda row: "" if row[part] is None else f"{row[part]}/{row[whole]}"
