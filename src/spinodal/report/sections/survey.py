"""Survey: where E seems to jump on rows that are no evidence, and where exactly relaxed rows bear it out."""

from __future__ import annotations

from typing import Any

import polars as pl

from spinodal.report.campaign import Campaign
from spinodal.report.networks import Curve
from spinodal.report.numbers import number, span
from spinodal.report.page import Picture
from spinodal.report.section import Section, section
from spinodal.report.survey_figure import draw_survey
from spinodal.report.table import Cell, Group, Row, Table, columns

REFINE = "the same command with protocol.refine=3 relaxes exactly on both sides of each jump"


@section("survey", "What the survey suggests", "Survey", place=35)
def survey(campaign: Campaign) -> Section | None:
    """Return the places where E seems to jump in a survey, or the rank changes, curve by curve."""
    found = campaign.found.survey
    surveyed = [
        (curve, network.drawn)
        for network in campaign.networks
        for curve in network.curves
        if (curve.records["criterion"] == "flow").any()
    ]
    if not surveyed:
        return None
    open_ = found["transition"].null_count() > 0
    notes = [
        "Nothing here is evidence: rows of a survey are nearly at rest, and whether they are minima was not looked at."
    ]
    if open_:
        notes.append(f"What they suggest is to be tested: {REFINE}.")
    groups = [
        Group(str(curve.name), [_row(row) for row in curve.of(found).iter_rows(named=True)], drawn)
        for curve, drawn in surveyed
    ]
    header = columns("λ between", "E", "accuracy", "rank", "seeds", "jump of E")
    table = Table("Where the survey suggests a transition", header, groups, brief=True, empty="none")
    pictures = [_picture(campaign, curve, curve.of(found)) for curve, drawn in surveyed if drawn]
    result = f"survey, no evidence: {suggested(found)}"
    return Section(notes, pictures, [table], [result], [REFINE] if open_ else [])


def suggested(places: pl.DataFrame) -> str:
    """Return what a survey suggests, in words.

    Args:
        places: As `Findings.survey`.
    """
    jumps = places.filter("jumps")
    by_one = jumps.filter(pl.col("rank_before") - pl.col("rank_after") == 1).height
    words = f"E seems to jump at {len(jumps)} places, and rank falls by one at {by_one} of them"
    if others := len(places) - len(jumps):
        words += f"; rank changes at {others} more, where a finer grid decides whether E jumps"
    return f"{words}; exactly relaxed rows show {places['transition'].count() or 'none'} of these"


def _picture(campaign: Campaign, curve: Curve, places: pl.DataFrame) -> Picture:
    words = suggested(places)
    return campaign.picture(
        campaign.draw(f"{curve.name.file}-survey", draw_survey, curve.records, places),
        alt=f"E and the rank of the outputs against λ for {curve.name}, no evidence: {words}",
        title=f"{curve.name}.",
        caption=f"No evidence: {words}.",
        curves=[curve],
    )


def _row(row: dict[str, Any]) -> Row:
    exact, suggestion = row["transition"], "apparent" if row["jumps"] else "not on this grid"
    return (
        span(row["control_low"], row["control_high"], 4),
        *(_sides(row, name) for name in ("", "accuracy_", "rank_")),
        f"{row['seeds']}/{row['seeds_all']}",
        Cell(suggestion, "open") if exact is None else Cell(f"relaxed exactly, # {exact}", "good"),
    )


def _sides(row: dict[str, Any], name: str) -> str:
    before, after = row[f"{name}before"], row[f"{name}after"]
    return "" if before is None or after is None else f"{number(before, 3)} → {number(after, 3)}"
