"""`spinodal sync` and `spinodal dashboard`."""

from __future__ import annotations

import shutil
from argparse import Namespace
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress

from spinodal.errors import UserError, in_a_line

if TYPE_CHECKING:
    from spinodal.tracking.runs import Run
    from spinodal.tracking.session import Session

REBUILT = "rebuilt"
"""Folder of a campaign for runs that are made again from its records."""


def sync(flags: Namespace) -> int:
    """Upload what W&B does not have yet.

    Args:
        flags: As `spinodal.arguments` has them.

    Returns:
        Exit code: 0, or 1 if some runs could not be uploaded.

    Raises:
        UserError: If there is no such campaign, or no server.
    """
    if flags.parallel < 1:
        raise UserError(f"--parallel {flags.parallel}: must be at least 1")
    return max([_sync(campaign, flags) for campaign in _campaigns(flags)])


def _sync(campaign: Path, flags: Namespace) -> int:
    from spinodal.tracking.jobs import jobs_of
    from spinodal.tracking.report_run import report_run
    from spinodal.tracking.runs import runs_of
    from spinodal.tracking.session import Session, unreachable

    @cache
    def session(where: tuple[str, str | None], online: bool, folder: Path) -> Session:
        return Session(campaign, *where, online, remarks.append, folder)

    def where(run: Run) -> tuple[str, str | None]:
        project, entity = run.job.where
        return flags.project or project, flags.entity or entity

    remarks: list[str] = []
    console = Console(highlight=False, soft_wrap=True)
    jobs = [(job, rows) for job, rows in jobs_of(campaign) if job.mirrored or flags.rebuild]
    runs = [run for job, rows in jobs for run in runs_of(rows, job)]
    if flags.rebuild:
        shutil.rmtree(campaign / REBUILT, ignore_errors=True)
        for run in _followed(runs, "rebuilding", console):
            _write([run], session(where(run), False, campaign / REBUILT))
        console.print(f"{campaign}: {len(runs)} runs made again in {campaign / REBUILT}", markup=False)
    if any((campaign / "wandb" / "closed").glob("report-*")):
        runs.append(report_run(campaign))
    there = [run for run in runs if not run.running]
    waiting = [run for run in there if not session(where(run), True, campaign).told(run, uploaded=True)]
    failed = 0
    if waiting and not flags.dry_run:
        if trouble := unreachable():
            raise UserError(f"sync {campaign}: {len(waiting)} runs are waiting, but {trouble}")
        with TemporaryDirectory() as folder:
            for at in _followed(range(0, len(waiting), flags.parallel), "uploading", console):
                batch = waiting[at : at + flags.parallel]
                of_all = session(where(batch[0]), True, Path(folder))
                failed += len(batch) - (sum(_write(batch, of_all)) if of_all.online else 0)
    lines = [
        f"{len(waiting)} to upload" if flags.dry_run else f"{len(waiting) - failed} uploaded",
        f"{len(there) - len(waiting)} uploaded before" if len(there) > len(waiting) else "",
        f"{len(runs) - len(there)} still running" if len(runs) > len(there) else "",
        f"{failed} failed: {remarks[0] if remarks else ''}" if failed else "",
    ]
    console.print(f"{campaign}: " + "; ".join(filter(None, lines)), markup=False)
    return int(bool(failed))


def _write(runs: Sequence[Run], session: Session) -> list[bool]:
    """Tell all of some runs, and return of which the server has everything."""
    from spinodal.tracking.session import close_all

    opened = [session.open(run) for run in runs]
    for each, run in zip(opened, runs, strict=True):
        each.log(run)
    return close_all(list(zip(opened, runs, strict=True)))


def dashboard(flags: Namespace) -> int:
    """Save the dashboard of a project on W&B.

    Args:
        flags: As `spinodal.arguments` has them.

    Returns:
        Exit code 0.

    Raises:
        UserError: If the server does not take it.
    """
    entity, _, project = flags.project.partition("/")
    if not entity or not project or "/" in project:
        raise UserError(f"dashboard {flags.project}: must be entity/project, as on W&B")
    from spinodal.tracking.dashboard import workspace
    from spinodal.tracking.session import unreachable

    view = workspace(entity, project, _campaigns(flags))
    if flags.print:
        print(view._to_model().spec.model_dump_json(by_alias=True, exclude_none=True))
        return 0
    if trouble := unreachable():
        raise UserError(f"dashboard {flags.project}: {trouble}")
    try:
        view.save()
    except Exception as error:  # of the server's, in the words of whatever library carried them
        reason = in_a_line(error)[:200]
        raise UserError(f"dashboard {flags.project}: the server does not take it ({reason})") from error
    print(view.url)
    return 0


def _campaigns(flags: Namespace) -> list[Path]:
    """Return the campaigns that folders are, or hold."""
    from spinodal.tracking.jobs import campaigns_below

    found: dict[Path, None] = {}
    for folder in flags.folders:
        if not folder.is_dir():
            raise UserError(
                f"{flags.command} {folder}: no such folder; a campaign is a folder under outputs/"
            )
        if not (below := campaigns_below(folder)):
            raise UserError(f"{flags.command} {folder}: no records to read; spinodal run makes them")
        found |= dict.fromkeys(below)
    return list(found)


def _followed(work: Sequence[Any], what: str, console: Console) -> Iterator[Any]:
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        yield from progress.track(work, description=what)
