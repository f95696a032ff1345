"""What runs in a SLURM job: `python -m spinodal.cluster.task <submission>`, one place of an array.

A warning signal (USR2, before the time limit and before a preemption) saves a checkpoint and sends the job back to the
queue; SIGTERM saves one and ends it, for SLURM to say what comes next. Exit codes are truthful: 0 only if every point
of the job is done or in other hands.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn, TypeVar

import spinodal
from spinodal.campaign import (
    Pack,
    Submission,
    alive,
    control,
    own_values,
    pack_file,
    read_attempts,
    read_pack,
    read_submission,
)
from spinodal.cluster import slurm
from spinodal.errors import UserError

PATIENCE = 60.0
"""Seconds a file may take to become visible on this node."""

FAILED, REFUSED, ENDED = 1, 2, 128 + signal.SIGTERM
"""Exit codes: of points that failed, of a person's mistake, and of a signal."""

EVERY = 5.0
"""Seconds between two looks at a start of this very job that may still be alive."""

T = TypeVar("T")


class Signals:
    """What SLURM has sent.

    Attributes:
        warned: whether there was a warning, after which the job goes back to the queue.
    """

    def __init__(self) -> None:
        self.warned = False
        signal.signal(signal.SIGUSR2, self._warned)
        signal.signal(signal.SIGTERM, self._ended)

    def ignore(self) -> None:
        """From here on, where the job ends anyway: raised while Python ends, it would look like a crash."""
        for each in (signal.SIGUSR2, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)

    def _warned(self, received: int, frame: FrameType | None) -> None:
        self.warned = True
        # Outside training there is nothing to save: what was warned of will end the job.
        if signal.getsignal(signal.SIGTERM) != self._ended:
            signal.raise_signal(signal.SIGTERM)

    def _ended(self, received: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(ENDED)


def main(file: Path) -> int:
    """Compute the packs of one place of an array.

    Args:
        file: the submission.

    Returns:
        The exit code.
    """
    signals = Signals()
    submission = _patiently(lambda: read_submission(file))
    array, place = os.environ["SLURM_ARRAY_JOB_ID"], int(os.environ["SLURM_ARRAY_TASK_ID"])
    where, restart = f"{array}_{place}", int(os.environ.get("SLURM_RESTART_COUNT") or 0)
    _say(
        f"job {where} on {os.environ.get('SLURMD_NODENAME', '?')}"
        + (f", restart {restart}" if restart else "")
    )
    _refuse_other_code(submission)
    os.environ.update(submission.environment)
    _have_a_home()
    code = 0
    try:
        for name in submission.tasks[place]:
            code = max(code, _compute(Path(submission.campaign), name, submission, where))
    except SystemExit as end:
        if signals.warned:
            signals.ignore()  # SLURM ends at once what it takes back
            _back_to_the_queue(where, restart, submission)
        return int(end.code or 0)
    finally:
        signals.ignore()
    return code


def _compute(campaign: Path, name: str, submission: Submission, where: str) -> int:
    pack = _patiently(lambda: read_pack(pack_file(campaign, name)))
    _wait_for_earlier_start(campaign, pack, where)
    from spinodal.job import run_pack
    from spinodal.planning import survey

    given_up = survey(campaign).failed if int(os.environ.get("SLURM_RESTART_COUNT") or 0) else {}
    if not pack.points.keys() <= given_up.keys():
        try:
            run_pack(campaign, name, where)
        except UserError as error:
            _say(f"pack {name}, {shlex.join(submission.overrides[name])}: refused\n{traceback.format_exc()}")
            _say(f"error: {error}")
            return REFUSED
    found = survey(campaign)
    failed = [point for point in pack.points if point in found.failed]
    for point in failed:
        _say(f"\npoint {point} failed: {shlex.join(_overrides(pack, point, submission))}")
        _say(found.failed[point].traceback.rstrip())
    left = pack.points.keys() - found.done - found.failed.keys() - found.running.keys()
    if left:
        _say(f"pack {name}: {len(left)} points were not computed")
    return FAILED if failed or left else 0


def _overrides(pack: Pack, point: str, submission: Submission) -> Iterator[str]:
    """What one would type to get a point alone."""
    replica = pack.points[point]
    own = {key: str(value) for key, value in own_values(pack.part_of[point].config).items()}
    values = f"[{','.join(map(str, sorted(set(replica.path))))}]"
    own |= {"seed": str(replica.seed), control.name(pack.config): values}
    for line in submission.overrides[pack.name]:
        if line.partition("=")[0] not in own:
            yield line
    yield from (f"{key}={value}" for key, value in own.items())
    if replica.strength is not None:
        yield f"strength of noise {replica.strength}"


def _wait_for_earlier_start(campaign: Path, pack: Pack, where: str) -> None:
    """SLURM starts a job again when its node does not answer, which does not prove that the job has ended there."""
    while True:
        mine = [each for each in read_attempts(campaign) if each.where == where and each.pack == pack.name]
        living = alive(campaign, mine)
        if not living:
            return
        _say(f"waiting for an earlier start of this job on {living[-1].process.host} to end, or fall silent")
        time.sleep(EVERY)


def _back_to_the_queue(where: str, restart: int, submission: Submission) -> None:
    if restart >= submission.restarts:
        _say(
            f"restarted {restart} times (hydra.launcher.max_num_timeout): not again; the same command continues"
        )
    elif (problem := slurm.requeue(where)) is None:
        _say("back to the queue, to continue from the checkpoint")
    else:
        _say(f"SLURM does not take this job back ({problem}); the same command continues")


def _refuse_other_code(submission: Submission) -> None:
    """Rather no result than one of code that was not submitted."""
    if not Path(spinodal.__file__).is_relative_to(submission.code):
        raise SystemExit(f"the code that was submitted, {submission.code}, is not visible on this node")


def _have_a_home() -> None:
    """Libraries write caches to it, and some fail where that cannot be."""
    home = os.path.expanduser("~")
    if not os.access(home, os.W_OK):
        os.environ["HOME"] = tempfile.mkdtemp(prefix="spinodal-home-")


def _patiently(read: Callable[[], T]) -> T:
    """What another machine has just written may take a while to be seen on this one."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return read()
        except (OSError, ValueError):  # UserError is one
            if time.monotonic() > deadline:
                raise
            time.sleep(1.0)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
