"""The report of a campaign on W&B, in one run: curves with their bands, comparison, figures, verdicts."""

from __future__ import annotations

from typing import Any

import polars as pl
import wandb

from spinodal.records import COLUMNS
from spinodal.report.page import Picture
from spinodal.report.report import Report
from spinodal.tracking.curves import curves_of
from spinodal.tracking.rebuild import logging_of
from spinodal.tracking.runs import Run, identity
from spinodal.tracking.session import Mode, Session


def publish(report: Report) -> str:
    """Log the report of a campaign on W&B, where its jobs logged; once more, it takes its own place.

    Args:
        report: As `make_report` returns it.

    Returns:
        Where it is, for people.
    """
    folder = report.campaign.folder
    logging = logging_of(folder)
    mode: Mode = "online" if logging.get("mode") == "online" else "offline"
    remarks: list[str] = []
    project = logging.get("project") or "spinodal"
    session = Session(folder, project, logging.get("entity"), mode, remarks.append)
    run = report_run(report)
    opened = session.open(run)
    opened.log(run)
    opened.opened.log(_media(report))
    opened.close(run, "finished")
    session.settle()
    return "\n".join([*remarks, f"W&B: {run.name}: {session.where}"])


def report_run(report: Report) -> Run:
    """Return what is logged in numbers.

    Args:
        report: As `make_report` returns it.
    """
    campaign, curves, summary = report.campaign.name, report.campaign.curves, report.campaign.summary
    return Run(
        id=f"report-{identity(campaign)}",
        name=f"report of {campaign}",
        group=campaign,
        job_type="report",
        tags=("report",),
        config={
            "campaign": campaign,
            "curves": {curve.name.file: str(curve.name) for curve in curves},
            "strengths": {curve.name.file: curve.strengths for curve in curves},
            **summary.provenance,
        },
        history=curves_of(report),
        summary={
            "verdicts": "; ".join(report.results),
            "complete": not summary.running,
            "points": summary.points,
            "finished_points": summary.finished,
            "rows": summary.rows,
        },
        complete=True,
    )


def _media(report: Report) -> dict[str, Any]:
    """Every table and figure there is on the page, and the page itself."""
    tables = {path.stem: pl.read_csv(path) for path in report.csvs}
    tables["comparison"] = tables.pop("transitions")
    pictures: dict[str, list[wandb.Image]] = {}
    for section, picture in report.pictures:
        pictures.setdefault("phases" if section == "phases" else "figures", []).append(_image(picture))
    return {
        **{name: _table(rows) for name, rows in tables.items() if len(rows)},
        "columns": wandb.Table(
            columns=["column", "unit", "meaning"],
            data=[[column.name, column.unit, column.meaning] for column in COLUMNS],
        ),
        **pictures,
        "page": wandb.Html(report.page.read_text(encoding="utf-8"), inject=False),
    }


def _image(picture: Picture) -> wandb.Image:
    return wandb.Image(
        f"{picture.path}.png", caption=" ".join(filter(None, (picture.title, picture.caption)))
    )


def _table(rows: pl.DataFrame) -> wandb.Table:
    return wandb.Table(columns=list[str | int](rows.columns), data=[list(row) for row in rows.iter_rows()])
