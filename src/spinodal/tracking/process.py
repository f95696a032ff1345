"""The process that tells W&B of jobs, one after the other, while they compute.

It reads until there is no more. A message is one of

- `begin`, folder of a campaign, configuration: of the next job;
- `told_before`, rows: of records, which a folder may tell of already;
- `tell`, rows, and how those end that are not complete, unless they go on.

A job without an end was killed, and its runs are closed as interrupted.
"""

from __future__ import annotations

import io
import pickle
import signal
import sys
from functools import cache
from queue import SimpleQueue
from threading import Thread
from typing import Any, BinaryIO

from rich.console import Console

from spinodal.tracking.limits import THE_JOBS

Messages = SimpleQueue[Any]


def main() -> None:
    """Tells what is sent to the standard input."""
    # The job decides when it is over: a signal for all of its processes is not for this one, nor for W&B's. Ignored
    # alone is not enough: polars puts a handler of its own for SIGINT over every query.
    signal.pthread_sigmask(signal.SIG_BLOCK, THE_JOBS)
    for each in THE_JOBS:
        signal.signal(each, signal.SIG_IGN)
    messages: Messages = SimpleQueue()
    # From the very start, or the job would wait for the imports below.
    Thread(target=_receive, args=(sys.stdin.buffer, messages), daemon=True).start()

    import polars as pl

    from spinodal.tracking.session import Session
    from spinodal.tracking.teller import Teller

    sessions: dict[tuple[Any, ...], Session] = {}
    teller, rows = None, pl.DataFrame()
    for act, *content in iter(messages.get, None):
        if act == "begin":
            folder, configuration = content
            logger = configuration["logger"]
            where = (folder, logger["project"], logger["entity"], logger["mode"])
            if where not in sessions:
                sessions[where] = Session(*where, _say)
            teller, rows = Teller(sessions[where], configuration, logger["unit"], _say), pl.DataFrame()
        elif teller is not None:
            rows = pl.read_ipc(io.BytesIO(content[0]))
            getattr(teller, act)(rows, *content[1:])
    if teller is not None and not rows.is_empty():
        teller.tell(rows, "interrupted")
    for session in sessions.values():
        session.conclude()


@cache
def _say(line: str) -> None:
    """Once: what is wrong for one job often is for the next."""
    Console(stderr=True).print(line, soft_wrap=True, markup=False)


def _receive(source: BinaryIO, messages: Messages) -> None:
    try:
        while True:
            messages.put(pickle.load(source))
    except (EOFError, pickle.UnpicklingError):
        messages.put(None)


if __name__ == "__main__":
    main()
