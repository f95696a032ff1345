"""What is not settled: replicas given up, jobs without an end, rows that are no minima, steep stretches."""

from __future__ import annotations

import polars as pl

from spinodal.analysis import CURVE
from spinodal.report.campaign import Campaign
from spinodal.report.given_up import given_up_results
from spinodal.report.numbers import number, span
from spinodal.report.section import Section, section
from spinodal.report.table import Group, Table, columns
from spinodal.report.unsettled import KINDS, counted, unfinished, unrelaxed


@section("open", "What is not settled", "Open", place=140)
def unsettled(campaign: Campaign) -> Section:
    """Return what the campaign leaves open, and what continues it."""
    rows = campaign.found.branches
    counts = counted(rows)
    kinds = "; ".join(f"{kind}: {count:,}" for kind, count in counts.items())
    notes, remarks = [], []
    if len(rows):
        notes.append(f"Of {len(rows):,} rows: {kinds}." if counts else "Every row is a stationary minimum.")
        remarks.append(f"{len(rows)} rows; {kinds or 'all are stationary minima'}")
    if counts.keys() & {"not stationary", "saddles", "only surveyed"}:
        remarks.append(
            "what is not stationary, a saddle, or only surveyed is drawn hollow and is no evidence for a transition"
        )
    results = given_up_results(campaign.given_up, campaign.summary.points)
    notes += [f"{each}." for each in results]
    remarks += [f"{each}; spinodal status {campaign.folder} --failed says why" for each in results]
    stopped = unfinished(campaign.folder, campaign.read)
    if stopped.is_empty():
        notes.append("Every point has come to its end.")
    else:
        notes.append("The commands below, given again, continue what is not finished.")
    if campaign.summary.running:
        left = campaign.summary.points - campaign.summary.finished
        remarks.append(f"{left} of {campaign.summary.points} points are not finished")
    for network in campaign.drawn:
        for curve in network.curves:
            if len(curve.unresolved):
                steep = ", ".join(
                    span(*ends) for ends in curve.unresolved.select("control_low", "control_high").rows()
                )
                remarks.append(
                    f"{curve.name}: E moves steeply in λ {steep}; only a finer grid shows whether it jumps."
                )
    tables = [_given_up(campaign.given_up), _unfinished(stopped), _unrelaxed(campaign), _unresolved(campaign)]
    return Section(notes, tables=tables, results=results, remarks=remarks)


def _given_up(table: pl.DataFrame) -> Table:
    rows = [
        (
            row["point"],
            "?" if row["seed"] is None else str(row["seed"]),
            number(row["control_value"]) or "?",
            row["why"],
        )
        for row in table.iter_rows(named=True)
    ]
    header = columns("point", "seed", "λ", "why", words=1)
    return Table("Replicas that diverged or failed", header, [Group("", rows)])


def _unfinished(table: pl.DataFrame) -> Table:
    rows = []
    for row in table.iter_rows(named=True):
        stages = "none recorded" if row["stages"] is None else f"{row['stages']} of {row['of'] or '?'}"
        rows.append(
            (
                row["job"] or "?",
                str(row["points"]),
                str(row["finished"]),
                stages,
                number(row["control_value"]),
            )
        )
    header = columns("job", "points", "finished", "stages done", "λ it has come to", words=1)
    return Table("Jobs that are running, were stopped, or have failed", header, [Group("", rows)])


def _unrelaxed(campaign: Campaign) -> Table:
    names = {curve.identity: str(curve.name) for curve in campaign.curves}
    rows = []
    for row in unrelaxed(campaign.found.branches).iter_rows(named=True):
        counts = [str(row[kind]) if row[kind] else "" for kind in KINDS]
        where, worst = span(row["control_low"], row["control_high"]), number(row["grad_max"], 2)
        name = names[tuple(row[each] for each in CURVE)]
        rows.append((name, *counts, str(row["rows"]), where, worst))
    short = ("not stationary", "saddles", "surveyed", "not looked at")
    header = columns("curve", *short, "of rows", "λ of the first three", "max |∇𝓛|", words=1)
    caption = "Rows that are not stationary, saddles, only surveyed, or not looked at whether they are minima"
    return Table(caption, header, [Group("", rows)])


def _unresolved(campaign: Campaign) -> Table:
    rows = [
        (str(curve.name), span(low, high, 5))
        for curve in campaign.curves
        for low, high in curve.unresolved.select("control_low", "control_high").rows()
    ]
    caption = "E moves steeply here; only a finer grid shows whether it jumps"
    return Table(caption, columns("curve", "λ", words=1), [Group("", rows)])
