"""What makes a transition one, and not an accident of one network: the same at other depths, widths, samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from spinodal.analysis import CURVE, dependence, seed_jumps
from spinodal.analysis.branches import Branches
from spinodal.report.commands import again
from spinodal.report.dependence_figure import draw_dependence
from spinodal.report.drawing import Drawings
from spinodal.report.groups import CurveReport, jobs
from spinodal.report.page import Picture, Section

SIGNS = {"depth": "depth ", "width": "width ", "samples": "N = "}
"""Before the value of an axis in the name of a curve."""

FAMILIES = 3
"""So many are drawn."""


class Family(NamedTuple):
    """Networks that differ in one thing."""

    axis: str
    title: str
    curves: list[CurveReport]
    found: pl.DataFrame
    """As `analysis.dependence` returns it."""
    figure: Path
    """Without suffix."""


def make_families(
    branches: Branches,
    transitions: pl.DataFrame,
    curves: Sequence[CurveReport],
    folder: Path,
    drawings: Drawings,
) -> list[Family]:
    """Draw how transitions depend on each axis along which networks differ in nothing else, as CSV and figures.

    Args:
        branches: Of the campaign, for E.
        transitions: Those in E, as `compare` returns them.
        curves: All of them.
        folder: For the files.
        drawings: To draw in.

    Raises:
        OSError: If the folder cannot be written to.
    """
    table = dependence(branches.records, transitions)
    if table.is_empty():
        return []
    table.write_csv(folder / "dependence.csv")
    by_identity = {curve.records.select(CURVE).row(0): curve for curve in curves}
    families = []
    for found in table.partition_by("family", maintain_order=True)[:FAMILIES]:
        members = [by_identity[row] for row in found.select(CURVE).unique(maintain_order=True).rows()]
        axis, name = found["axis"][0], members[0].name
        title = f"{name.data}\n{name.model}".replace(f"{SIGNS[axis]}{found['value'][0]}", f"any {axis}")
        figure = folder / f"dependence-{axis}-{name.file}"
        drawings.add(figure, draw_dependence, found, seed_jumps(branches, found), title)
        families.append(Family(axis, title.replace("\n", "; "), members, found, figure))
    return families


def dependence_section(families: Sequence[Family], campaign: Path) -> Section:
    """Transitions against depth, width or the number of samples.

    Args:
        families: What was found.
        campaign: Its folder.
    """
    pictures = [
        Picture(
            family.figure,
            alt=f"λ of each transition and the jump in E there against {family.axis}, for {family.title}: "
            f"{_told(family)}",
            title=f"{family.title}.",
            caption=f"The onset of learning, by {family.axis}: {_told(family)}.",
            commands=again(campaign, jobs(family.curves)),
        )
        for family in families
    ]
    notes = [
        "Networks that differ in one thing only. A transition that is no accident of one of them is there in all, "
        "every seed shows it, and it moves as predicted (dashes), where theory applies."
    ]
    return Section("dependence", "Dependence", "Depth, width, samples", notes, pictures=pictures)


def _told(family: Family) -> str:
    onsets = family.found.filter(from_onset=0).drop_nulls("location")
    return ", ".join(f"{row['value']}: λ = {row['location']:.4g}" for row in onsets.iter_rows(named=True))
