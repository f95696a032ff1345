"""The control parameter in text and figures, which are written for λ, the strength of ‖θ‖².

Of a campaign with another one they have its name for λ and P for ‖θ‖².
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl
from matplotlib.figure import Figure
from matplotlib.text import Text

from spinodal.report.page import Picture
from spinodal.report.section import Section
from spinodal.report.table import Cell, Group, Row, Table

_SYMBOLS = {"‖θ‖²": "P", r"\Vert\theta\Vert^2": "P", "dλ": "dc"}


@dataclass(frozen=True)
class Notation:
    """How a campaign is written about.

    Attributes:
        controls: Names of its control parameters.
        held: Strengths of other penalties, as the records have them.
    """

    controls: tuple[str, ...] = ("l2",)
    held: tuple[str, ...] = ()

    @classmethod
    def of(cls, records: pl.DataFrame) -> Notation:
        """Return that of a campaign.

        Args:
            records: Its rows.
        """
        controls, held = (records[name].drop_nulls().unique().sort() for name in ("control", "held"))
        return cls(tuple(controls), tuple(held))

    @property
    def loss(self) -> str:
        """What is minimised."""
        own = "λ‖θ‖²" if self._is_l2 else f"c·P(θ), P = {' or '.join(self.controls)}"
        return f"𝓛(θ) = E(θ) + {own}" + (f", with {' or '.join(self.held)} held" if self.held else "")

    def words(self, text: str) -> str:
        """Put a text into these terms."""
        if self._is_l2:
            return text
        name = self.controls[0] if len(self.controls) == 1 else "the control parameter"
        text = text.replace(
            r"strength of the L2 term, $\lambda$", f"strength of {' or '.join(self.controls)}"
        )
        for symbol, other in _SYMBOLS.items():
            text = text.replace(symbol, other)
        latex = r"\mathrm{" + name.replace("_", r"\_").replace(" ", r"\ ") + "}"
        return text.replace(r"\lambda", latex).replace("λ", name)

    def figure(self, figure: Figure) -> Figure:
        """Put the text of a figure into these terms, and return the figure."""
        if not self._is_l2:
            for text in figure.findobj(Text):
                assert isinstance(text, Text)
                text.set_text(self.words(text.get_text()))
        return figure

    def section(self, section: Section) -> Section:
        """Return a section in these terms; its commands and files stay as they are."""
        if self._is_l2:
            return section
        return replace(
            section,
            notes=self._all(section.notes),
            results=self._all(section.results),
            remarks=self._all(section.remarks),
            facts={self.words(name): self.words(value) for name, value in section.facts.items()},
            pictures=[self._picture(each) for each in section.pictures],
            tables=[self._table(each) for each in section.tables],
        )

    @property
    def _is_l2(self) -> bool:
        return self.controls == ("l2",)

    def _all(self, texts: Sequence[str]) -> list[str]:
        return [self.words(each) for each in texts]

    def _picture(self, picture: Picture) -> Picture:
        alt, caption, title = self._all([picture.alt, picture.caption, picture.title])
        return replace(picture, alt=alt, caption=caption, title=title)

    def _table(self, table: Table) -> Table:
        def row(cells: Row) -> Row:
            return [
                cell._replace(text=self.words(cell.text)) if isinstance(cell, Cell) else self.words(cell)
                for cell in cells
            ]

        def group(each: Group) -> Group:
            return each._replace(title=self.words(each.title), rows=[row(cells) for cells in each.rows])

        return replace(
            table,
            caption=self.words(table.caption),
            columns=[each._replace(title=self.words(each.title)) for each in table.columns],
            groups=[group(each) for each in table.groups],
            empty=self.words(table.empty),
        )
