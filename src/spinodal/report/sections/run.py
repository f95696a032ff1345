"""What was run: the grid, how much of it there is, with what it was computed and how long it took."""

from __future__ import annotations

from spinodal.report.campaign import Campaign
from spinodal.report.section import Section, section
from spinodal.report.table import Group, Table, columns


@section("run", "What was run", "Run", place=10)
def run(campaign: Campaign) -> Section:
    """Return the axes of the grid, and where the records come from."""
    summary = campaign.summary
    counts = f"{summary.rows:,} rows, {summary.points:,} points, {summary.jobs:,} jobs"
    if summary.running:
        counts += f"; {summary.finished:,} points finished"
    facts = {"size": counts, "records written": summary.written, "computed for": summary.wall_time}
    facts = {name: text for name, text in facts.items() if text} | summary.provenance
    header = columns("key", "values", "meaning", words=3)
    tables = [
        Table(caption, header, [Group("", [(axis.name, axis.values, axis.meaning) for axis in axes])])
        for caption, axes in (("What varies", summary.varied), ("What does not", summary.fixed))
    ]
    return Section(tables=tables, facts=facts)
