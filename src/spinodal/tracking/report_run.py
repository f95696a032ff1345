"""The run of a campaign's report, made from the records and the folder of the report as it lies there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import wandb

from spinodal.analysis import CURVE, held
from spinodal.analysis.curves import own_observables
from spinodal.analysis.escape import start_of
from spinodal.analysis.findings import Findings, Kept
from spinodal.campaign import control
from spinodal.records import COLUMNS
from spinodal.tracking.jobs import Job, jobs_of
from spinodal.tracking.metrics import HELD, TRAINED, finite, survival
from spinodal.tracking.naming import curve_name
from spinodal.tracking.runs import CurveRun, History, Run, curve_runs, identity
from spinodal.tracking.session import Session

DRAWN = ("error", "accuracy", "test_accuracy", "norm", "scalar_curvature", "soft_mode")
"""Columns whose means are logged for each curve, with the band of their standard errors; besides, a user's own."""

HOLD = ("batch", "start_phase", "control_value", "time_step")
"""What else is the same for all replicas of one phase that are held under the same noise."""

ENDINGS = ("", "_low", "_high", "_exact")
"""Of a mean escape time: by maximum likelihood, its 95 % interval, and Kramers' where theory knows it."""


class ReportRun(Run):
    """What was found in a campaign.

    Args:
        rows: All of its records.
        jobs: Of the campaign, by name.
        folder: Of the report.
    """

    job_type, along = "report", True

    def __init__(self, rows: pl.DataFrame, jobs: Mapping[str, Job], folder: Path) -> None:
        job = next((each for each in jobs.values() if each.mirrored), next(iter(jobs.values())))
        super().__init__(rows, job, True)
        self.jobs, self.folder, self.tags = jobs, folder, ("report",)
        kept = next((each for each in (folder / "findings").glob("*") if each.is_dir()), None)
        self.found = Findings(rows, Kept(kept.parent, kept.name) if kept else None)
        campaign = self.first["campaign"] or ""
        self.id, self.name = f"report-{identity(campaign)}", f"report of {campaign}"

    @cached_property
    def config(self) -> dict[str, Any]:
        """What curves there are, and where the report lies."""
        known = {name: self.first[name] for name in ("campaign", "commit", "version")}
        curves = sorted({run.config["curve_name"] for run in self._curves})
        return known | {"curves": curves, "origin": {"folder": str(self.folder.resolve())}}

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Verdicts on claims."""
        verdicts = {f"verdicts/{each.claim}, {each.case}": each.decision for each in self.found.verdicts}
        return {"points": len(self.points), "transitions/count": len(self.found.transitions), **verdicts}

    @cached_property
    def history(self) -> History:
        """Every curve against its own axis, with its band."""
        rows: dict[Any, dict[str, Any]] = {}

        def add(axis: str, place: float, values: Mapping[str, Any]) -> None:
            rows.setdefault((axis, place), {axis: place}).update(finite(values))

        drawn = (*DRAWN, *own_observables(self.rows))
        for run in self._curves:
            for (value, *_), (row, *_) in run.history.items():
                axis, place = next(iter(row.items()))
                if axis == HELD:
                    continue
                at = f" {control.symbol(run.first)}={value:g}" if axis == TRAINED else ""
                add(axis, place, _bands(run.config["curve_name"] + at, row, drawn))
        for row in self.found.escape_times.iter_rows(named=True):
            axis = "temperature" if row["batch"] is None else "batch"
            name = self._hold({**row, "temperature": None, "batch": None})
            add(axis, row[axis], {f"mean_time/{name}{end}": row[f"mean_time{end}"] for end in ENDINGS})
        left = {}
        for hold in held(self.rows).partition_by(*CURVE, *HOLD, maintain_order=True):
            name = f"survival/{self._hold(hold.row(0, named=True))}"
            left[name] = survival(hold, name)
        return {place: [rows[place]] for place in sorted(rows)} | left

    @property
    def media(self) -> dict[str, Any]:
        """Every table of the findings, every figure there is, and the page."""
        found: dict[str, Any] = {}
        for name in Findings.tables:
            if name not in Findings.inner and len(table := getattr(self.found, name)):
                found[name] = _table(table.columns, table.rows())
        found["columns"] = _table(
            ("column", "unit", "meaning"), [(c.name, c.unit, c.meaning) for c in COLUMNS]
        )
        figures = [wandb.Image(str(file), caption=file.stem) for file in sorted(self.folder.glob("*.png"))]
        page = self.folder / "report.html"
        found |= {"figures": figures} if figures else {}
        return found | ({"page": wandb.Html(page.read_text("utf-8"), inject=False)} if page.exists() else {})

    @cached_property
    def _curves(self) -> list[CurveRun]:
        """Means over all jobs of each curve."""
        curves = self.found.records.partition_by(*CURVE, "batch", maintain_order=True)
        return [
            run
            for rows in curves
            for run in curve_runs(rows.sort("control_value"), self._job(rows["job"][0]))
        ]

    def _job(self, name: str) -> Job:
        return self.jobs.get(name, self.job)

    def _hold(self, row: Mapping[str, Any]) -> str:
        """Name what replicas are held in, where, and under which noise."""
        name = curve_name(row, self.job.configuration, self.job.origin.sweeps)
        return f"{name} {control.symbol(row)}={row['control_value']:g} {start_of(row)}"


def report_run(campaign: Path) -> ReportRun:
    """Return the run of the report of a campaign."""
    jobs, tables = zip(*jobs_of(campaign), strict=True)
    return ReportRun(pl.concat(tables), {job.name: job for job in jobs}, campaign / "report")


def publish(campaign: Path) -> str:
    """Log the report of a campaign on W&B, where its jobs logged; once more, it takes its own place.

    Returns:
        Where it is, for people.
    """
    run, remarks = report_run(campaign), list[str]()
    session = Session(campaign, *run.job.where, run.job.online, remarks.append)
    session.write(run)
    return "\n".join([*remarks, f"W&B: {run.name}: {session.where}"])


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> wandb.Table:
    return wandb.Table(columns=list[str | int](columns), data=[list(row) for row in rows])


def _bands(curve: str, row: Mapping[str, Any], columns: Sequence[str]) -> dict[str, float]:
    told: dict[str, float] = {}
    for name in (each for each in columns if each in row):
        mean, error = row[name], row.get(f"{name}_se", math.nan)
        told |= {
            f"{name}/{curve}": mean,
            f"{name}/{curve}_low": mean - error,
            f"{name}/{curve}_high": mean + error,
        }
    return told
