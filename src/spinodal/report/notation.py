"""The control parameter in text and figures, which are written for λ, the strength of ‖θ‖².

Of a campaign with another one they have its name for λ and P for ‖θ‖².
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import polars as pl
from matplotlib.figure import Figure
from matplotlib.text import Text

_SYMBOLS = {"‖θ‖²": "P", r"\Vert\theta\Vert^2": "P", "dλ": "dc"}

_LITERAL = frozenset({"commands", "path", "folder", "link", "kind", "shows"})
"""Attributes that are no text for a reader."""

Part = TypeVar("Part")


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
        """Return that of the records of a campaign."""
        controls, held = (records[name].drop_nulls().unique().sort() for name in ("control", "held"))
        return cls(tuple(controls), tuple(held))

    @property
    def _is_l2(self) -> bool:
        return self.controls == ("l2",)

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
        long = r"strength of the L2 term, $\lambda$"
        text = text.replace(long, f"strength of {' or '.join(self.controls)}")
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

    def section(self, section: Part) -> Part:
        """Return a section, or a part of one, in these terms; its commands and files stay as they are."""
        return section if self._is_l2 else self._part(section)

    def _part(self, part: Any) -> Any:
        if isinstance(part, str):
            return self.words(part)
        if isinstance(part, Mapping):
            return {self._part(name): self._part(value) for name, value in part.items()}
        if is_dataclass(part) and not isinstance(part, type):
            return replace(part, **self._parts(part, [each.name for each in fields(part)]))
        if hasattr(part, "_fields"):
            return part._replace(**self._parts(part, part._fields))
        return [self._part(each) for each in part] if isinstance(part, list | tuple) else part

    def _parts(self, whole: object, names: Iterable[str]) -> dict[str, Any]:
        return {name: self._part(getattr(whole, name)) for name in names if name not in _LITERAL}
