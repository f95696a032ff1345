"""What is not settled: replicas and jobs without an end, rows that are no minima, steep stretches."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from spinodal.analysis import CURVE, evidence, surveyed
from spinodal.report.campaign import Campaign
from spinodal.report.cells import Cells, Record, between, tabulate, text, value
from spinodal.report.given_up import given_up_results
from spinodal.report.numbers import number
from spinodal.report.section import Section, section
from spinodal.report.table import Group

_RELAXED = pl.col("stationary").fill_null(False)

KINDS = {
    "not stationary": ~_RELAXED,
    "saddles": _RELAXED & ~pl.col("minimum").fill_null(True),
    "only surveyed": _RELAXED & surveyed(),
    "stationary, not looked at whether minima": _RELAXED & pl.col("minimum").is_null() & ~surveyed(),
}
"""Rows of which more could be known; the first three are no evidence."""

SHORT = ("not stationary", "saddles", "surveyed", "not looked at")
"""Of the same, above columns."""


@section("open", "What is not settled", "Open", place=140)
def unsettled(campaign: Campaign) -> Section:
    """Return what the campaign leaves open, and what continues it."""
    rows, summary, given_up = campaign.found.branches, campaign.summary, campaign.given_up
    counts = rows.select(which.sum().alias(kind) for kind, which in KINDS.items()).row(0, named=True)
    counts = {kind: count for kind, count in counts.items() if count}
    kinds = "; ".join(f"{kind}: {count:,}" for kind, count in counts.items())
    notes, remarks = [], []
    if len(rows):
        notes.append(f"Of {len(rows):,} rows: {kinds}." if counts else "Every row is a stationary minimum.")
        remarks.append(f"{len(rows)} rows; {kinds or 'all are stationary minima'}")
    if counts.keys() & {"not stationary", "saddles", "only surveyed"}:
        remarks.append(
            "what is not stationary, a saddle, or only surveyed is drawn hollow and is no evidence for a transition"
        )
    results = given_up_results(given_up, summary.points)
    notes += [f"{each}." for each in results]
    remarks += [f"{each}; spinodal status {campaign.folder} --failed says why" for each in results]
    stopped = unfinished(campaign.folder, campaign.read)
    notes.append(
        "Every point has come to its end."
        if stopped.is_empty()
        else "The commands below, given again, continue what is not finished."
    )
    if summary.running:
        remarks.append(f"{summary.points - summary.finished} of {summary.points} points are not finished")
    steep = [
        row | {"curve": curve.name, "drawn": curve.drawn}
        for curve in campaign.curves
        for row in curve.unresolved.iter_rows(named=True)
    ]
    for name in dict.fromkeys(row["curve"] for row in steep if row["drawn"]):
        where = ", ".join(str(between()(row)) for row in steep if row["curve"] == name)
        remarks.append(f"{name}: E moves steeply in λ {where}; only a finer grid shows whether it jumps.")
    names = {curve.identity: curve.name for curve in campaign.curves}
    hollow = [
        row | {"name": names[tuple(row[each] for each in CURVE)]}
        for row in unrelaxed(rows).iter_rows(named=True)
    ]
    tables = [
        tabulate(caption, cells, [Group("", each)], words=1)
        for caption, cells, each in (
            ("Replicas that diverged or failed", GIVEN_UP, given_up.rows(named=True)),
            ("Jobs that are running, were stopped, or have failed", STOPPED, stopped.rows(named=True)),
            (
                "Rows that are not stationary, saddles, only surveyed, or not looked at whether they are minima",
                UNRELAXED,
                hollow,
            ),
            ("E moves steeply here; only a finer grid shows whether it jumps", STEEP, steep),
        )
    ]
    return Section(notes, tables=tables, results=results, remarks=remarks)


def _stages(row: Record) -> str:
    return "none recorded" if row["stages"] is None else f"{row['stages']} of {row['of'] or '?'}"


GIVEN_UP: Cells = (
    ("point", text("point")),
    ("seed", lambda row: "?" if row["seed"] is None else str(row["seed"])),
    ("λ", lambda row: number(row["control_value"]) or "?"),
    ("why", text("why")),
)
STOPPED: Cells = (
    ("job", lambda row: row["job"] or "?"),
    ("points", text("points")),
    ("finished", text("finished")),
    ("stages done", _stages),
    ("λ it has come to", value("control_value")),
)
UNRELAXED: Cells = (
    ("curve", text("name")),
    *((short, lambda row, kind=kind: str(row[kind] or "")) for short, kind in zip(SHORT, KINDS, strict=True)),
    ("of rows", text("rows")),
    ("λ of the first three", between()),
    ("max |∇𝓛|", value("grad_max", 2)),
)
STEEP: Cells = (
    ("curve", text("curve")),
    ("λ", between(digits=5)),
)


def unrelaxed(records: pl.DataFrame) -> pl.DataFrame:
    """Return which curves have such rows.

    Args:
        records: Of the campaign.

    Returns:
        A row per curve that has any: the columns of `CURVE`, a count for each of `KINDS`, all `rows`, and of
        those that are no evidence `control_low`, `control_high` and the largest `grad_max`.
    """
    control = pl.col("control_value").filter(~evidence())
    table = records.group_by(CURVE).agg(
        *(which.sum().alias(kind) for kind, which in KINDS.items()),
        pl.len().alias("rows"),
        control_low=control.min(),
        control_high=control.max(),
        grad_max=pl.col("grad_max").filter(~evidence()).max(),
    )
    return table.filter(pl.any_horizontal(pl.col(kind) > 0 for kind in KINDS)).sort(CURVE)


def unfinished(campaign: Path, records: pl.DataFrame) -> pl.DataFrame:
    """Return which jobs have points that lack stages, or have recorded nothing at all.

    They are running, or were stopped, or have failed: the records do not tell.

    Args:
        campaign: Its folder.
        records: Its rows.

    Returns:
        A row per such job: `job`, its `points` so far, how many of them are `finished`, how many `stages` the
        last of the others has done, `of` how many (null until it is known) and the `control_value` it has come to.
    """
    last = pl.col("control_value").last()
    points = (
        records.sort("stage")
        .group_by("job", "point")
        .agg(done=pl.col("stage").n_unique(), of=pl.col("stages").max(), control_value=last)
    )
    whole = (pl.col("done") >= pl.col("of")).fill_null(False)
    jobs = points.group_by("job").agg(
        points=pl.len(),
        finished=whole.sum(),
        stages=pl.col("done").filter(~whole).min(),
        of=pl.col("of").filter(~whole).max(),
        control_value=pl.col("control_value").filter(~whole).first(),
    )
    started, recorded = (
        {path.stem for path in (campaign / "records").glob(f"*.{suffix}")} for suffix in ("yaml", "parquet")
    )
    silent = pl.DataFrame({"job": sorted(started - recorded)}, schema={"job": pl.String})
    none = pl.lit(0, pl.UInt32)
    silent = silent.with_columns(points=none, finished=none)
    return pl.concat([jobs.filter(pl.col("finished") < pl.col("points")), silent], how="diagonal").sort("job")
