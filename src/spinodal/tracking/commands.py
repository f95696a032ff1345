"""`spinodal sync` and `spinodal dashboard`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from spinodal.errors import UserError, in_a_line


def sync(arguments: Sequence[str]) -> int:
    """Upload what W&B does not have yet.

    Returns:
        Exit code: 0, or 1 if some runs could not be uploaded.

    Raises:
        UserError: If there is no such campaign, or no server.
    """
    parser = _parser(
        "sync",
        "Uploads the W&B runs of campaigns that are not there yet, each once, and says what went and what did not. "
        "May be stopped at any time: the same command continues.",
    )
    parser.add_argument(
        "campaigns", nargs="+", type=Path, metavar="campaign", help="a folder, as in outputs/onset"
    )
    parser.add_argument(
        "--rebuild", action="store_true", help="first write all runs again, from the records alone"
    )
    parser.add_argument("--project", help="on W&B, instead of each run's own")
    parser.add_argument("--entity", help="on W&B, instead of each run's own")
    parser.add_argument("--parallel", type=int, default=5, metavar="N", help="runs at a time (default: 5)")
    parser.add_argument("--dry-run", action="store_true", help="upload nothing, only say what would be")
    flags = parser.parse_args(arguments)
    for campaign in flags.campaigns:
        if not campaign.is_dir():
            raise UserError(f"sync {campaign}: no such folder; a campaign is a folder under outputs/")
    if flags.parallel < 1:
        raise UserError(f"--parallel {flags.parallel}: must be at least 1")
    return max([_sync(campaign, flags) for campaign in flags.campaigns])


def _sync(campaign: Path, flags: argparse.Namespace) -> int:
    from spinodal.tracking.session import unreachable
    from spinodal.tracking.sync import take_inventory, upload

    console = Console(highlight=False, soft_wrap=True)
    if flags.rebuild:
        _rebuild(campaign, flags, console)
    found = take_inventory(campaign)
    waiting = len(found.waiting)
    if waiting and not flags.dry_run and (trouble := unreachable()):
        raise UserError(f"sync {campaign}: {waiting} runs are waiting, but {trouble}")
    failed: dict[Path, str] = {}
    if waiting and not flags.dry_run:
        options = [
            *(("-p", flags.project) if flags.project else ()),
            *(("-e", flags.entity) if flags.entity else ()),
        ]
        with _progress(console, "uploading", waiting) as (progress, bar):
            failed = upload(
                found.waiting, flags.parallel, options, lambda count: progress.advance(bar, count)
            )
    failed |= dict.fromkeys(found.broken, "its run file is empty; --rebuild makes it from the records")
    went = waiting - sum(folder.path in failed for folder in found.waiting)
    lines = [
        f"{waiting} to upload" if flags.dry_run else f"{went} uploaded",
        f"{found.uploaded} uploaded before" if found.uploaded else "",
        f"{found.superseded} older folders of the same runs left out" if found.superseded else "",
        f"{len(found.unclosed)} still running or killed (--rebuild makes them from the records)"
        if found.unclosed
        else "",
        f"{len(failed)} failed" if failed else "",
    ]
    console.print(f"{campaign}: " + "; ".join(filter(None, lines)), markup=False)
    for path, reason in failed.items():
        console.print(f"  {path.name}: {reason}", markup=False)
    return int(bool(failed))


def _rebuild(campaign: Path, flags: argparse.Namespace, console: Console) -> None:
    from spinodal.tracking.rebuild import REBUILT, rebuild

    with _progress(console, "rebuilding", None) as (progress, bar):
        count = rebuild(campaign, flags.project, flags.entity, lambda: progress.advance(bar))
    console.print(f"{campaign}: {count} runs made again in {campaign / REBUILT}", markup=False)


def dashboard(arguments: Sequence[str]) -> int:
    """Save the dashboard of a project on W&B.

    Returns:
        Exit code 0.

    Raises:
        UserError: If it is not installed, or the server does not take it.
    """
    parser = _parser(
        "dashboard",
        "Saves a workspace for phase transitions on W&B: E, accuracy, ‖θ‖, curvature and soft mode against λ, the grid "
        "in parallel coordinates, the quality of relaxation. Each call saves a new view; none is changed.",
    )
    parser.add_argument("project", metavar="entity/project", help="on W&B; may still be empty")
    parser.add_argument("--print", action="store_true", help="only print it, as JSON")
    flags = parser.parse_args(arguments)
    entity, _, project = flags.project.partition("/")
    if not entity or not project or "/" in project:
        raise UserError(f"dashboard {flags.project}: must be entity/project, as on W&B")
    try:
        from spinodal.tracking.dashboard import workspace
    except ModuleNotFoundError as error:
        if error.name != "wandb_workspaces":
            raise
        raise UserError("dashboard: needs wandb-workspaces: pip install wandb-workspaces") from error
    view = workspace(entity, project)
    if flags.print:
        print(view._to_model().spec.model_dump_json(by_alias=True, exclude_none=True))
        return 0

    from spinodal.tracking.session import unreachable

    if trouble := unreachable():
        raise UserError(f"dashboard {flags.project}: {trouble}")
    try:
        view.save()
    except Exception as error:  # of the server's, in the words of whatever library carried them
        reason = in_a_line(error)[:200]
        raise UserError(f"dashboard {flags.project}: the server does not take it ({reason})") from error
    print(view.url)
    return 0


@contextmanager
def _progress(console: Console, what: str, total: int | None) -> Iterator[tuple[Progress, TaskID]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress, progress.add_task(what, total=total)


def _parser(command: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"spinodal {command}", description=description)
    parser.error = _refuse  # type: ignore[method-assign]
    return parser


def _refuse(message: str) -> NoReturn:
    raise UserError(f"{message}; --help says more")
