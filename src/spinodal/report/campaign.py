"""The report of a campaign: read, find, compare, draw, tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from spinodal.analysis import CURVE, compare, find_transitions, unresolved
from spinodal.analysis.branches import branches_of
from spinodal.analysis.elsewhere import told_elsewhere
from spinodal.campaign import read_attempts
from spinodal.errors import UserError
from spinodal.records import read_records
from spinodal.report.curvature import make_curvature_report
from spinodal.report.dependence import make_families
from spinodal.report.drawing import Drawings
from spinodal.report.escape import make_holds
from spinodal.report.figure import draw_curve
from spinodal.report.given_up import without_diverged
from spinodal.report.grokking import make_grokking, make_times
from spinodal.report.groups import Group, chosen, make_groups
from spinodal.report.hysteresis import make_hysteresis_report
from spinodal.report.page import write_page
from spinodal.report.phases import make_phase_diagrams
from spinodal.report.report import FOLLOWED, NOISELESS, Report
from spinodal.report.sections import sections
from spinodal.report.summary import summarise
from spinodal.report.thermal import make_noisy_loops
from spinodal.report.unsettled import unfinished

MANY = 4
"""From so many curves on, a second process is worth its start."""


def make_report(campaign: Path, patterns: Sequence[str] = (), second_process: bool = False) -> Report:
    """Find the transitions of a campaign and put them into its folder `report`: page, CSV and figures.

    Args:
        campaign: Its folder. Records that are still being added to are read as far as they are.
        patterns: Of the names of the figures to draw, as in "*-K3-*"; by default all, or a choice of many.
        second_process: Whether to draw in two, as `Drawings` does.

    Raises:
        UserError: If there is no such campaign, it has no records, its folder cannot be written to, or a pattern
            matches nothing.
    """
    if not campaign.is_dir():
        raise UserError(f"{campaign}: no such campaign; campaigns are folders under outputs/")
    records = _read(campaign)
    second_process &= records.select(CURVE).n_unique() >= MANY
    folder = campaign / "report"
    try:
        with Drawings(second_process) as drawings:
            report = _found(campaign, records, patterns, folder, drawings)
            drawings.finish()
        _write(report)
    except OSError as error:
        raise UserError(f"{folder}: the report cannot be written ({error.strerror})") from error
    return report


def _read(campaign: Path) -> pl.DataFrame:
    try:
        return read_records(campaign)
    except UserError as error:
        failures = [each for attempt in read_attempts(campaign) for each in attempt.failures]
        if not failures:
            raise
        points = sum(len(each.points) for each in failures)
        raise UserError(
            f"{campaign}: no records to read; {points} points failed, the first: {failures[0].error} "
            f"(spinodal status {campaign} --failed says more)"
        ) from error


def _found(
    campaign: Path, read: pl.DataFrame, patterns: Sequence[str], folder: Path, drawings: Drawings
) -> Report:
    records, given_up = without_diverged(campaign, read)
    moved = records.filter(FOLLOWED)
    branches = branches_of(moved)
    found = find_transitions(branches)
    compared = told_elsewhere(compare(found, moved), branches)
    groups = make_groups(moved, compared, unresolved(branches, found))
    shown = chosen(groups, patterns)
    folder.mkdir(exist_ok=True)
    for place in shown:
        group = groups[place]
        figure = drawings.add(
            folder / group.name.file, draw_curve, group.records, group.transitions, group.name
        )
        groups[place] = replace(group, figure=figure)
    compared.write_csv(folder / "transitions.csv")
    curves = [curve for group in groups for curve in group.curves]
    networks = make_grokking(records, folder, drawings)
    drawn = [curve for group in groups if group.figure for curve in group.curves]
    return Report(
        campaign,
        records,
        summarise(campaign, read),
        groups,
        folder / "transitions.csv",
        make_phase_diagrams(curves, folder, drawings),
        make_curvature_report(branches, compared, curves, drawn, folder, drawings),
        make_families(branches.filter(NOISELESS), compared, curves, folder, drawings),
        make_hysteresis_report(branches.filter(NOISELESS), _noiseless(groups), folder, drawings),
        make_holds(records, folder, drawings),
        make_noisy_loops(moved, folder, drawings),
        networks,
        make_times(networks, folder, drawings),
        unfinished(campaign, read),
        given_up,
        folder / "report.html",
    )


def _noiseless(groups: Sequence[Group]) -> list[Group]:
    return [group for group in groups if group.records.select(NOISELESS.all()).item()]


def _write(report: Report) -> None:
    summary, curves = report.summary, len(report.curves)
    about = (
        f"{summary.rows:,} states along {curves} {'curve' if curves == 1 else 'curves'}, 𝓛(θ) = E(θ) + λ‖θ‖²."
    )
    write_page(
        report.page,
        list(sections(report)),
        title=report.campaign.resolve().name,
        campaign=str(report.campaign),
        about=f"Phase transitions in L2-regularised deep networks: {about}",
        verdicts=report.verdicts,
        unfinished=f"{summary.points - summary.finished} of {summary.points}" if summary.running else "",
        files="Tables as CSV and figures as PDF and PNG lie beside this page.",
    )
