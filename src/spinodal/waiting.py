"""Signs of life while a command is at work: a spinner on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY = 45.0
"""Seconds between two lines in a log."""


class Pulse:
    """Prints a line on the standard error every so often, from a thread: also within a long computation.

    Where the standard error is collected instead of being followed, nothing is printed.

    Args:
        line: makes the line.
        every: seconds between two.
    """

    def __init__(self, line: Callable[[], str], every: float | None = None) -> None:
        self.line, self.every = line, every or EVERY
        self._over = threading.Event()

    def start(self) -> None:
        """Begin."""
        if _followed():
            threading.Thread(target=self._beat, daemon=True).start()

    def stop(self) -> None:
        """End."""
        self._over.set()

    def _beat(self) -> None:
        while not self._over.wait(self.every):
            print(self.line(), file=sys.stderr, flush=True)


@contextmanager
def waiting(what: str) -> Iterator[Callable[[str], None]]:
    """Show that a command is at work, and at what. Nothing else may be drawn on the terminal meanwhile.

    Args:
        what: is done, as in "loading torch".

    Yields:
        A function that takes the name of the step at work.
    """
    from rich.console import Console  # not before: help must not wait for it

    console, began, step = Console(stderr=True), time.monotonic(), ""

    def name(now: str) -> None:
        nonlocal step
        step = f": {now}"
        if console.is_terminal:
            status.update(f"{what}{step}")

    if console.is_terminal:
        with console.status(what) as status:
            yield name
    else:
        pulse = Pulse(lambda: f"{what}{step} ({time.monotonic() - began:.0f} s)")
        pulse.start()
        try:
            yield name
        finally:
            pulse.stop()


def _followed() -> bool:
    try:
        return sys.stderr.fileno() >= 0
    except (AttributeError, OSError, ValueError):
        return False
