"""The way to the process that tells W&B of jobs: one for all that this process runs, one after the other.

Its start takes more than a second of a core, which is more than many a job does. So it stays until this process ends.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2
from typing import IO, Any

from rich.console import Console

THE_JOBS = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}
"""Signals for a job, which a terminal or SLURM sends to all processes of it: the job alone decides what follows."""

GRACE = 30.0
"""Seconds that a process waits in its end; what is not told by then goes on by itself."""

SILENCE = 5.0
"""Seconds after which somebody who waits is told so."""

_here: list[subprocess.Popen[str]] = []


@contextmanager
def mirrored(records: Path, logger: Mapping[str, Any]) -> Iterator[None]:
    """Have a job followed from here on, by a process that no job depends on.

    Args:
        records: Of the job; its configuration lies beside them already.
        logger: Of that configuration.
    """
    if not (_here and _here[0].poll() is None):
        finish()
        _here.append(_start())
    with suppress(OSError):  # it has just ended, which `finish` says
        assert _here[0].stdin is not None
        _here[0].stdin.write(f"{records.resolve()}\n")
        _here[0].stdin.flush()
    with ExitStack() as stack:
        if logger.get("console"):
            stack.enter_context(_copied(console_file(records.parent.parent, records.stem)))
        yield


def finish(patience: float = float("inf")) -> bool:
    """Wait until everything is told, or never will be.

    Args:
        patience: Seconds.

    Returns:
        Whether it is.
    """
    for process in _here:
        with suppress(OSError):
            assert process.stdin is not None
            process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            if process.wait(None if patience == float("inf") else patience):
                _say("W&B: its process was ended; `spinodal sync` makes what is missing from the records")
    _here[:] = [process for process in _here if process.returncode is None]
    return not _here


def console_file(campaign: Path, job: str) -> Path:
    """Return where the console of a job is copied to, if its logger asks for that."""
    return campaign / "jobs" / job / "console.log"


def afresh() -> dict[str, str]:
    """Return the environment for a child whose W&B begins afresh: it would share the process behind it."""
    return {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}


def _start() -> subprocess.Popen[str]:
    # Held back from the first moment of the process, which inherits what is blocked and keeps it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, THE_JOBS)
    command = [sys.executable, "-P", "-m", "spinodal.tracking.follow"]
    try:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=afresh(), text=True
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _copied(path: Path) -> Iterator[None]:
    """Copy what is printed to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file, ExitStack() as stack:

        def copy(stream: IO[str], write: Callable[[str], int]) -> None:
            def both(text: str) -> int:
                file.write(text)
                file.flush()
                return write(text)

            stream.write = both  # type: ignore[method-assign]
            stack.callback(setattr, stream, "write", write)

        for stream in (sys.stdout, sys.stderr):
            copy(stream, stream.write)
        yield


@atexit.register
def _finish_in_the_end() -> None:
    # A person (Ctrl-C) or SLURM (SIGTERM) need not wait: the process goes on by itself.
    with suppress(KeyboardInterrupt, SystemExit):
        if finish(SILENCE):
            return
        _say(
            f"W&B: telling the rest; it goes on by itself after {GRACE:.0f} s, or if you stop waiting (Ctrl-C)"
        )
        if not finish(GRACE):
            _say("W&B: goes on by itself; `spinodal sync` makes from the records what will be missing")


def _say(line: str) -> None:
    Console(stderr=True).print(line, soft_wrap=True, markup=False, highlight=False)
