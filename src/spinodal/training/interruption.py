"""SIGTERM and SIGINT as a wish, granted at the next safe point."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Interrupted(SystemExit):
    """A signal has asked the run to end.

    No `Exception`: Hydra would take one for the failure of a single job and go on with the next of a sweep.

    Attributes:
        signal: which it was.
        code: the exit code, 128 + the signal's number, as a shell has it.
    """

    def __init__(self, received: signal.Signals) -> None:
        super().__init__(128 + received)
        self.signal = received


class Interruption:
    """Notes SIGTERM and SIGINT while entered; nothing happens until somebody asks."""

    def __init__(self) -> None:
        self._received: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    @property
    def wanted(self) -> bool:
        """Whether a signal has come."""
        return self._received is not None

    def check(self) -> None:
        """Where it is safe to end.

        Raises:
            Interrupted: if a signal has come.
        """
        if self._received is not None:
            raise Interrupted(self._received)

    def listen(self) -> None:
        """Puts the handlers in place, also where somebody has put others there since."""
        if threading.current_thread() is threading.main_thread():
            for each in (signal.SIGTERM, signal.SIGINT):
                before = signal.signal(each, self._note)
                self._before.setdefault(each, before)

    def __enter__(self) -> Interruption:
        self.listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each, before in self._before.items():
            signal.signal(each, before)
        self._before.clear()

    def _note(self, received: int, frame: FrameType | None) -> None:
        self._received = signal.Signals(received)
