"""The report of a campaign: read, find, compare, draw, tell."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl
from rich.console import Console

from spinodal.analysis import CURVE, compare, find_transitions, unresolved
from spinodal.errors import UserError
from spinodal.records import read_records
from spinodal.report.curvature import CurvatureReport, make_curvature_report
from spinodal.report.figure import draw_curve
from spinodal.report.names import CurveName, curve_names
from spinodal.report.panels import save
from spinodal.report.table import transition_table


@dataclass(frozen=True)
class CurveReport:
    """What was found on one curve, all of it on E."""

    name: CurveName
    strengths: list[float]
    """c_k as measured; empty if nobody did."""
    transitions: pl.DataFrame
    """As `compare` returns them."""
    unresolved: pl.DataFrame
    """As the function of that name returns them."""
    figure: Path
    """Without suffix: it is there as PNG and as PDF."""


@dataclass(frozen=True)
class Report:
    """What was found in a campaign."""

    records: pl.DataFrame
    curves: list[CurveReport]
    csv: Path
    """The transitions of all curves."""
    curvature: CurvatureReport | None
    """None if R was measured nowhere."""


def make_report(campaign: Path) -> Report:
    """Find the transitions of a campaign and put them into its folder `report`, as CSV and figures.

    Args:
        campaign: Its folder. Records that are still being added to are read as far as they are.

    Raises:
        UserError: If there is no such campaign, it has no records, or its folder cannot be written to.
    """
    if not campaign.is_dir():
        raise UserError(f"{campaign}: no such campaign; campaigns are folders under outputs/")
    records = read_records(campaign)
    found = find_transitions(records)
    tables = (records, compare(found, records), unresolved(records, found))
    identities = records.select(CURVE).unique().sort(CURVE)
    folder = campaign / "report"
    curves = []
    try:
        folder.mkdir(exist_ok=True)
        names = curve_names(identities)
        for number, name in enumerate(names):
            here = identities[number]
            rows, transitions, steep = (
                table.join(here, on=CURVE, how="semi", nulls_equal=True) for table in tables
            )
            measured = rows["strengths"].drop_nulls()
            strengths = [] if measured.is_empty() else measured[0].to_list()
            save(draw_curve(rows, transitions, name), folder / name.file)
            curves.append(CurveReport(name, strengths, transitions, steep, folder / name.file))
        csv = folder / "transitions.csv"
        tables[1].write_csv(csv)
        curvature = make_curvature_report(records, tables[1], names, folder)
    except OSError as error:
        raise UserError(f"{folder}: the report cannot be written ({error.strerror})") from error
    return Report(records, curves, csv, curvature)


def main(campaign: Path) -> int:
    """Make the report of a campaign and tell it on the terminal.

    Args:
        campaign: Its folder.

    Returns:
        Exit code 0.

    Raises:
        UserError: As `make_report`.
    """
    report = make_report(campaign)
    console = Console(highlight=False)
    for curve in report.curves:
        console.print(transition_table(curve.name, curve.strengths, curve.transitions))
    notes = _notes(report)
    if report.curvature is not None:
        for table in report.curvature.tables():
            console.print(table)
        notes += report.curvature.notes()
    for note in notes:
        console.print(note, soft_wrap=True, markup=False)
    return 0


def _notes(report: Report) -> list[str]:
    relaxed = pl.col("stationary").fill_null(False)
    kinds = {
        "not stationary": ~relaxed,
        "saddles": relaxed & ~pl.col("minimum").fill_null(True),
        "stationary, not looked at whether minima": relaxed & pl.col("minimum").is_null(),
    }
    counts = {kind: report.records.filter(which).height for kind, which in kinds.items()}
    told = [f"{kind}: {count}" for kind, count in counts.items() if count]
    notes = []
    if any(curve.transitions["status"].is_not_null().any() for curve in report.curves):
        notes.append("exact λ_sp: of a deep linear network; ✓ where the measured bracket holds it")
    notes += [f"{len(report.records)} rows; " + ("; ".join(told) or "all are stationary minima")]
    if counts["not stationary"] or counts["saddles"]:
        notes.append(
            "what is not stationary, or a saddle, is drawn hollow and is no evidence for a transition"
        )
    if any(curve.transitions["unrelaxed"].sum() for curve in report.curves):
        notes.append("* such rows lie in between: the bracket is made by the nearest ones that relaxed")
    for curve in report.curves:
        if len(curve.unresolved):
            ends = curve.unresolved.select("l2_low", "l2_high").iter_rows()
            places = ", ".join(f"{low:.4g} – {high:.4g}" for low, high in ends)
            notes.append(
                f"{curve.name}: E moves steeply in λ {places}; only a finer grid shows whether it jumps."
            )
    return [*notes, str(report.csv), *(f"{curve.figure}.png (and .pdf)" for curve in report.curves)]
