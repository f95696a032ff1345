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
    commands.add_parser("sync", add_help=False, help="upload a campaign's W&B runs (sync --help)")
    commands.add_parser("dashboard", add_help=False, help="save a W&B workspace (dashboard --help)")
    report = commands.add_parser("report", help="find a campaign's transitions: page, tables, figures")
    _status(status)
    _report(report)
    for each in (outer, status, report):
        each.error = refuse  # type: ignore[method-assign,assignment]
    return outer


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
