"""One table, and its three renderers: HTML (in the page's template), the terminal, and Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import rich.table
from rich.box import SIMPLE_HEAD
from rich.text import Text

COLOURS = {"good": "green", "bad": "red", "open": "yellow"}
"""Of kinds of cells on the terminal."""


class Column(NamedTuple):
    """A column of a table."""

    title: str
    words: bool = False
    """Whether it holds words, not numbers."""
    brief: bool = True
    """Whether it is shown on the terminal, too."""


class Cell(NamedTuple):
    """What stands in one place."""

    text: str
    kind: str = ""
    """good, bad or open, where that is known; the text states it as well."""
    link: str = ""
    """Where it leads, if anywhere."""


Row = Sequence[Cell | str]


class Group(NamedTuple):
    """Rows under a title of their own; an empty title is none."""

    title: str
    rows: Sequence[Any]
    """A `Row` each; or, for `tabulate`, what it makes the cells from."""
    brief: bool = True
    """Whether it is shown on the terminal, too."""


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        caption: What it shows.
        columns: From the left; plain text is a column of numbers.
        groups: Its rows.
        brief: Whether it is shown on the terminal, too.
        empty: What stands in a group without rows; such groups are left out if it is empty itself.
    """

    caption: str
    columns: Sequence[Column]
    groups: Sequence[Group] = field(default_factory=tuple)
    brief: bool = False
    empty: str = ""

    def __post_init__(self) -> None:
        """Check the rows.

        Raises:
            ValueError: If one has not a cell for each column, or a cell is no text.
        """
        for row in (row for group in self.groups for row in group.rows):
            if len(row) != len(self.columns) or not all(isinstance(cell, Cell | str) for cell in row):
                raise ValueError(f"{self.caption}: {row!r} must have {len(self.columns)} cells, each a text")

    def __len__(self) -> int:
        """Return the number of rows."""
        return sum(len(group.rows) for group in self.groups)

    @property
    def shown(self) -> list[Group]:
        """Return the groups that have something to show."""
        blank = [""] * (len(self.columns) - 2)
        return [
            group if group.rows else group._replace(rows=[("", self.empty, *blank)])
            for group in self.groups
            if group.rows or self.empty
        ]

    def _brief(self) -> tuple[list[str], list[Group]]:
        """Return the titles of the brief columns, and the groups with `Cell` in them alone."""
        brief = [place for place, column in enumerate(self.columns) if column.brief]
        groups = [
            group._replace(rows=[[as_cell(row[place]) for place in brief] for row in group.rows])
            for group in self.shown
        ]
        return [self.columns[place].title for place in brief], groups

    def rich(self) -> Iterator[rich.table.Table]:
        """Return the table for the terminal, one for each group."""
        titles, groups = self._brief()
        for group in groups if self.brief else ():
            if group.brief:
                title = Text(group.title or self.caption, style="bold")
                table = rich.table.Table(
                    title=title, title_justify="left", box=SIMPLE_HEAD, padding=0, pad_edge=False
                )
                for each in titles:
                    table.add_column(Text(each), overflow="fold")
                for row in group.rows:
                    table.add_row(*(Text(cell.text, style=COLOURS.get(cell.kind, "")) for cell in row))
                yield table

    def markdown(self) -> str:
        """Return the table in Markdown: titles of groups, and cells that are not good, in bold."""
        titles, groups = self._brief()
        lines = [_line(titles), _line(["---"] * len(titles))]
        for group in groups:
            if group.title:
                lines.append(_line([f"**{group.title}**"]) + " |" * (len(titles) - 1))
            for row in group.rows:
                lines.append(
                    _line([f"**{text}**" if kind in ("bad", "open") else text for text, kind, _ in row])
                )
        return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def columns(*titles: str, words: int | Sequence[str] = 0, brief: Sequence[str] | None = None) -> list[Column]:
    """Return the columns of a table.

    Args:
        titles: From the left.
        words: Titles of those that hold words, or how many from the left do.
        brief: Titles of those that are shown on the terminal; all by default.
    """
    named = titles[:words] if isinstance(words, int) else words
    return [Column(title, title in named, brief is None or title in brief) for title in titles]


def as_cell(cell: Cell | str) -> Cell:
    """Return a cell; plain text is one of no kind."""
    return cell if isinstance(cell, Cell) else Cell(cell)
