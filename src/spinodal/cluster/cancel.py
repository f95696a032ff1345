"""`spinodal cancel`: a campaign's jobs leave the queue."""

from __future__ import annotations

from pathlib import Path

from spinodal.cluster import slurm
from spinodal.cluster.queue import queued
from spinodal.errors import UserError


def main(campaign: Path) -> int:
    """End what is queued or running on SLURM; what was begun is continued by the next identical command.

    Args:
        campaign: its folder.

    Returns:
        Exit code 0.

    Raises:
        UserError: If SLURM does not answer, or refuses.
    """
    there = queued(campaign)
    if there is None:
        raise UserError(f"cancel {campaign}: squeue does not answer here")
    jobs = {each.job: each for each in there.values()}
    if not jobs:
        print(f"{campaign}: none of its jobs is queued or running on SLURM")
        return 0
    slurm.scancel(list(dict.fromkeys(each.array for each in jobs.values())))
    running = sum(each.state == "RUNNING" for each in jobs.values())
    print(
        f"{campaign}: {len(jobs)} job{'s' if len(jobs) > 1 else ''} ended, {running} of them running; "
        "the same command continues"
    )
    return 0
