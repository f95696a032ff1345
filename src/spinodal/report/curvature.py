"""What a campaign with curvature says besides: where R jumps, and what foresees a jump."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl
from rich.table import Table

from spinodal.analysis import CURVE, agreement, before_onset, find_transitions, foresight, rescaled
from spinodal.analysis.branches import Branches
from spinodal.report.curvature_figure import draw_curvature
from spinodal.report.drawing import Drawings
from spinodal.report.foresight_figure import draw_foresight
from spinodal.report.groups import FIGURES, CurveReport
from spinodal.report.names import CurveName
from spinodal.report.table import foresight_table, rescaling_table

SHOWN = 0.95
"""The cut-off whose predictions are told on the terminal; the others are in the figure and the CSV."""

MEANING = (
    f"per jump: how far λ_sp, predicted from the phase up to {SHOWN} λ_jump, is off, in % of λ_jump; "
    "none: too few points, or no line that reaches zero ahead of them"
)
"""Of the table of predictions."""


class CurveCurvature(NamedTuple):
    """What was found on one of them, as the functions of these names return it."""

    curve: CurveReport
    agreement: pl.DataFrame
    foresight: pl.DataFrame
    rescaled: pl.DataFrame
    figure: Path | None
    """Without suffix; None if the curve is not among those drawn."""

    @property
    def name(self) -> CurveName:
        """Of the curve."""
        return self.curve.name


@dataclass(frozen=True)
class CurvatureReport:
    """What was found on the curves of which R was measured."""

    curves: list[CurveCurvature]
    csvs: list[Path]
    foresight: Path | None
    """The figure, without suffix; None if there is nothing to foresee."""

    @property
    def figures(self) -> list[Path]:
        """All of them, without suffix."""
        return [each for each in (*(curve.figure for curve in self.curves), self.foresight) if each]

    def tables(self) -> Iterator[Table]:
        """What a person reads on the terminal, of the curves that are drawn."""
        drawn = [curve for curve in self.curves if curve.figure]
        for curve in drawn:
            yield foresight_table(curve.name, curve.agreement, curve.foresight.filter(cut_off=SHOWN))
        told = {curve.name: curve.rescaled for curve in drawn if len(curve.rescaled)}
        if told:
            yield rescaling_table(told)

    def notes(self) -> list[str]:
        """What the tables mean, and where the files are."""
        return [MEANING, *map(str, self.csvs), *(f"{figure}.png (and .pdf)" for figure in self.figures)]


def make_curvature_report(
    branches: Branches,
    transitions: pl.DataFrame,
    curves: Sequence[CurveReport],
    drawn: Sequence[CurveReport],
    folder: Path,
    drawings: Drawings,
) -> CurvatureReport | None:
    """Set R against E, as CSV and figures, on every curve of which it was measured.

    Args:
        branches: Of the campaign, for E.
        transitions: Those in E, as `compare` returns them.
        curves: All of them.
        drawn: Those to draw.
        folder: For the files.
        drawings: To draw in.

    Returns:
        None if R was measured nowhere.

    Raises:
        OSError: If the folder cannot be written to.
    """
    records = branches.records.filter(pl.col("scalar_curvature").is_not_null().any().over(CURVE))
    if records.is_empty():
        return None
    branches = branches.among(records)
    results = {
        "agreement": agreement(branches),
        "foresight": foresight(branches, transitions),
        "rescaled": rescaled(branches, transitions),
    }
    csvs = [folder / f"{key}.csv" for key in results]
    for table, csv in zip(results.values(), csvs, strict=True):
        table.write_csv(csv)
    found = []
    for curve in curves:
        rows = _of(records, curve)
        if rows.is_empty():
            continue
        figure = None
        if curve in drawn:
            figure = folder / f"{curve.name.file}-curvature"
            from_curvature = find_transitions(rows, "scalar_curvature")
            drawings.add(figure, draw_curvature, rows, curve.transitions, from_curvature, curve.name)
        agreed, foreseen, scaled = (_of(table, curve) for table in results.values())
        found.append(CurveCurvature(curve, agreed, foreseen, scaled, figure))
    told = [curve for curve in found if curve.figure and len(curve.foresight)][:FIGURES]
    if not told:
        return CurvatureReport(found, csvs, None)
    foreseen, known = (
        pl.concat([each.foresight for each in told]),
        pl.concat([each.curve.transitions for each in told]),
    )
    phases = before_onset(branches.among(foreseen), known)
    names = [(each.curve.records.select(CURVE).head(1), each.name) for each in told]
    figure = drawings.add(folder / "foresight", draw_foresight, foreseen, phases, known, names)
    return CurvatureReport(found, csvs, figure)


def _of(table: pl.DataFrame, curve: CurveReport) -> pl.DataFrame:
    return table.join(curve.records.select(CURVE).head(1), on=CURVE, how="semi", nulls_equal=True)
