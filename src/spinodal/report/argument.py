"""The argument: what several campaigns say together of each claim, and where it is seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.progress import Progress

from spinodal.analysis import CURVE
from spinodal.analysis.verdicts import CLAIMS, Verdict, silent, verdicts
from spinodal.errors import UserError
from spinodal.report.campaign import make_report
from spinodal.report.report import Report


@dataclass(frozen=True, eq=False)
class Judged:
    """A verdict, and what it rests on."""

    verdict: Verdict
    report: Report | None
    """Of the campaign; None where none speaks of the claim."""

    @property
    def figure(self) -> Path | None:
        """Where it is seen, without suffix; None if that is not drawn."""
        return None if self.report is None else _figure(self.report, self.verdict)


@dataclass(frozen=True, eq=False)
class Argument:
    """What a folder of campaigns says."""

    folder: Path
    reports: list[Report]
    judged: list[Judged]
    """In the order of `CLAIMS`."""

    @property
    def page(self) -> Path:
        """Of the file."""
        return self.folder / "report.html"

    @property
    def table(self) -> Path:
        """The verdicts alone, in Markdown."""
        return self.folder / "verdicts.md"

    def of(self, claim: str) -> list[Judged]:
        """What is said of one claim."""
        return [each for each in self.judged if each.verdict.claim == claim]


def campaigns_in(folder: Path) -> list[Path]:
    """The campaigns of a folder that is none itself."""
    if (folder / "records").is_dir() or not folder.is_dir():
        return []
    return sorted(each for each in folder.iterdir() if any((each / "records").glob("*.parquet")))


def make_argument(folder: Path, second_process: bool = False) -> Argument:
    """Report on every campaign of a folder, and judge all claims by their records.

    Args:
        folder: Of campaigns.
        second_process: As of `make_report`.

    Raises:
        UserError: As `make_report`, or if the folder holds no campaigns.
    """
    campaigns = campaigns_in(folder)
    if not campaigns:
        raise UserError(f"{folder}: no campaigns in it; spinodal run makes them")
    reports = []
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        for campaign in progress.track(campaigns, description="reports"):
            reports.append(make_report(campaign, second_process=second_process))
    judged = [Judged(each, report) for report in reports for each in _verdicts(report)]
    judged += [Judged(each, None) for each in silent([each.verdict for each in judged])]
    order = list(CLAIMS)
    judged.sort(key=lambda each: order.index(each.verdict.claim))
    return Argument(folder, reports, judged)


def _verdicts(report: Report) -> Iterator[Verdict]:
    compared = [group.transitions for group in report.groups]
    return verdicts(report.records, pl.concat(compared) if compared else pl.DataFrame())


def _figure(report: Report, verdict: Verdict) -> Path | None:
    """The figure that shows the curve of a verdict."""
    match verdict.figure:
        case "branches":
            shown = {group.figure: [curve.records for curve in group.curves] for group in report.groups}
        case "phases":
            shown = {each.figure: [curve.records for curve in each.curves] for each in report.phases}
        case "hysteresis" if report.hysteresis:
            networks = report.hysteresis.networks
            shown = {each.figure: [curve.records for curve in each.group.curves] for each in networks}
        case "curvature" if report.curvature:
            shown = {each.figure: [each.curve.records] for each in report.curvature.curves}
        case "foresight" if report.curvature:
            return report.curvature.foresight
        case "escape":
            shown = {each.figure: [each.times] for each in report.holds}
        case "grokking":
            shown = {each.figure: [each.found] for each in report.grokking}
        case _:
            return None
    for figure, tables in shown.items():
        if figure and any(_has(table, verdict.curve) for table in tables):
            return figure
    return None


def _has(table: pl.DataFrame, curve: tuple[object, ...]) -> bool:
    """Whether a table is about a curve; phases that are held are the same at all temperatures."""
    named = dict(zip(CURVE, curve, strict=True))
    if named["temperature"] is None:
        del named["temperature"]
    row = table.row(0, named=True)
    return all(row[name] == value for name, value in named.items())
