"""The report of a campaign on W&B, in one run: curves with their bands, comparison, figures, verdicts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import wandb

from spinodal.records import COLUMNS
from spinodal.report.campaign import Report
from spinodal.tracking.rebuild import logging_of
from spinodal.tracking.runs import Run, identity, means
from spinodal.tracking.session import Mode, Session

DRAWN = ("error", "accuracy", "norm", "scalar_curvature", "soft_mode")
"""Columns whose means are logged for each curve, with the band of their standard errors."""


def publish(report: Report) -> str:
    """Tell the report of a campaign on W&B, where its jobs were told to log; once more, it takes its own place.

    Args:
        report: As `make_report` returns it.

    Returns:
        Where it is, for people.
    """
    logging = logging_of(report.campaign)
    mode: Mode = "online" if logging.get("mode") == "online" else "offline"
    said: list[str] = []
    session = Session(
        report.campaign, logging.get("project") or "spinodal", logging.get("entity"), mode, said.append
    )
    run = report_run(report)
    opened = session.open(run)
    opened.log(run)
    opened.opened.log(_media(report))
    opened.close(run, "finished")
    session.settle()
    return "\n".join([*said, f"W&B: {run.name}: {session.where}"])


def report_run(report: Report) -> Run:
    """What is told in numbers.

    Args:
        report: As `make_report` returns it.
    """
    campaign = report.campaign.resolve().name
    rows: Mapping[Any, dict[str, Any]] = defaultdict(dict)
    for curve in report.curves:
        for row in means(curve.records.sort("l2")).iter_rows(named=True):
            rows[row["l2"]] |= {"l2": row["l2"]} | _bands(curve.name.file, row)
    summary = report.summary
    return Run(
        id=f"report-{identity(campaign)}",
        name=f"report of {campaign}",
        group=campaign,
        job_type="report",
        tags=("report",),
        config={
            "campaign": campaign,
            "curves": {curve.name.file: str(curve.name) for curve in report.curves},
            "strengths": {curve.name.file: curve.strengths for curve in report.curves},
            **summary.provenance,
        },
        history={l2: [rows[l2]] for l2 in sorted(rows)},
        summary={
            "verdicts": "; ".join(report.verdicts),
            "complete": not summary.running,
            "points": summary.points,
            "finished_points": summary.finished,
            "rows": summary.rows,
        },
        complete=True,
    )


def _bands(curve: str, row: Mapping[str, Any]) -> dict[str, float]:
    told = {}
    for name in DRAWN:
        mean, error = row[name], row[f"{name}_se"]
        if mean is not None:
            told[f"{name}/{curve}"] = mean
        if mean is not None and error is not None:
            told |= {f"{name}/{curve}_low": mean - error, f"{name}/{curve}_high": mean + error}
    return told


def _media(report: Report) -> dict[str, Any]:
    drawn = {str(group.name): group.figure for group in report.groups if group.figure}
    drawn |= {each.name: each.figure for each in report.told_apart if each.figure}
    phases = {diagram.title: diagram.figure for diagram in report.phases if diagram.figure}
    return {
        "comparison": _table(pl.read_csv(report.csv)),
        "columns": wandb.Table(
            columns=["column", "unit", "meaning"],
            data=[[column.name, column.unit, column.meaning] for column in COLUMNS],
        ),
        "figures": [_image(figure, title) for title, figure in drawn.items()],
        "page": wandb.Html(report.page.read_text(encoding="utf-8"), inject=False),
    } | ({"phases": [_image(figure, title) for title, figure in phases.items()]} if phases else {})


def _image(figure: Path, title: str) -> wandb.Image:
    return wandb.Image(f"{figure}.png", caption=title)


def _table(rows: pl.DataFrame) -> wandb.Table:
    return wandb.Table(columns=list[str | int](rows.columns), data=[list(row) for row in rows.iter_rows()])
