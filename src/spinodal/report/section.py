"""Sections of the page: a registry, to which each section's module adds the function that makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, NamedTuple

from spinodal.report.page import Picture
from spinodal.report.table import Table

if TYPE_CHECKING:
    from spinodal.report.campaign import Campaign


@dataclass(frozen=True)
class Section:
    """What a section holds; what is empty is left out."""

    notes: Sequence[str] = ()
    """Paragraphs above all else, at most three sentences together."""
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    """Below the pictures; those that are `brief` are shown on the terminal, too."""
    results: Sequence[str] = ()
    """What was found, a line each: in the head of the page and on the terminal."""
    remarks: Sequence[str] = ()
    """What a reader of the terminal must know besides, a line each."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Names and values."""
    commands: Sequence[tuple[str, Sequence[str]]] = ()
    """What leads to commands, and they."""


Make = Callable[["Campaign"], Section | None]
"""From a campaign to a section; None where there is nothing to show."""


class Registered(NamedTuple):
    """A section and its place."""

    name: str
    """What leads to it on the page."""
    title: str
    short: str = ""
    """In the navigation, in place of the title."""
    place: float = 0
    make: Make = lambda _: None


SECTIONS: dict[str, Registered] = {}
"""By name."""


def section(name: str, title: str, short: str = "", place: float = 75) -> Callable[[Make], Make]:
    """Register the decorated function as what makes a section of the page.

    Args:
        name: What leads to it; a section of the same name is replaced.
        title: Above it.
        short: In the navigation; the title by default.
        place: Sections stand in rising order: ours from 10 in tens to 150, the last ones about what is open.
    """

    def register(make: Make) -> Make:
        SECTIONS[name] = Registered(name, title, short, place, make)
        return make

    return register


def sections() -> list[Registered]:
    """Return all sections in their order: ours, a module each, and those registered besides."""
    from spinodal.report import sections as ours

    for module in iter_modules(ours.__path__):
        import_module(f"{ours.__name__}.{module.name}")
    return sorted(SECTIONS.values(), key=lambda each: each.place)
