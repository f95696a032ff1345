"""The sections of the page, each from what was found."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from spinodal.analysis.elsewhere import ELSEWHERE
from spinodal.report.commands import again, launches
from spinodal.report.curvature_section import curvature_section, foresight_section
from spinodal.report.dependence import dependence_section
from spinodal.report.escape_section import escape_section
from spinodal.report.given_up import given_up_sheet, given_up_told
from spinodal.report.grokking_section import grokking_section
from spinodal.report.groups import Group, jobs
from spinodal.report.hysteresis_section import hysteresis_section
from spinodal.report.page import Picture, Section, capitalised
from spinodal.report.report import Report
from spinodal.report.sheet import listed, transition_sheet, verdicts
from spinodal.report.summary import Summary, axes_sheet
from spinodal.report.thermal import noisy_loops_section
from spinodal.report.unsettled import counted, unrelaxed
from spinodal.report.unsettled_sheet import unfinished_sheet, unrelaxed_sheet, unresolved_sheet


def sections(report: Report) -> Iterator[Section]:
    """All that the campaign has something to say in, in the order of reading.

    Args:
        report: Of the campaign.
    """
    yield _run(report.summary)
    if report.phases:
        yield _phases(report)
    if report.groups:
        yield _branches(report)
    if report.families:
        yield dependence_section(report.families, report.campaign)
    if report.hysteresis is not None:
        yield hysteresis_section(report.hysteresis, report.campaign)
    if report.curvature is not None:
        yield curvature_section(report.curvature, report.campaign)
        if report.curvature.foresight is not None:
            yield foresight_section(report.curvature, report.curvature.foresight)
    if report.groups:
        yield _comparison(report)
    if report.holds:
        yield escape_section(report.holds, report.campaign)
    if report.noisy_loops:
        yield noisy_loops_section(report.noisy_loops)
    if report.grokking:
        yield grokking_section(report.grokking, report.grokking_times, report.campaign)
    yield _open(report)
    yield _commands(report.campaign)


def _run(summary: Summary) -> Section:
    counts = f"{summary.rows:,} rows, {summary.points:,} points, {summary.jobs:,} jobs"
    if summary.running:
        counts += f"; {summary.finished:,} points finished"
    facts = {"size": counts}
    if summary.first:
        ends = {summary.first, summary.last or summary.first}
        facts["records written"] = " to ".join(sorted(ends)) + " UTC"
    if summary.wall_time:
        facts["computed for"] = summary.wall_time
    sheets = [axes_sheet("What varies", summary.varied), axes_sheet("What does not", summary.fixed)]
    return Section("run", "Run", "What was run", facts=facts | summary.provenance, sheets=sheets)


def _phases(report: Report) -> Section:
    drawn = [(diagram, diagram.figure) for diagram in report.phases if diagram.figure]
    notes = [
        "Which phase each λ leads to: how many features are learned, mean over seeds, rounded. Lines are the exact "
        "spinodals of the strengths measured on the data, where theory applies."
    ]
    if len(drawn) < len(report.phases):
        notes.append(f"{len(drawn)} of {len(report.phases)} networks are drawn, some of every family.")
    pictures = [
        Picture(
            figure,
            alt=f"Learned features over λ and complexity for {diagram.title}. "
            + "; ".join(
                f"K = {curve.records['complexity'][0]}: transitions at λ = {_places(curve.transitions) or 'none'}"
                for curve in diagram.curves
            ),
            caption="",
            title=f"{diagram.title}.",
            commands=again(report.campaign, jobs(diagram.curves)),
        )
        for diagram, figure in drawn
    ]
    return Section("phases", "Phase diagram", "Phase diagram", notes, pictures=pictures)


def _branches(report: Report) -> Section:
    drawn = [group for group in report.groups if group.figure]
    notes = [
        "Every point is a minimum of 𝓛 at which a network came to rest; hollow points did not, and are no evidence. "
        "A band is the bracket of a transition, the fainter the fewer seeds show it."
    ]
    if len(drawn) < len(report.groups):
        notes.append(
            f"{len(drawn)} of {len(report.groups)} networks are drawn, some of every family; the others are in the "
            f"tables all the same. Any of them: {report_command(report.campaign)} --curve '*name*'."
        )
    return Section(
        "branches", "Branches", "Branches", notes, pictures=[_branch(report.campaign, each) for each in drawn]
    )


def _branch(campaign: Path, group: Group) -> Picture:
    assert group.figure is not None
    strengths = next((curve.strengths for curve in group.curves if curve.strengths), [])
    return Picture(
        group.figure,
        alt=f"E, accuracy and ‖θ‖² against λ for {group.name}. {_told(group)}",
        title=f"{group.name.data}; {group.name.model}.",
        caption=_told(group) + (f" Strengths {listed(strengths)}." if strengths else ""),
        commands=again(campaign, jobs(group.curves)),
    )


def _told(group: Group) -> str:
    """Where the transitions are, in words."""
    parts = []
    for curve in group.curves:
        where = curve.name.branch or "this curve"
        kinks = pl.col("order").fill_null(1) == 2
        told = [
            f"{verb} at λ = {found}"
            for verb, kind in (("jumps", ~kinks), ("has a kink", kinks))
            if (found := _places(curve.transitions.filter(kind)))
        ]
        parts.append(f"{where} " + (" and ".join(told) or "shows no transition"))
    return capitalised("; ".join(parts)) + "."


def _places(transitions: pl.DataFrame) -> str:
    """λ of those that were found."""
    found = transitions.drop_nulls("location").sort("location")
    return ", ".join(f"{at:.4g}" for at in found["location"])


def _comparison(report: Report) -> Section:
    notes = [capitalised("; ".join(verdicts(report.groups))) + "."]
    curves = [curve for group in report.groups for curve in group.curves]
    status = {status for curve in curves for status in curve.transitions["status"]}
    if status & ELSEWHERE.keys():
        notes.append(
            "Where it is noise that ends a phase, theory predicts the place from the noise: on the way down of a loop, "
            "and in loops under noise. These are compared in sections of their own, which the verdicts lead to."
        )
    if status & {"matched", "missing", "unexpected"}:
        notes.append(
            "λ predicted is the exact spinodal of a deep linear network (at depth 2 the λ at which a feature reaches "
            "zero, c/2) with the strengths and variances measured on its data. Deviations are of the measured λ from "
            "it, in per cent and in units of the error of measurement."
        )
    if any(curve.transitions["l2_estimate"].is_not_null().any() for curve in curves):
        notes.append(
            "≈ is an estimate from the same formula: these inputs are not whitened along the features, so that it is "
            "not exact. Within 25 % counts as near. Of other networks than deep linear ones it says nothing."
        )
    if any(curve.transitions["unrelaxed"].sum() for curve in curves):
        notes.append("* Rows that did not relax lie in between: the nearest ones that did make the bracket.")
    return Section(
        "comparison", "Comparison", "Predicted and measured", notes, sheets=[transition_sheet(report.groups)]
    )


def _open(report: Report) -> Section:
    curves = [curve for group in report.groups for curve in group.curves]
    sheets = [
        given_up_sheet(report.given_up),
        unfinished_sheet(report.unfinished),
        unrelaxed_sheet(unrelaxed(report.followed), curves),
        unresolved_sheet(curves),
    ]
    counts = counted(report.followed)
    kinds = "; ".join(f"{kind}: {count:,}" for kind, count in counts.items())
    rows = f"Of {len(report.followed):,} rows: {kinds}." if counts else "Every row is a stationary minimum."
    notes = [] if report.followed.is_empty() else [rows]
    notes += [f"{told}." for told in given_up_told(report.given_up, report.summary.points)]
    if report.unfinished.is_empty():
        notes.append("Every point has come to its end.")
    else:
        notes.append("The commands below, given again, continue what is not finished.")
    return Section("open", "Open", "What is not settled", notes, sheets=sheets)


def _commands(campaign: Path) -> Section:
    commands: list[tuple[str, Sequence[str]]] = []
    given = launches(campaign)
    if given:
        lines = [line for launch in given for line in (f"# {launch.when}", launch.command)]
        commands.append(("What was run:", lines))
    commands.append(("All figures and tables of this page, from the records:", [report_command(campaign)]))
    notes = [
        "Below each figure stands what computes the same points again, from the configuration in its records."
    ]
    return Section("commands", "Commands", "Commands", notes, commands=commands)


def report_command(campaign: Path) -> str:
    """What makes the page again."""
    return shlex.join(["spinodal", "report", str(campaign)])
