"""The report on the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from rich.console import Console

from spinodal.errors import UserError, in_a_line
from spinodal.report.argument import campaigns_in, judge, make_argument
from spinodal.report.drawing import PAPER, Look
from spinodal.report.report import Report, make_report
from spinodal.report.table import Table
from spinodal.waiting import waiting


def main(
    campaign: Path,
    patterns: Sequence[str] = (),
    publish: Callable[[Report], str] | None = None,
    look: Look | None = None,
    modules: Sequence[Path] = (),
) -> int:
    """Make the report of a campaign and print it; of a folder of campaigns, print the verdicts. Return exit code 0.

    Args:
        campaign: Its folder.
        patterns: As of `make_report`.
        publish: Publishes the report elsewhere, and returns where.
        look: As of `make_report`.
        modules: Python files that register sections or claims of a user's own.

    Raises:
        UserError: As `make_report`, or if a module cannot be imported.
    """
    load(modules)
    second_process = (os.cpu_count() or 1) > 1 and not modules  # which has not imported what is drawn there
    if campaigns_in(campaign):
        if patterns or publish or look:
            raise UserError(
                f"report {campaign}: --curve, --wandb, --format and --width are about one campaign; this folder has "
                "several"
            )
        with waiting("making the reports"):
            argument = make_argument(campaign, second_process)
        files = [*(report.page for report in argument.reports), argument.markdown, argument.page]
        return _print([argument.table()], map(str, files))
    with waiting("making the report"):
        report = make_report(campaign, patterns, second_process, look)
    sections = [section for _, section in report.sections]
    notes = [*report.results, *(remark for section in sections for remark in section.remarks)]
    notes += map(str, report.csvs)
    notes += [f"{picture.path}.png (and .pdf)" for _, picture in report.pictures]
    if look is not None:
        notes.append(f"{report.page.parent / PAPER}: the figures as {', '.join(look.formats)}")
    notes += [str(report.page), *([publish(report)] if publish is not None else [])]
    return _print([table for section in sections for table in section.tables], notes)


def print_claims(campaign: Path, modules: Sequence[Path] = ()) -> int:
    """Print the verdicts on all claims by the records of a campaign, or of a folder of them; return exit code 0.

    Raises:
        UserError: If there are no records, or a module cannot be imported.
    """
    load(modules)
    with waiting("judging the claims"):
        judged = judge(campaign)
    return _print([judged.table()], [])


def load(files: Iterable[Path]) -> None:
    """Import files of a user's, which register sections or claims of their own.

    Raises:
        UserError: If one cannot be imported.
    """
    for file in files:
        spec = spec_from_file_location(f"with_{file.stem}", file)  # no other module of this name is hidden
        try:
            if spec is None or spec.loader is None or not file.is_file():
                raise FileNotFoundError("no such Python file")
            module = module_from_spec(spec)
            sys.modules[spec.name] = module
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:  # whatever a user's file raises
            raise UserError(f"--with {file}: cannot be imported: {in_a_line(error)}") from error


def _print(tables: Iterable[Table], notes: Iterable[str]) -> int:
    console = Console(highlight=False, emoji=False)
    for table in tables:
        for each in table.rich():
            console.print(each)
    for note in notes:
        console.print(note, soft_wrap=True, markup=False)
    return 0
