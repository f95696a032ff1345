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

from spinodal.report.panels import save


class Drawing(NamedTuple):
    """A figure to be."""

    path: Path
    """Of its files, without suffix."""
    draw: Callable[..., Figure]
    arguments: tuple[Any, ...]

    def make(self) -> None:
        """Draw and save it."""
        save(self.draw(*self.arguments), self.path)


class Drawings:
    """Draws what it is given; on leaving its block everything is drawn.

    A second process imports the main module once more, as Python's multiprocessing does. A script of somebody's
    own may not bear that, so that it is not the default.

    Args:
        second: Whether a second process helps.
    """

    def __init__(self, second: bool = False) -> None:
        self._pool = ProcessPoolExecutor(1, get_context("spawn")) if second else None
        self._given: list[tuple[Drawing, Future[None]]] = []
        if self._pool is not None:
            self._pool.submit(_ready)  # it has imported everything when there is something to draw

    def __enter__(self) -> Drawings:
        return self

    def add(self, path: Path, draw: Callable[..., Figure], *arguments: Any) -> Path:
        """Draw a figure, now or later.

        Args:
            path: Of its files, without suffix.
            draw: Makes the figure from the arguments.
            arguments: Of `draw`.

        Returns:
            The path.
        """
        drawing = Drawing(path, draw, arguments)
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
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _ready() -> None:
    """To run this, the process has imported the module. An interruption is the first process's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
