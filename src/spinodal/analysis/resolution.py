"""What the grid of a curve can show: where it is too coarse, and what is not to be seen on it though it be there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from spinodal.analysis.branches import Curve, Records, branches_of
from spinodal.analysis.curves import CURVE, by_curve
from spinodal.analysis.deep_linear import compare, predicted_rows
from spinodal.analysis.transitions import find_transitions

STEEP = 0.1
"""A change between neighbouring λ by more than this fraction of the whole range is steep."""


def unresolved(table: Records, transitions: pl.DataFrame, observable: str = "error") -> pl.DataFrame:
    """Find stretches of λ in which an observable moves steeply, though most trajectories show no jump.

    Jumps in neighbouring intervals look like a slope, and a slope within one interval like a jump: only a
    finer grid can tell. The interval beside a transition does not count, since a branch is steep there; nor do
    branches whose jumps were bisected (`protocol.refine`), where every interval was taken back to see if E jumps.

    Args:
        table: Records, or their branches.
        transitions: As `find_transitions` returns them for this table and observable.
        observable: Column.

    Returns:
        The columns of `CURVE` with `control_low` and `control_high` of each stretch, the trajectories taken together.
    """
    most = transitions.filter(pl.col("seeds") * 2 >= pl.col("seeds_all"))
    taken = most.select(*CURVE, "control_low", "control_high").rows_by_key(CURVE)
    stretches = [
        (*identity, *stretch)
        for identity, curve in branches_of(table, observable).items()
        for stretch in _together(_steep(curve), taken.get(identity, ()))
    ]
    schema = transitions.select(*CURVE, "control_low", "control_high").schema
    return pl.DataFrame(stretches, schema=schema, orient="row").sort(*CURVE, "control_low", nulls_last=True)


def shown(table: pl.DataFrame) -> pl.DataFrame:
    """Find the transitions that theory's own E shows where curves were measured.

    On the same grid, in the same trajectories and without the rows that are no evidence: a transition that these do
    not show may be there all the same, and one that they show without its being predicted is made by the grid.

    Returns:
        As of `compare`, of the curves that theory applies to.
    """
    curves = map(predicted_rows, by_curve(table).values())
    rows = pl.concat([table.clear(), *(curve for curve in curves if curve is not None)])
    return compare(find_transitions(rows), rows)


def _steep(curve: Curve) -> list[tuple[float, float]]:
    """The steep intervals of a curve, those that several trajectories share once, from small to large λ."""
    steep = set()
    for branch in curve.branches:
        coarse = ~(branch.column("refine") > 0)
        control, values = branch.control[coarse], branch.values[coarse]
        if len(control) > 1:
            at = np.flatnonzero(np.abs(np.diff(values)) > STEEP * np.ptp(values))
            ends = np.sort([control[at], control[at + 1]], axis=0)
            steep |= set(zip(*ends.tolist(), strict=True))
    return sorted(steep)


def _together(
    intervals: Sequence[tuple[float, float]], taken: Sequence[tuple[float, float]]
) -> list[tuple[float, float]]:
    """Those that touch none of the taken ones; what touches each other as one."""
    stretches: list[tuple[float, float]] = []
    for low, high in intervals:
        if any(low <= end and start <= high for start, end in taken):
            continue
        if stretches and low <= stretches[-1][1]:
            low, high = stretches[-1][0], max(high, stretches.pop()[1])
        stretches.append((low, high))
    return stretches
