"""Survey: where E seems to jump on rows that are no evidence, and where exactly relaxed rows bear it out."""

from __future__ import annotations

from typing import Any

from spinodal.report.campaign import Campaign
from spinodal.report.numbers import number, span
from spinodal.report.section import Section, section
from spinodal.report.table import Cell, Group, Row, Table, columns

REFINE = "the same command with protocol.refine=3 relaxes exactly on both sides of each jump"


@section("survey", "What the survey suggests", "Survey", place=35)
def survey(campaign: Campaign) -> Section | None:
    """Return the places where E seems to jump in a survey, curve by curve."""
    found = campaign.found.survey
    groups = [
        Group(str(curve.name), [_row(row) for row in curve.of(found).iter_rows(named=True)], network.drawn)
        for network in campaign.networks
        for curve in network.curves
        if (curve.records["criterion"] == "flow").any()
    ]
    if not groups:
        return None
    exact = found["transition"].count()
    result = f"survey, no evidence: E seems to jump at {len(found)} places; relaxed exactly, it does at {exact} of them"
    notes = ["Rows of a survey are nearly at rest; whether they are minima was not looked at."]
    open_ = len(found) > exact
    if open_:
        notes.append(f"What they alone suggest is no evidence: {REFINE}.")
    header = columns("#", "λ between", "E", "accuracy", "seeds", "relaxed exactly")
    table = Table("Apparent jumps of E in the survey", header, groups, brief=True, empty="none")
    return Section(notes, tables=[table], results=[result], remarks=[REFINE] if open_ else [])


def _row(row: dict[str, Any]) -> Row:
    exact = row["transition"]
    return (
        "" if exact is None else str(exact),
        span(row["control_low"], row["control_high"], 4),
        f"{number(row['before'], 3)} → {number(row['after'], 3)}",
        f"{number(row['accuracy_before'], 3)} → {number(row['accuracy_after'], 3)}",
        f"{row['seeds']}/{row['seeds_all']}",
        Cell("not yet", "open") if exact is None else Cell("jumps", "good"),
    )
