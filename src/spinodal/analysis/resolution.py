"""What the grid of a curve can show: where it is too coarse, and what is not to be seen on it though it be there."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import polars as pl

from spinodal.analysis.curves import CURVE, evidence, trajectory
from spinodal.analysis.deep_linear import compare, predicted_rows
from spinodal.analysis.transitions import find_transitions

STEEP = 0.1
"""A change between neighbouring λ by more than this fraction of the whole range is steep."""


def unresolved(table: pl.DataFrame, transitions: pl.DataFrame, observable: str = "error") -> pl.DataFrame:
    """Find stretches of λ in which an observable moves steeply, though most trajectories show no jump.

    Jumps in neighbouring intervals look like a slope, and a slope within one interval like a jump: only a
    finer grid can tell. The interval beside a transition does not count, since a branch is steep there; nor do
    branches whose jumps were bisected (`protocol.refine`), where every interval was taken back to see if E jumps.

    Args:
        table: Records.
        transitions: As `find_transitions` returns them for this table and observable.
        observable: Column.

    Returns:
        The columns of `CURVE` with `l2_low` and `l2_high` of each stretch, the trajectories taken together.
    """
    most = transitions.filter(pl.col("seeds") * 2 >= pl.col("seeds_all"))
    taken = most.select(*CURVE, "l2_low", "l2_high").rows_by_key(CURVE)
    stretches: list[tuple[Any, ...]] = []
    for identity, rows in groupby(_steep(table, observable).iter_rows(), lambda row: row[:-2]):
        own: list[tuple[float, float]] = []
        for low, high in (row[-2:] for row in rows):
            if any(low <= end and start <= high for start, end in taken.get(identity, ())):
                continue
            if own and low <= own[-1][1]:
                own[-1] = (own[-1][0], max(high, own[-1][1]))
            else:
                own.append((low, high))
        stretches += [(*identity, *ends) for ends in own]
    schema = transitions.select(*CURVE, "l2_low", "l2_high").schema
    return pl.DataFrame(stretches, schema=schema, orient="row")


def shown(table: pl.DataFrame) -> pl.DataFrame:
    """Find the transitions that theory's own E shows where curves were measured.

    On the same grid, in the same trajectories and without the rows that are no evidence: a transition that these do
    not show may be there all the same, and one that they show without its being predicted is made by the grid.

    Args:
        table: Records.

    Returns:
        As of `compare`, of the curves that theory applies to.
    """
    curves = map(predicted_rows, table.partition_by(CURVE, maintain_order=True))
    rows = pl.concat([table.clear(), *(curve for curve in curves if curve is not None)])
    return compare(find_transitions(rows), rows)


def _steep(table: pl.DataFrame, observable: str) -> pl.DataFrame:
    """The steep intervals of each curve, those that several trajectories share once, from small to large λ."""
    name, value = trajectory().alias("_name"), pl.col(observable).cast(pl.Float64).alias("_value")
    own = [*CURVE, "_name"]
    coarse = pl.col("refine").fill_null(0) == 0
    rows = table.filter(evidence(), pl.col(observable).is_finite(), coarse)
    moved = (
        rows.select(*CURVE, name, "l2", value)
        .sort("l2", maintain_order=True)
        .with_columns(
            pl.col("l2").shift(1).over(own).alias("l2_low"),
            pl.col("_value").diff().abs().over(own).alias("_change"),
            (pl.col("_value").max() - pl.col("_value").min()).over(own).alias("_range"),
        )
    )
    steep = moved.filter(pl.col("_change") > STEEP * pl.col("_range"))
    intervals = steep.select(*CURVE, "l2_low", pl.col("l2").alias("l2_high")).unique()
    return intervals.sort(*CURVE, "l2_low", "l2_high", nulls_last=True)
