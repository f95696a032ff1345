"""The way to the process that tells W&B: one for all jobs that this process runs, one after the other.

Its start takes more than a second of a core, which is more than many a job does. So it stays until this process ends,
and only then somebody waits for it.
"""

from __future__ import annotations

import atexit
import math
import pickle
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

from rich.console import Console

from spinodal.tracking.environment import afresh
from spinodal.tracking.limits import LOGGED, PAUSE, SILENCE, THE_JOBS


class Messenger:
    """Starts `spinodal.tracking.process`, which says what may be sent, and hands messages to it."""

    def __init__(self) -> None:
        # Held back from the first moment of the process, which inherits what is blocked and keeps it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, THE_JOBS)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "spinodal.tracking.process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                env=afresh(),
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    @property
    def alive(self) -> bool:
        """Whether it still listens."""
        return self._process.poll() is None

    def send(self, *message: Any) -> None:
        """Hands over a message, and does not wait until it is told.

        Raises:
            OSError: If the process is not there any more.
        """
        assert self._process.stdin is not None
        pickle.dump(message, self._process.stdin)
        self._process.stdin.flush()

    def finish(self, patience: float | None = None) -> bool:
        """Sends nothing more, and waits.

        Args:
            patience: Seconds; None is as long as it takes.

        Returns:
            Whether all is told.
        """
        try:
            self._process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            return False
        return True


_here: list[Messenger] = []


def messenger() -> Messenger:
    """That of this process, started if there is none, or if it was killed."""
    if not (_here and _here[0].alive):
        _here[:] = [Messenger()]
    return _here[0]


def finish(patience: float | None = None) -> bool:
    """Waits until everything is told.

    Args:
        patience: Seconds; None is as long as it takes.

    Returns:
        Whether all is told.
    """
    last, _here[:] = _here[:], []
    return all(each.finish(patience) for each in last)


@atexit.register
def _finish_in_the_end() -> None:
    last, began = _here[:], time.monotonic()
    console, told = Console(stderr=True), -math.inf
    # A person (Ctrl-C) or SLURM (SIGTERM) need not wait: the process goes on by itself.
    with suppress(KeyboardInterrupt, SystemExit):
        left = [] if finish(SILENCE) else last
        while left:
            seconds = time.monotonic() - began
            # By no thread: none can be started while Python ends.
            if console.is_terminal or seconds - told > LOGGED:
                line = f"W&B: telling the rest, {seconds:.0f} s; it goes on by itself if you stop waiting (Ctrl-C)"
                end = "\r" if console.is_terminal else "\n"
                console.print(line, soft_wrap=True, markup=False, highlight=False, end=end)
                told = seconds
            left = [each for each in left if not each.finish(PAUSE)]
        if told > 0 and console.is_terminal:
            console.print()
