"""What SLURM says of a campaign's packs, joined with what was written down when they were submitted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from spinodal.campaign import Submission, read_submissions
from spinodal.cluster import slurm

OVER = ("COMPLETING", "COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "DEADLINE")
"""States of jobs that may still be told, and compute no more."""


class Waiting(NamedTuple):
    """Where a pack is in the queue.

    Attributes:
        job: as in 1234_5, which `scancel` takes.
        array: as in 1234.
        state: as in PENDING, RUNNING.
        reason: why it does not run.
        log: of the job.
    """

    job: str
    array: str
    state: str
    reason: str
    log: Path


def queued(campaign: Path, leaving: bool = False) -> Mapping[str, Waiting] | None:
    """By name, packs that wait in the queue, or whose job runs; None if SLURM does not answer.

    The script's path says which submission a job is of: so also those are found whose command was killed before it
    heard the job's number.

    Args:
        campaign: its folder.
        leaving: whether jobs that SLURM is taking from their node count: they may be on their way back into the queue.
    """
    submissions = {str(script_file(each)): each for each in read_submissions(campaign)}
    if not submissions:
        return {}
    jobs = slurm.squeue(sorted({each.user for each in submissions.values()}))
    if jobs is None:
        return None
    found: dict[str, Waiting] = {}
    for job in jobs:
        submission = submissions.get(job.command)
        over = job.state in OVER and not (leaving and job.state == OVER[0])
        if submission is None or over or job.place >= len(submission.tasks):
            continue
        for pack in submission.tasks[job.place]:
            found[pack] = Waiting(
                f"{job.array}_{job.place}",
                job.array,
                job.state,
                job.reason,
                log_file(submission, job.array, job.place),
            )
    return found


def ended(campaign: Path) -> Mapping[str, Waiting]:
    """By name of the pack, how its last job ended, where SLURM keeps accounts of that.

    Args:
        campaign: its folder.
    """
    submissions = [each for each in read_submissions(campaign) if each.job]
    states = slurm.sacct([each.job for each in submissions if each.job])
    found = {}
    for submission in submissions:
        for place, packs in enumerate(submission.tasks):
            array = str(submission.job)
            state = states.get((array, place))
            if state is not None:
                log = log_file(submission, array, place)
                found.update({pack: Waiting(f"{array}_{place}", array, state, "", log) for pack in packs})
    return found


def script_file(submission: Submission) -> Path:
    """What sbatch was given."""
    return Path(submission.logs) / "submission.sh"


def log_file(submission: Submission, array: str, place: int) -> Path:
    """What a job says, in all its starts."""
    return Path(submission.logs) / f"{array}_{place}_0_log.out"
