"""Drawing figures, which takes most of a report's time: in this process, or in this and a second one."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from spinodal.report.notation import Notation
from spinodal.report.style import FORMATS, save

PAPER = "paper"
"""The folder of figures with a `Look` of their own, beside those of the page."""


class Look(NamedTuple):
    """How figures for a paper are written, beside those of the page."""

    formats: tuple[str, ...]
    """Suffixes, as in pdf."""
    width: float | None = None
    """In inches; None for that on the page. The height keeps its proportion."""


class Drawing(NamedTuple):
    """A figure to be."""

    path: Path
    """Of its files, without suffix."""
    draw: Callable[..., Figure]
    arguments: tuple[Any, ...]
    look: Look | None
    notation: Notation
    mark: Path | None
    """The file that states, once it is there, that those of the page are drawn."""

    def make(self) -> None:
        """Draw and save it."""
        figure = self.draw(*self.arguments)
        if not isinstance(figure, Figure):
            raise TypeError(f"{self.draw.__qualname__} must return a Figure of matplotlib, not {figure!r}")
        figure = self.notation.figure(figure)
        if self.look is not None:
            folder = self.path.parent / PAPER
            folder.mkdir(exist_ok=True)
            width, height = figure.get_size_inches()
            scale = (self.look.width or width) / width
            figure.set_size_inches(scale * width, scale * height)
            save(figure, folder / self.path.name, self.look.formats)
            figure.set_size_inches(width, height)
        if not self.drawn:
            save(figure, self.path)
            if self.mark is not None:
                self.mark.touch()

    @property
    def drawn(self) -> bool:
        """Whether the files of the page are there already."""
        files = (Path(f"{self.path}.{each}") for each in FORMATS)
        return self.mark is not None and all(file.is_file() for file in (self.mark, *files))


class Drawings:
    """Draws what it is given, unless that is there; on leaving its block everything is drawn.

    Args:
        look: Of figures for a paper, drawn besides.

    Attributes:
        second: Whether to draw in a second process, too. That imports the main module once more, as Python's
            multiprocessing does. A user's script may not bear that, so that it is not the default.
    """

    def __init__(self, look: Look | None = None) -> None:
        self.second, self._look = False, look
        self._pool: ProcessPoolExecutor | None = None
        self._given: list[tuple[Drawing, Future[None]]] = []

    def start(self) -> None:
        """Start the second process, if there is to be one, so that it is ready when there is something to draw."""
        if self.second and self._pool is None:
            self._pool = ProcessPoolExecutor(1, get_context("spawn"))
            self._pool.submit(_ready)

    def __enter__(self) -> Drawings:
        return self

    def add(
        self, path: Path, notation: Notation, mark: Path | None, draw: Callable[..., Figure], *arguments: Any
    ) -> Path:
        """Draw a figure, now or later, unless its mark states that it is drawn; return the path. See `Drawing`."""
        drawing = Drawing(path, draw, arguments, self._look, notation, mark)
        if self._look is not None or not drawing.drawn:
            self.start()
            if self._pool is None:
                drawing.make()
            else:
                self._given.append((drawing, self._pool.submit(drawing.make)))
        return path

    def finish(self) -> None:
        """Draw what is left, from the end while the other process comes from the beginning.

        Raises:
            OSError: If something cannot be written, here or there.
        """
        for drawing, future in reversed(self._given):
            if future.cancel():
                drawing.make()
        for drawing, future in self._given:
            try:
                if not future.cancelled():
                    future.result()
            except BrokenProcessPool:
                drawing.make()
        self._given.clear()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _ready() -> None:
    """To run this, the process has imported the module. An interruption is the first process's business."""
    # Blocked, not ignored: polars puts a handler of its own for SIGINT over every query.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
