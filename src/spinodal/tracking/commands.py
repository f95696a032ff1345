"""`spinodal sync` and `spinodal dashboard`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress

from spinodal.errors import UserError, in_a_line
from spinodal.tracking.mirror import afresh

if TYPE_CHECKING:
    from spinodal.tracking.runs import Run
    from spinodal.tracking.session import Session

WANDB = (sys.executable, "-m", "wandb")

BATCH = 40
"""Runs that one `wandb sync` gets: its start takes seconds."""

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
    def session(where: tuple[str, str | None], folder: Path) -> Session:
        return Session(campaign, *where, folder=folder)

    def where(run: Run) -> tuple[str, str | None]:
        project, entity = run.job.where
        return flags.project or project, flags.entity or entity

    console = Console(highlight=False, soft_wrap=True)
    jobs = [(job, rows) for job, rows in jobs_of(campaign) if job.mirrored or flags.rebuild]
    runs = [run for job, rows in jobs for run in runs_of(rows, job)]
    if flags.rebuild:
        shutil.rmtree(campaign / REBUILT, ignore_errors=True)
        for run in _followed(runs, "rebuilding", console):
            session(where(run), campaign / REBUILT).write(run)
        console.print(f"{campaign}: {len(runs)} runs made again in {campaign / REBUILT}", markup=False)
    if any((campaign / "wandb" / "closed").glob("report-*")):
        runs.append(report_run(campaign))
    there = [run for run in runs if not run.running]
    waiting = [run for run in there if not session(where(run), campaign).told(run, uploaded=True)]
    reasons: dict[str, str] = {}
    if waiting and not flags.dry_run:
        if trouble := unreachable():
            raise UserError(f"sync {campaign}: {len(waiting)} runs are waiting, but {trouble}")
        for at in _followed(range(0, len(waiting), BATCH), "uploading", console):
            with TemporaryDirectory() as folder:
                batch = [(run, session(where(run), Path(folder))) for run in waiting[at : at + BATCH]]
                reasons |= _upload(batch, flags.parallel)
    failed = len(reasons)
    lines = [
        f"{len(waiting)} to upload" if flags.dry_run else f"{len(waiting) - failed} uploaded",
        f"{len(there) - len(waiting)} uploaded before" if len(there) > len(waiting) else "",
        f"{len(runs) - len(there)} still running" if len(runs) > len(there) else "",
        f"{failed} failed: {'; '.join({*reasons.values()})}" if failed else "",
    ]
    console.print(f"{campaign}: " + "; ".join(filter(None, lines)), markup=False)
    return int(bool(failed))


def _upload(runs: Sequence[tuple[Run, Session]], parallel: int) -> dict[str, str]:
    """Upload runs with W&B's own command, and return why not, of those that did not go."""
    import wandb

    folders = [session.write(run) for run, session in runs]
    wandb.teardown()  # it writes behind
    command = [*WANDB, "sync", "--yes", "-n", str(parallel), *map(str, folders)]
    # The key travels in the environment or in the user's netrc file, never among the arguments.
    environment = {name: value for name, value in afresh().items() if name != "WANDB_SILENT"}
    done = subprocess.run(command, stdin=-3, stdout=-1, stderr=subprocess.STDOUT, env=environment, text=True)
    there = [any(folder.glob("*.wandb.synced")) for folder in folders]
    for (run, session), uploaded in zip(runs, there, strict=True):
        session.leave_word(run, session.server if uploaded else "")
    printed = [line.removeprefix("wandb:").strip() for line in done.stdout.splitlines()]
    errors = (
        [line for line in printed if "error" in line.lower()] or printed or ["wandb sync printed nothing"]
    )
    failed = (run.id for (run, _), uploaded in zip(runs, there, strict=True) if not uploaded)
    return dict.fromkeys(failed, errors[-1].removeprefix("ERROR").strip()[:200])


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
