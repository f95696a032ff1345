"""The curves of a report: means with their bands, against λ, against steps, and of escape times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from spinodal.analysis import CURVE, trained
from spinodal.campaign import control
from spinodal.report.names import curve_names
from spinodal.report.report import Report
from spinodal.report.sections.escape import Hold, holds
from spinodal.tracking.runs import TRAINED, History, finite, means
from spinodal.tracking.survival import survival

DRAWN = ("error", "accuracy", "norm", "scalar_curvature", "soft_mode")
"""Columns whose means are logged for each curve, with the band of their standard errors."""

Point = tuple[str, float, dict[str, float]]
"""Axis, place on it, and what is there."""


def curves_of(report: Report) -> History:
    """Return every curve of a report, each drawn against its own axis.

    Args:
        report: As `make_report` returns it.
    """
    rows: Mapping[tuple[str, float], dict[str, Any]] = defaultdict(dict)
    held = holds(report.found)
    for axis, place, values in [*_along_branches(report), *_along_trainings(report), *_mean_times(held)]:
        rows[axis, place] |= {axis: place} | values
    history: dict[Any, list[dict[str, Any]]] = {where: [rows[where]] for where in sorted(rows)}
    for hold in held:
        for strength, replicas in _strengths(hold):
            name = f"survival/{hold.file} {strength}"
            history[name] = survival(replicas, name)
    return history


def _along_branches(report: Report) -> Iterator[Point]:
    for curve in report.campaign.curves:
        axis = control.name(curve.records.row(0, named=True))
        for row in means(curve.records.sort("control_value")).iter_rows(named=True):
            yield axis, row["control_value"], _bands(curve.name.file, row, DRAWN)


def _along_trainings(report: Report) -> Iterator[Point]:
    for network in trained(report.found.records).partition_by(CURVE, maintain_order=True):
        name = curve_names(network.select(CURVE).head(1))[0].file
        for (value,), rows in network.partition_by("control_value", as_dict=True).items():
            for row in means(rows.sort(TRAINED)).iter_rows(named=True):
                label = f"{name} {control.symbol(rows.row(0, named=True))}={value:g}"
                yield TRAINED, row[TRAINED], _bands(label, row, (*DRAWN, "test_accuracy"))


def _mean_times(held: Sequence[Hold]) -> Iterator[Point]:
    """By maximum likelihood, with their 95 % intervals, and Kramers' where theory knows them."""
    for hold in held:
        for row in hold.times.iter_rows(named=True):
            axis = "temperature" if row["batch"] is None else "batch"
            endings = ("", "_low", "_high", "_exact")
            told = {f"mean_time/{hold.file}{ending}": row[f"mean_time{ending}"] for ending in endings}
            yield axis, row[axis], finite(told)


def _strengths(hold: Hold) -> Iterator[tuple[str, pl.DataFrame]]:
    """Of the noise, with the replicas that were held under it."""
    column, label = ("temperature", "T") if hold.records["batch"][0] is None else ("batch", "B")
    for (strength,), replicas in hold.records.partition_by(column, as_dict=True).items():
        yield f"{label}={strength:g}", replicas


def _bands(curve: str, row: Mapping[str, Any], columns: tuple[str, ...]) -> dict[str, float]:
    told = {}
    for name in columns:
        mean, error = row[name], row[f"{name}_se"]
        told[f"{name}/{curve}"] = mean
        if mean is not None and error is not None:
            told |= {f"{name}/{curve}_low": mean - error, f"{name}/{curve}_high": mean + error}
    return finite(told)
