"""The page: one file that needs no other and no network, from a template that travels with the package."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

import spinodal
from spinodal.report.table import Column, Row, as_cell


@dataclass(frozen=True)
class Picture:
    """A figure on the page."""

    path: Path
    """Without suffix; there is a PNG."""
    alt: str
    """What stands for it where it cannot be seen."""
    caption: str
    title: str = ""
    commands: Sequence[str] = ()
    """What computes again what it shows."""
    folder: str = ""
    """Of its files, as seen from the page; with a slash at its end."""
    wide: bool = False
    """Whether it takes the whole width of the page."""
    shows: frozenset[tuple[object, ...]] = frozenset()
    """Identities of curves, the columns of `CURVE`, for what leads to the figure of a curve."""

    @property
    def file(self) -> str:
        """Its name, as seen from the page, without suffix."""
        return self.folder + self.path.name

    @property
    def id(self) -> str:
        """What leads to it on the page."""
        return re.sub(r"[^\w.-]+", "-", f"figure-{self.file}")

    @property
    def data(self) -> str:
        """The PNG as a URL."""
        return "data:image/png;base64," + base64.b64encode(self._png()).decode("ascii")

    @property
    def width(self) -> int:
        """In pixels."""
        return self._size()[0]

    @property
    def height(self) -> int:
        """In pixels."""
        return self._size()[1]

    def _png(self) -> bytes:
        return Path(f"{self.path}.png").read_bytes()

    def _size(self) -> tuple[int, int]:
        width, height = struct.unpack(">II", self._png()[16:24])
        return width, height


def write_page(path: Path, sections: Sequence[tuple[Any, Any]], **values: Any) -> None:
    """Write the page.

    Args:
        path: Of the file.
        sections: Each as it is registered, with what it holds.
        values: What the template asks for besides.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"typeset": _typeset, "cells": _cells}
    css = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    template = environment.get_template("page.html.j2")
    text = template.render(sections=sections, css=css, generator=spinodal.__version__, **values)
    path.write_text(text, encoding="utf-8")


def _typeset(text: str) -> Markup:
    """Indices as such, as in λ_sp, and numbers on one line."""
    whole = (
        re.sub(r" (±|×/÷) ", "\u00a0\\1\u00a0", str(escape(text)))
        .replace(" %", "\u00a0%")
        .replace("≈ ", "≈\u00a0")
    )
    return Markup(re.sub(r"λ_([a-z]+)", r"λ<sub>\1</sub>", whole))


def _cells(row: Row, columns: Sequence[Column], prose: bool) -> Markup:
    """Return the cells of a row of a table; where all is prose, each with the title of its column."""
    cells = []
    for place, (each, column) in enumerate(zip(row, columns, strict=True)):
        cell = as_cell(each)
        classes = " ".join(
            filter(None, [("word wrap" if place else "word") if column.words else "", cell.kind])
        )
        attributes = (f' class="{classes}"' if classes else "") + (
            f' data-of="{escape(column.title)}"' if prose else ""
        )
        text = f'<a href="{escape(cell.link)}">{escape(cell.text)}</a>' if cell.link else _typeset(cell.text)
        cells.append(f"<td{attributes}>{text}</td>")
    return Markup("".join(cells))
