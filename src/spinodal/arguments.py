"""The arguments of commands that are not Hydra's."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import spinodal

FORMATS = ("pdf", "png", "svg")
"""Of figures for a paper."""

UNITS = {"mm": 25.4, "cm": 2.54, "in": 1.0}
"""Per inch."""

SYNC = """Uploads runs of campaigns that are not there yet, each once, from the records: also what a job did not write
to W&B. May be stopped at any time: the same command continues."""

DASHBOARD = """Saves a workspace for phase transitions on W&B: E, accuracy, ‖θ‖, curvature and soft mode against λ for
each curve, λ of the jumps against depth, the grid in parallel coordinates. Each call saves a new view."""


def parser(refuse: Callable[[str], NoReturn]) -> argparse.ArgumentParser:
    """Return the parser of `spinodal status`, `spinodal report` and the help of all commands.

    Args:
        refuse: Raises what is wrong with the arguments.
    """
    outer = argparse.ArgumentParser(prog="spinodal", description=spinodal.__doc__)
    outer.add_argument("--version", action="version", version=f"spinodal {spinodal.__version__}")
    commands = outer.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser(
        "run", add_help=False, help="train an ensemble over a grid of λ (run --help says more)"
    )
    status = commands.add_parser("status", help="show how far a campaign is: done, running, failed")
    commands.add_parser(
        "predict",
        add_help=False,
        help="compute where a task's transitions must be: table, figure (predict --help)",
    )
    commands.add_parser(
        "probe", add_help=False, help="find what the networks of a checkpoint sit in (probe --help)"
    )
    commands.add_parser("cancel", add_help=False, help="end what a campaign has queued or running on SLURM")
    sync = commands.add_parser("sync", help="upload the W&B runs of campaigns", description=SYNC)
    dashboard = commands.add_parser("dashboard", help="save a W&B workspace", description=DASHBOARD)
    report = commands.add_parser("report", help="find a campaign's transitions: page, tables, figures")
    _status(status)
    _sync(sync)
    _dashboard(dashboard)
    _report(report)
    for each in (outer, status, sync, dashboard, report):
        each.error = refuse  # type: ignore[method-assign,assignment]
    return outer


def _sync(sync: argparse.ArgumentParser) -> None:
    several = "a campaign, or one of campaigns"
    rebuild = "write all runs again first, offline, into <campaign>/rebuilt, also of jobs with logger=none"
    sync.add_argument("folders", nargs="+", type=Path, metavar="folder", help=several)
    sync.add_argument("--rebuild", action="store_true", help=rebuild)
    sync.add_argument("--project", help="on W&B, instead of each run's own")
    sync.add_argument("--entity", help="on W&B, instead of each run's own")
    sync.add_argument("--parallel", type=int, default=5, metavar="N", help="runs at a time (default: 5)")
    sync.add_argument("--dry-run", action="store_true", help="upload nothing, only print what would be")


def _dashboard(dashboard: argparse.ArgumentParser) -> None:
    own = "campaigns, or folders of them, whose own columns and control parameters get panels, too"
    dashboard.add_argument("project", metavar="entity/project", help="on W&B; may still be empty")
    dashboard.add_argument("folders", nargs="*", type=Path, metavar="campaign", help=own)
    dashboard.add_argument("--print", action="store_true", help="only print it, as JSON")


def _status(status: argparse.ArgumentParser) -> None:
    status.add_argument("campaign", type=Path, help="its folder, as in outputs/onset")
    status.add_argument("--failed", action="store_true", help="show the tracebacks of what has failed")
    status.add_argument("--points", action="store_true", help="show every point")
    status.add_argument("--watch", action="store_true", help="follow, until nothing runs any more")


def _report(report: argparse.ArgumentParser) -> None:
    report.add_argument(
        "campaign",
        type=Path,
        help="its folder, as in outputs/onset; a folder of several: verdicts on all claims",
    )
    report.add_argument(
        "--curve",
        action="append",
        default=[],
        metavar="NAME",
        help="draw these, as in '*-K3-*'; may be repeated",
    )
    report.add_argument(
        "--claims", action="store_true", help="print the verdicts on all claims, and draw nothing"
    )
    report.add_argument("--wandb", action="store_true", help="log it to W&B, too, in a run of its own")
    report.add_argument(
        "--format",
        action="append",
        default=[],
        choices=FORMATS,
        help="draw figures for a paper, too; may be repeated",
    )
    report.add_argument("--width", type=inches, metavar="W", help="of these, as in 86mm, 8.6cm or 3.4in")
    report.add_argument(
        "--with",
        action="append",
        default=[],
        type=Path,
        dest="modules",
        metavar="FILE",
        help="a Python file with sections or claims of your own; may be repeated",
    )


def inches(text: str) -> float:
    """Return a length in inches.

    Args:
        text: As in 86mm.

    Raises:
        argparse.ArgumentTypeError: If it is none.
    """
    unit = text[-2:]
    try:
        length = float(text[:-2]) / UNITS[unit]
    except (KeyError, ValueError):
        length = 0.0
    if not 1 <= length <= 40:
        raise argparse.ArgumentTypeError(
            f"{text}: must be a length of 1 to 40 inches, as in 86mm, 8.6cm or 3.4in"
        )
    return length
