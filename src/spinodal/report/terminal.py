"""The report on the terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from spinodal.errors import UserError
from spinodal.report.argument import campaigns_in, make_argument
from spinodal.report.argument_page import write_argument
from spinodal.report.argument_table import argument_tables, markdown
from spinodal.report.campaign import make_report
from spinodal.report.given_up import given_up_told
from spinodal.report.report import Report
from spinodal.report.table import transition_table
from spinodal.report.unsettled import counted
from spinodal.waiting import waiting


def main(campaign: Path, patterns: Sequence[str] = (), publish: Callable[[Report], str] | None = None) -> int:
    """Make the report of a campaign and tell it on the terminal; of a folder of campaigns, tell the verdicts.

    Args:
        campaign: Its folder.
        patterns: As of `make_report`.
        publish: Tells the report elsewhere, and returns where.

    Returns:
        Exit code 0.

    Raises:
        UserError: As `make_report`.
    """
    second_process = (os.cpu_count() or 1) > 1
    if campaigns_in(campaign):
        if patterns or publish:
            raise UserError(
                f"report {campaign}: --curve and --wandb are about one campaign; this folder has several"
            )
        return _tell_argument(campaign, second_process)
    with waiting("making the report"):
        report = make_report(campaign, patterns, second_process)
    console = Console(highlight=False)
    for group in report.groups:
        for curve in group.curves if group.figure else ():
            console.print(transition_table(curve.name, curve.strengths, curve.transitions))
    notes = _notes(report)
    for part in (report.hysteresis, report.curvature):
        if part is not None:
            for table in part.tables():
                console.print(table)
            notes += part.notes()
    notes += [f"{each.name}: {each.told}" for each in report.told_apart]
    notes += [f"{each.figure}.png (and .pdf)" for each in report.told_apart if each.figure]
    published = [publish(report)] if publish is not None else []
    for note in [*notes, str(report.page), *published]:
        console.print(note, soft_wrap=True, markup=False)
    return 0


def _tell_argument(folder: Path, second_process: bool) -> int:
    with waiting("making the reports"):
        argument = make_argument(folder, second_process)
    try:
        write_argument(argument)
        argument.table.write_text(markdown(argument), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{argument.page}: cannot be written ({error.strerror})") from error
    console = Console(highlight=False)
    for table in argument_tables(argument):
        console.print(table)
    for note in (*(report.page for report in argument.reports), argument.table, argument.page):
        console.print(str(note), soft_wrap=True, markup=False)
    return 0


def _notes(report: Report) -> list[str]:
    drawn = [group for group in report.groups if group.figure]
    shown = [curve for group in drawn for curve in group.curves]
    notes = []
    if len(drawn) < len(report.groups):
        notes.append(
            f"{len(drawn)} of {len(report.groups)} networks are told here and drawn; all are in {report.page.name} "
            f"and {report.csv.name}. --curve '*name*' draws others"
        )
    if any(curve.transitions["l2_exact"].is_not_null().any() for curve in shown):
        notes.append(
            "exact λ_sp: of a deep linear network (depth 2: c/2); ✓ where the measured bracket holds it"
        )
    if any(curve.transitions["l2_estimate"].is_not_null().any() for curve in shown):
        notes.append("≈: an estimate, since the inputs are not whitened along the features")
    counts = counted(report.followed)
    told = [f"{kind}: {count}" for kind, count in counts.items()]
    if len(report.followed):
        notes.append(f"{len(report.followed)} rows; " + ("; ".join(told) or "all are stationary minima"))
    if counts.keys() & {"not stationary", "saddles"}:
        notes.append(
            "what is not stationary, or a saddle, is drawn hollow and is no evidence for a transition"
        )
    if any(curve.transitions["unrelaxed"].sum() for curve in shown):
        notes.append("* such rows lie in between: the bracket is made by the nearest ones that relaxed")
    notes += [
        f"{told}; spinodal status {report.campaign} --failed says why"
        for told in given_up_told(report.given_up, report.summary.points)
    ]
    if report.summary.running:
        left = report.summary.points - report.summary.finished
        notes.append(f"{left} of {report.summary.points} points are not finished")
    for curve in shown:
        if len(curve.unresolved):
            ends = curve.unresolved.select("l2_low", "l2_high").iter_rows()
            places = ", ".join(f"{low:.4g} – {high:.4g}" for low, high in ends)
            notes.append(
                f"{curve.name}: E moves steeply in λ {places}; only a finer grid shows whether it jumps."
            )
    figures = [group.figure for group in drawn] + [each.figure for each in report.phases if each.figure]
    figures += [family.figure for family in report.families]
    return [*notes, str(report.csv), *(f"{figure}.png (and .pdf)" for figure in figures)]
