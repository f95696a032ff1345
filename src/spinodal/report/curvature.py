"""What a campaign with curvature says besides: where R jumps, and what foresees a jump."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl
from rich.table import Table

from spinodal.analysis import CURVE, agreement, find_transitions, foresight, rescaled
from spinodal.report.curvature_figure import draw_curvature
from spinodal.report.foresight_figure import draw_foresight
from spinodal.report.names import CurveName
from spinodal.report.panels import save
from spinodal.report.table import foresight_table, rescaling_table

SHOWN = 0.95
"""The cut-off whose predictions are told on the terminal; the others are in the figure and the CSV."""


class CurveCurvature(NamedTuple):
    """What was found on one of them, as the functions of these names return it."""

    name: CurveName
    agreement: pl.DataFrame
    foresight: pl.DataFrame
    rescaled: pl.DataFrame


@dataclass(frozen=True)
class CurvatureReport:
    """What was found on the curves of which R was measured."""

    curves: list[CurveCurvature]
    files: list[Path]
    """CSVs and figures; the latter without suffix."""

    def tables(self) -> Iterator[Table]:
        """What a person reads on the terminal."""
        for curve in self.curves:
            yield foresight_table(curve.name, curve.agreement, curve.foresight.filter(cut_off=SHOWN))
        told = {curve.name: curve.rescaled for curve in self.curves if len(curve.rescaled)}
        if told:
            yield rescaling_table(told)

    def notes(self) -> list[str]:
        """What the tables mean, and where the files are."""
        meaning = (
            f"per jump: how far λ_sp, predicted from the phase up to {SHOWN} λ_jump, is off, in % of λ_jump; "
            "none: too few points, or no line that reaches zero ahead of them"
        )
        csvs = [str(file) for file in self.files if file.suffix == ".csv"]
        return [meaning, *csvs, *(f"{file}.png (and .pdf)" for file in self.files if file.suffix != ".csv")]


def make_curvature_report(
    records: pl.DataFrame, transitions: pl.DataFrame, names: Sequence[CurveName], folder: Path
) -> CurvatureReport | None:
    """Set R against E, as CSV and figures, on every curve of which it was measured.

    Args:
        records: Of the campaign.
        transitions: Those in E, as `compare` returns them.
        names: Of all curves, sorted by `CURVE`.
        folder: For the files.

    Returns:
        None if R was measured nowhere.

    Raises:
        OSError: If the folder cannot be written to.
    """
    identities = records.select(CURVE).unique().sort(CURVE)
    records = records.filter(pl.col("scalar_curvature").is_not_null().any().over(CURVE))
    if records.is_empty():
        return None
    from_curvature = find_transitions(records, "scalar_curvature")
    results = {
        "agreement": agreement(records),
        "foresight": foresight(records, transitions),
        "rescaled": rescaled(records, transitions),
    }
    files: list[Path] = []
    found: list[tuple[pl.DataFrame, CurveName]] = []
    for key, table in results.items():
        table.write_csv(folder / f"{key}.csv")
        files.append(folder / f"{key}.csv")
    for number, name in enumerate(names):
        here = identities[number]
        rows = _of(records, here)
        if len(rows):
            figure = draw_curvature(rows, _of(transitions, here), _of(from_curvature, here), name)
            save(figure, folder / f"{name.file}-curvature")
            files.append(folder / f"{name.file}-curvature")
            found.append((here, name))
    foreseen = [(here, name) for here, name in found if len(_of(results["foresight"], here))]
    if foreseen:
        save(draw_foresight(results["foresight"], records, transitions, foreseen), folder / "foresight")
        files.append(folder / "foresight")
    curves = [CurveCurvature(name, *(_of(table, here) for table in results.values())) for here, name in found]
    return CurvatureReport(curves, files)


def _of(table: pl.DataFrame, curve: pl.DataFrame) -> pl.DataFrame:
    return table.join(curve, on=CURVE, how="semi", nulls_equal=True)
