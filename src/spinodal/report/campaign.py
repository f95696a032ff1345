"""The report of a campaign: read, find, compare, draw, tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from spinodal.analysis import compare, find_transitions, unresolved
from spinodal.errors import UserError
from spinodal.records import read_records
from spinodal.report.curvature import CurvatureReport, make_curvature_report
from spinodal.report.figure import draw_curve
from spinodal.report.groups import CurveReport, Group, chosen, make_groups
from spinodal.report.page import write_page
from spinodal.report.panels import save
from spinodal.report.phases import PhaseDiagram, make_phase_diagrams
from spinodal.report.sections import sections
from spinodal.report.sheet import verdicts
from spinodal.report.summary import Summary, summarise
from spinodal.report.unsettled import unfinished


@dataclass(frozen=True, eq=False)
class Report:
    """What was found in a campaign."""

    campaign: Path
    records: pl.DataFrame
    summary: Summary
    groups: list[Group]
    csv: Path
    """The transitions of all curves."""
    phases: list[PhaseDiagram]
    """Of networks that were run at more than one complexity."""
    curvature: CurvatureReport | None
    """None if R was measured nowhere."""
    unfinished: pl.DataFrame
    """As the function of that name returns it."""
    page: Path

    @property
    def curves(self) -> list[CurveReport]:
        """Of all groups."""
        return [curve for group in self.groups for curve in group.curves]


def make_report(campaign: Path, patterns: Sequence[str] = ()) -> Report:
    """Find the transitions of a campaign and put them into its folder `report`: page, CSV and figures.

    Args:
        campaign: Its folder. Records that are still being added to are read as far as they are.
        patterns: Of the names of the figures to draw, as in "*-K3-*"; by default all, or a choice of many.

    Raises:
        UserError: If there is no such campaign, it has no records, its folder cannot be written to, or a pattern
            matches nothing.
    """
    if not campaign.is_dir():
        raise UserError(f"{campaign}: no such campaign; campaigns are folders under outputs/")
    records = read_records(campaign)
    found = find_transitions(records)
    compared = compare(found, records)
    groups = make_groups(records, compared, unresolved(records, found))
    drawn = chosen(groups, patterns)
    folder = campaign / "report"
    try:
        folder.mkdir(exist_ok=True)
        for place in drawn:
            groups[place] = _drawn(groups[place], folder)
        compared.write_csv(folder / "transitions.csv")
        curves = [curve for group in groups for curve in group.curves]
        shown = [curve for group in groups if group.figure for curve in group.curves]
        report = Report(
            campaign,
            records,
            summarise(campaign, records),
            groups,
            folder / "transitions.csv",
            make_phase_diagrams(curves, folder),
            make_curvature_report(records, compared, curves, shown, folder),
            unfinished(campaign, records),
            folder / "report.html",
        )
        _write(report)
    except OSError as error:
        raise UserError(f"{folder}: the report cannot be written ({error.strerror})") from error
    return report


def _drawn(group: Group, folder: Path) -> Group:
    figure = folder / group.name.file
    save(draw_curve(group.records, group.transitions, group.name), figure)
    return replace(group, figure=figure)


def _write(report: Report) -> None:
    write_page(
        report.page,
        list(sections(report)),
        title=report.campaign.resolve().name,
        campaign=str(report.campaign),
        summary=report.summary,
        curves=len(report.curves),
        verdicts=verdicts(report.groups),
    )
