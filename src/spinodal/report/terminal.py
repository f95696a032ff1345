"""The report on the terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rich.console import Console

from spinodal.errors import UserError
from spinodal.report.argument import campaigns_in, make_argument
from spinodal.report.drawing import Look
from spinodal.report.report import Report, make_report
from spinodal.report.table import Table
from spinodal.waiting import waiting


def main(
    campaign: Path,
    patterns: Sequence[str] = (),
    publish: Callable[[Report], str] | None = None,
    look: Look | None = None,
) -> int:
    """Make the report of a campaign and print it; of a folder of campaigns, print the verdicts.

    Args:
        campaign: Its folder.
        patterns: As of `make_report`.
        publish: Publishes the report elsewhere, and returns where.
        look: As of `make_report`.

    Returns:
        Exit code 0.

    Raises:
        UserError: As `make_report`.
    """
    second_process = (os.cpu_count() or 1) > 1
    if campaigns_in(campaign):
        if patterns or publish or look:
            raise UserError(
                f"report {campaign}: --curve, --wandb, --format and --width are about one campaign; this folder has "
                "several"
            )
        with waiting("making the reports"):
            argument = make_argument(campaign, second_process)
        files = [*(report.page for report in argument.reports), argument.markdown, argument.page]
        _print([argument.table()], map(str, files))
        return 0
    with waiting("making the report"):
        report = make_report(campaign, patterns, second_process, look)
    tables = [table for _, section in report.sections for table in section.tables]
    notes = [*report.results, *(remark for _, section in report.sections for remark in section.remarks)]
    notes += map(str, report.csvs)
    notes += [f"{picture.path}.png (and .pdf)" for _, picture in report.pictures]
    _print(tables, [*notes, str(report.page), *([publish(report)] if publish is not None else [])])
    return 0


def _print(tables: Iterable[Table], notes: Iterable[str]) -> None:
    console = Console(highlight=False)
    for table in tables:
        for each in table.rich():
            console.print(each)
    for note in notes:
        console.print(note, soft_wrap=True, markup=False)
