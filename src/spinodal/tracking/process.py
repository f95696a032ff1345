"""The process that tells W&B of a job, while the job computes.

It reads what `Mirror` sends until there is no more. If that ends without an end the job was killed, and its runs are
closed as interrupted.
"""

from __future__ import annotations

import io
import os
import pickle
import signal
import sys
from collections.abc import Iterator
from queue import SimpleQueue
from threading import Thread
from typing import Any, BinaryIO

Messages = SimpleQueue[Any]


def main() -> None:
    """Tells what is sent to the standard input."""
    # The job decides when it is over: a signal for all of its processes is not for this one, nor for W&B's.
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
    messages: Messages = SimpleQueue()
    # From the very start, or the job would wait for the imports below.
    Thread(target=_receive, args=(sys.stdin.buffer, messages), daemon=True).start()
    folder, configuration = messages.get()

    import polars as pl
    from rich.console import Console

    from spinodal.tracking.session import Session
    from spinodal.tracking.teller import Teller

    def say(line: str) -> None:
        Console(stderr=True).print(line, soft_wrap=True, markup=False)

    logger = configuration["logger"]
    session = Session(folder, logger["project"], logger["entity"], logger["mode"], say)
    teller = Teller(session, configuration, logger["unit"], say)
    rows = pl.DataFrame()
    ended = False
    for act, content, *end in _until_the_end(messages):
        rows = pl.read_ipc(io.BytesIO(content))
        getattr(teller, act)(rows, *end)
        ended = any(end)
    if not ended:
        teller.tell(rows, "interrupted")
    teller.conclude()
    sys.stderr.flush()
    # All is on disk, and online on the server, too: no need to wait for W&B's own end.
    os._exit(0)


def _receive(source: BinaryIO, messages: Messages) -> None:
    try:
        while True:
            messages.put(pickle.load(source))
    except (EOFError, pickle.UnpicklingError):
        messages.put(None)


def _until_the_end(messages: Messages) -> Iterator[Any]:
    yield from iter(messages.get, None)


if __name__ == "__main__":
    main()
