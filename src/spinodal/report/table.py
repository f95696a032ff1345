"""One table, and its three renderers: HTML (in the page's template), the terminal, and Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import rich.table
from rich.box import SIMPLE_HEAD
from rich.markup import escape

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

    def rich(self) -> Iterator[rich.table.Table]:
        """Return the table for the terminal, one for each group: its brief columns."""
        if not self.brief:
            return
        brief = [place for place, column in enumerate(self.columns) if column.brief]
        for group in self.shown:
            if not group.brief:
                continue
            table = rich.table.Table(
                title=f"[bold]{escape(group.title or self.caption)}[/]",
                title_justify="left",
                title_style="",
                box=SIMPLE_HEAD,
                padding=0,
                pad_edge=False,
            )
            for place in brief:
                column = self.columns[place]
                table.add_column(escape(column.title), overflow="fold")
            for row in group.rows:
                table.add_row(*(_marked(row[place]) for place in brief))
            yield table

    def markdown(self) -> str:
        """Return the brief columns in Markdown: titles of groups, and cells that are not good, in bold."""
        brief = [place for place, column in enumerate(self.columns) if column.brief]
        lines = [
            "| " + " | ".join(_escaped(self.columns[place].title) for place in brief) + " |",
            "| " + " | ".join("---" for _ in brief) + " |",
        ]
        for group in self.shown:
            if group.title:
                lines.append(f"| **{_escaped(group.title)}** |" + " |" * (len(brief) - 1))
            for row in group.rows:
                cells = (_escaped(_plain(row[place])) for place in brief)
                lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines) + "\n"


def columns(*titles: str, words: int | Sequence[str] = 0, brief: Sequence[str] | None = None) -> list[Column]:
    """Return the columns of a table.

    Args:
        titles: From the left.
        words: Titles of those that hold words, or how many from the left do.
        brief: Titles of those that are shown on the terminal; all by default.
    """
    named = titles[:words] if isinstance(words, int) else words
    return [Column(title, title in named, brief is None or title in brief) for title in titles]


def _marked(cell: Cell | str) -> str:
    if isinstance(cell, str):
        return escape(cell)
    colour = COLOURS.get(cell.kind)
    return f"[{colour}]{escape(cell.text)}[/]" if colour else escape(cell.text)


def _escaped(text: str) -> str:
    """As it stands in a table of Markdown."""
    return text.replace("|", "\\|")


def _plain(cell: Cell | str) -> str:
    if isinstance(cell, str):
        return cell
    return f"**{cell.text}**" if cell.kind in ("bad", "open") else cell.text
