"""What a campaign with down branches says besides: its loops, and where its phases coexist."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl
from rich.table import Table

from spinodal.analysis import CURVE, coexistence, hysteresis
from spinodal.analysis.branches import Branches
from spinodal.report.drawing import Drawings
from spinodal.report.groups import Group
from spinodal.report.hysteresis_figure import draw_loops
from spinodal.report.hysteresis_table import coexistence_table, loop_table

AREA = "area: ∮‖θ‖² dλ, up minus down, which is what 𝓛 loses in the jumps of a closed loop"


class Loops(NamedTuple):
    """What was found on the branches of one network."""

    group: Group
    loops: pl.DataFrame
    """As `analysis.hysteresis` returns them."""
    coexistence: pl.DataFrame
    """As the function of that name returns it."""
    figure: Path | None
    """Without suffix; None if it is not among those drawn."""

    @property
    def each(self) -> Iterator[pl.DataFrame]:
        """The rows of one loop after the other."""
        yield from self.loops.partition_by("curve", "curve_up", "l2_low", "l2_high", maintain_order=True)


@dataclass(frozen=True)
class HysteresisReport:
    """What was found on the networks that have both branches."""

    networks: list[Loops]
    csvs: list[Path]

    @property
    def drawn(self) -> list[Loops]:
        """Those with a figure."""
        return [each for each in self.networks if each.figure]

    def tables(self) -> Iterator[Table]:
        """What a person reads on the terminal, of the networks that are drawn."""
        for network in self.drawn:
            for loop in network.each:
                yield loop_table(network.group.name, loop)
            if len(network.coexistence):
                yield coexistence_table(network.group.name, network.coexistence)

    def notes(self) -> list[str]:
        """What the tables mean, and where the files are."""
        told = [AREA, *map(str, self.csvs)]
        return [*told, *(f"{each.figure}.png (and .pdf)" for each in self.drawn)]


def make_hysteresis_report(
    branches: Branches, groups: Sequence[Group], folder: Path, drawings: Drawings
) -> HysteresisReport | None:
    """Set the way down against the way up, as CSV and figures, of every network that has both.

    Args:
        branches: Of the campaign, for E.
        groups: All of them; of those with a figure the loops are drawn, too.
        folder: For the files.
        drawings: To draw in.

    Returns:
        None if there are no two branches that belong together. What noise reaches is predicted for those drawn.

    Raises:
        OSError: If the folder cannot be written to.
    """
    empty = branches.records.clear()
    drawn, others = (
        branches.among(
            pl.concat([empty, *(group.records for group in groups if bool(group.figure) is shown)])
        )
        for shown in (True, False)
    )
    loops = pl.concat([hysteresis(drawn), hysteresis(others, reach=False)])
    if loops.is_empty():
        return None
    phases = coexistence(branches)
    csvs = [folder / "hysteresis.csv", folder / "coexistence.csv"]
    for table, csv in zip((loops, phases), csvs, strict=True):
        table.write_csv(csv)
    tables = [table.partition_by(CURVE, as_dict=True, maintain_order=True) for table in (loops, phases)]
    found = []
    for group in groups:
        curves = [curve.records.select(CURVE).row(0) for curve in group.curves]
        own, equal = (
            pl.concat([empty.clear(), *(each[curve] for curve in curves if curve in each)])
            for empty, each in zip((loops, phases), tables, strict=True)
        )
        if own.is_empty():
            continue
        figure = None
        if group.figure:
            figure = folder / f"{group.name.file}-loop"
            drawings.add(figure, draw_loops, group.records, own, equal, group.name)
        found.append(Loops(group, own, equal, figure))
    return HysteresisReport(found, csvs)
