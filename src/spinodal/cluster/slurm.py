"""SLURM's commands, and nothing else of it: no shell comes in between."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from spinodal.errors import UserError

PATIENCE = 60.0
"""Seconds a command may take: a busy controller answers late."""

MAX_ARRAY_SIZE = 1001
"""SLURM's own default."""

JOB_LIMIT = re.compile(
    r"\S*Max\w*Submit\w*|\S*Submit\w*Limit\w*|temporarily unable to accept job", re.IGNORECASE
)
"""How sbatch says that somebody has as many jobs in the queue as may be."""


class TooManyJobsError(UserError):
    """SLURM takes no further jobs, or not as many."""


class Job(NamedTuple):
    """A job of the queue.

    Attributes:
        array: the number of its array, as `scancel` takes it.
        place: in the array.
        state: as in PENDING, RUNNING.
        reason: why it does not run.
        command: the script.
    """

    array: str
    place: int
    state: str
    reason: str
    command: str


def sbatch(script: str) -> str:
    """Submit a script.

    Returns:
        The job's number.

    Raises:
        TooManyJobsError: If a limit on the number of jobs is in the way.
        UserError: If SLURM refuses.
    """
    # Inside an allocation SLURM's variables describe that one, and would be taken for this job's.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SLURM_", "SRUN_")) or name == "SLURM_CONF"
    }
    try:
        done = _called(["sbatch", "--parsable", script], environment, patience=None)
    except FileNotFoundError:
        raise UserError(
            "hydra/launcher=slurm: there is no sbatch here; on a machine without SLURM: hydra/launcher=local"
        ) from None
    if done.returncode == 0:
        return done.stdout.strip().partition(";")[0]
    said = " ".join(
        line.removeprefix("sbatch: ").removeprefix("error: ") for line in done.stderr.splitlines()
    )
    if JOB_LIMIT.search(done.stderr):
        raise TooManyJobsError(f"SLURM takes no more jobs of yours: {said}")
    advice = "; without GPUs: hydra/launcher=slurm_cpu" if re.search("gres|node configuration", said) else ""
    raise UserError(f"SLURM refuses the jobs: {said}{advice}")


def squeue(users: Iterable[str]) -> list[Job] | None:
    """What is in the queue, one line for each place of an array; None if SLURM does not answer.

    Args:
        users: whose jobs.
    """
    said = _asked(["squeue", "-h", "-r", f"--user={','.join(users)}", "-o", "%F|%K|%T|%r|%o"])
    if said is None:
        return None
    rows = [line.split("|", 4) for line in said.splitlines()]
    return [
        Job(row[0], int(row[1]), row[2], row[3], row[4])
        for row in rows
        if len(row) == 5 and row[1].isdecimal()
    ]


def sacct(jobs: Sequence[str]) -> dict[tuple[str, int], str]:
    """By array and place, the last state SLURM knows; nothing where there is no accounting.

    Args:
        jobs: numbers of arrays.
    """
    said = _asked(["sacct", "-n", "-X", "-P", "-o", "JobID,State", "-j", ",".join(jobs)]) if jobs else None
    found = {}
    for line in (said or "").splitlines():
        job, _, state = line.partition("|")
        array, _, place = job.partition("_")
        if place.isdecimal():
            found[array, int(place)] = state.partition(" ")[0]  # "CANCELLED by 1000"
    return found


def scancel(jobs: Sequence[str]) -> None:
    """Take jobs out of the queue, or end them.

    Raises:
        UserError: If SLURM refuses.
    """
    done = _called(["scancel", *jobs])
    if done.returncode:
        raise UserError(f"scancel: {' '.join(done.stderr.split())}")


def requeue(job: str) -> str | None:
    """Send a job, which may be the one that asks, back to the queue.

    Returns:
        What went wrong; None if nothing did.
    """
    try:
        done = _called(["scontrol", "requeue", job])
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return " ".join(done.stderr.split()) or f"exit code {done.returncode}" if done.returncode else None


def max_array_size() -> int:
    """How many jobs an array may have."""
    found = re.search(
        r"^MaxArraySize\s*=\s*(\d+)", _asked(["scontrol", "show", "config"]) or "", re.MULTILINE
    )
    return max(1, int(found[1])) if found else MAX_ARRAY_SIZE


def _asked(command: list[str]) -> str | None:
    """What a command says; None if it is not there, fails or takes too long."""
    try:
        done = _called(command)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None


def _called(
    command: list[str], environment: dict[str, str] | None = None, patience: float | None = PATIENCE
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=patience,
        stdin=subprocess.DEVNULL,
    )
