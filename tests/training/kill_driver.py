"""Runs a command over and over, ends it by signals at random moments, and lets it finish in the end.

    python tests/training/kill_driver.py FOLDER SIGNAL TIMES argument …

FOLDER/undisturbed becomes the outputs of an undisturbed run; FOLDER/0, FOLDER/1, … those of runs that were ended
and started again until they finished, as many as it takes for so many signals. Every run is a fork of this
process after the imports (0.2 s instead of 10), which must not use Polars itself: its threads do not survive a
fork. SIGKILL hits the job alone, any other signal all of `spinodal run`.

Prints one line of JSON for each run that got its signal: the round, the exit code (negative for death by a
signal), and what it wrote.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from spinodal import cli
from spinodal.job import run
from spinodal.planning import plan

HANGING = 1800.0
"""Seconds after which a run counts as hanging: no machine is that slow."""


def start(action: Callable[[], object], log: Path) -> int:
    """The process id of a fork that does something and ends."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        result = action()
        code = result if isinstance(result, int) else 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


def outcome(pid: int, deadline: float) -> int | None:
    """The exit code of a process, negative for a signal; None if it still runs at the deadline."""
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.001)


def main(folder: Path, kind: signal.Signals, times: int, arguments: list[str]) -> None:
    """Sends as many signals as asked for."""
    rng = random.Random(times)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log.txt"

    def command(name: str) -> Callable[[], object]:
        os.environ["SPINODAL_OUTPUTS"] = str(folder / name)
        if kind != signal.SIGKILL:
            return lambda: cli.main(["run", *arguments])
        planned = plan(arguments)
        return lambda: run(planned)

    def let_finish(action: Callable[[], object]) -> float:
        began = time.monotonic()
        code = outcome(start(action, log), began + HANGING)
        if code is None:
            sys.exit(f"hangs: not over after {HANGING:.0f} s\n{log.read_text()}")
        if code != 0:
            sys.exit(f"ended with {code}\n{log.read_text()}")
        return time.monotonic() - began

    length = let_finish(command("undisturbed"))
    shortest, longest = (0, 0.7 * length) if kind == signal.SIGKILL else (0.4 * length, 0.9 * length)
    sent = current = 0
    while sent < times:
        action = command(str(current))
        while sent < times:
            pid = start(action, log)
            if outcome(pid, time.monotonic() + rng.uniform(shortest, longest)) is not None:
                break
            os.kill(pid, kind)
            code = outcome(pid, time.monotonic() + HANGING)
            if code is None:
                sys.exit(f"hangs: goes on {HANGING:.0f} s after {kind.name}\n{log.read_text()}")
            if code == 0:  # it had ended by itself a moment before: then nothing is left to do
                let_finish(action)
                if "→" in log.read_text():
                    sys.exit(f"{kind.name} was lost: the next run had points to train")
                break
            sent += 1
            print(json.dumps([current, code, log.read_text()]), flush=True)
        let_finish(action)
        current += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), signal.Signals[sys.argv[2]], int(sys.argv[3]), sys.argv[4:])
