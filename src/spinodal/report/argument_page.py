"""The page of the verdicts: one table, and under each claim the figures that its rows lead to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from spinodal.analysis.deviation import RESOLUTION
from spinodal.analysis.verdicts import CLAIMS
from spinodal.analysis.verdicts.verdict import AGREE, CONTRADICT, NONE, PLACED, PRECISE, SEEN
from spinodal.report.argument import Argument, Judged
from spinodal.report.argument_table import written
from spinodal.report.commands import launches
from spinodal.report.page import Picture, Section, write_page
from spinodal.report.sections import report_command, sections
from spinodal.report.sheet import Cell, Row, Sheet

KINDS = {"confirmed": "good", "not confirmed": "bad", "not decided": "open"}

HEADER = ("", "verdict", "predicted", "measured", "why", "seen in")

SHORT = {
    "order": "Order",
    "curvature": "Curvature",
    "complexity": "Complexity",
    "hysteresis": "Hysteresis",
    "grokking": "Grokking",
}


def write_argument(argument: Argument) -> None:
    """Write the page into the folder of the campaigns.

    Args:
        argument: What was judged.

    Raises:
        OSError: If it cannot be written.
    """
    pictures = _pictures(argument)
    counts: Counter[str] = Counter(each.verdict.decision for each in argument.judged)
    running = [each.summary for each in argument.reports if each.summary.running]
    left = sum(each.points - each.finished for each in running)
    rows = sum(each.summary.rows for each in argument.reports)
    write_page(
        argument.page,
        [_verdicts(argument, pictures), *_claims(argument, pictures), _campaigns(argument)],
        title="Verdicts",
        campaign=str(argument.folder),
        about="First-order phase transitions in L2-regularised deep networks, claim by claim: "
        f"{rows:,} states in {len(argument.reports)} campaigns, 𝓛(θ) = E(θ) + λ‖θ‖².",
        verdicts=[f"{counts[decision]} {decision}" for decision in KINDS if counts[decision]],
        unfinished=f"{left} of {sum(each.points for each in running)}" if running else "",
        files="Figures as PDF and PNG and tables as CSV lie in the reports of the campaigns.",
    )


def _pictures(argument: Argument) -> dict[Path, Picture]:
    """Those of the campaigns' pages that verdicts lead to, by their paths."""
    wanted = {each.figure for each in argument.judged}
    found = {}
    for report in argument.reports:
        folder = f"{report.page.parent.relative_to(argument.folder).as_posix()}/"
        for section in sections(report):
            for picture in section.pictures:
                if picture.path in wanted:
                    found[picture.path] = replace(picture, folder=folder)
    return found


def _verdicts(argument: Argument, pictures: dict[Path, Picture]) -> Section:
    bodies: list[tuple[str, list[Row]]] = [
        (sentence, [_row(argument, each, pictures) for each in argument.of(claim)])
        for claim, sentence in CLAIMS.items()
    ]
    notes = [
        f"Judged from the records alone. A measurement agrees with its prediction within {AGREE:g} stated errors, "
        "those after ±, of both in quadrature, and contradicts it beyond "
        f"{CONTRADICT:g}; in between nothing is decided, nor where the error is above {100 * PRECISE:g} % of what is "
        f"predicted ({100 * PLACED:.1f} % for λ of transitions). What is claimed to be there must be {SEEN:g} errors "
        f"from zero, what is claimed not to be there within {NONE:g}. No error of a transition is below "
        f"{RESOLUTION:g} of its value, as far as minima are resolved. A row about several things is as good as the "
        "worst of them. What a run too coarse, too short, or of too few seeds cannot show is not decided: the reason "
        "names what to run."
    ]
    return Section(
        "verdicts", "Verdicts", "Verdicts", notes, sheets=[Sheet("Claims", HEADER, bodies, words=6)]
    )


def _row(argument: Argument, each: Judged, pictures: dict[Path, Picture]) -> Row:
    verdict, report = each.verdict, each.report
    link = Cell("")
    if each.figure in pictures:
        link = Cell("figure", link=f"#{pictures[each.figure].id}")
    elif report is not None:
        link = Cell("report", link=report.page.relative_to(argument.folder).as_posix())
    return (
        verdict.case or "all of it",
        Cell(verdict.decision, KINDS[verdict.decision]),
        written(verdict.predicted),
        written(verdict.measured),
        verdict.reason,
        link,
    )


def _claims(argument: Argument, pictures: dict[Path, Picture]) -> Iterator[Section]:
    for claim, sentence in CLAIMS.items():
        figures = dict.fromkeys(each.figure for each in argument.of(claim) if each.figure in pictures)
        shown = [pictures[figure] for figure in figures if figure is not None]
        if shown:
            yield Section(claim, SHORT[claim], sentence, pictures=shown)


def _campaigns(argument: Argument) -> Section:
    rows: list[Row] = []
    for report in argument.reports:
        name, page = report.campaign.resolve().name, report.page.relative_to(argument.folder).as_posix()
        found = "; ".join(report.verdicts)
        rows.append(
            (
                Cell(name, link=page),
                f"{report.summary.points:,} points",
                found,
                report.summary.wall_time or "",
            )
        )
    sheet = Sheet(
        "With pages of their own", ("campaign", "size", "found", "computed for"), [("", rows)], words=4
    )
    commands: list[tuple[str, Sequence[str]]] = [
        (f"{report.campaign.resolve().name}:", [each.command for each in launches(report.campaign)])
        for report in argument.reports
    ]
    commands.append(("This page, from the records:", [report_command(argument.folder)]))
    return Section("campaigns", "Campaigns", "Campaigns", sheets=[sheet], commands=commands)
