"""The commands that made a campaign, and those that make any part of it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from spinodal.campaign import read_launches


class Launch(NamedTuple):
    """One command, as it was given."""

    when: str
    """In UTC."""
    command: str


def launches(campaign: Path) -> list[Launch]:
    """What was typed to make a campaign, oldest first; the same command again is left out.

    The planner leaves it in `launches/`. Where this folder is gone there is nothing to tell.

    Args:
        campaign: Its folder.
    """
    found: dict[str, Launch] = {}
    for launch in read_launches(campaign):
        when = datetime.fromtimestamp(launch["when"], UTC)
        found.setdefault(launch["command"], Launch(f"{when:%Y-%m-%d %H:%M:%S}", launch["command"]))
    return list(found.values())


def again(campaign: Path, jobs: Iterable[str]) -> list[str]:
    """Commands that compute jobs again, point by point the same, from the configurations beside their records.

    Args:
        campaign: Its folder.
        jobs: Their identities; those without a configuration are left out.
    """
    folder = campaign / "records"
    name = f"{campaign.resolve().name}-again"
    found = [job for job in sorted(set(jobs)) if (folder / f"{job}.yaml").is_file()]
    elsewhere = [f"campaign={name}", f"paths.campaign={campaign.parent / name}"]
    elsewhere.append(f"hydra.run.dir={campaign.parent / name / 'jobs'}")
    return [_run(["--config-dir", str(folder), "--config-name", job, *elsewhere]) for job in found]


def report_command(folder: Path) -> str:
    """Return what makes a page again."""
    return shlex.join(["spinodal", "report", str(folder)])


def _run(arguments: Sequence[Any]) -> str:
    return shlex.join(["spinodal", "run", *map(str, arguments)])
