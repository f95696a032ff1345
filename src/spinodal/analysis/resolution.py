"""Where a grid of λ is too coarse to say whether there is a jump."""

from __future__ import annotations

import numpy as np
import polars as pl

from spinodal.analysis.curves import CURVE, evidence, trajectory

STEEP = 0.1
"""A change between neighbouring λ by more than this fraction of the whole range is steep."""


def unresolved(table: pl.DataFrame, transitions: pl.DataFrame, observable: str = "error") -> pl.DataFrame:
    """Find stretches of λ in which an observable moves steeply, though most trajectories show no jump.

    Jumps in neighbouring intervals look like a slope, and a slope within one interval like a jump: only a
    finer grid can tell. The interval beside a transition does not count, since a branch is steep there.

    Args:
        table: Records.
        transitions: As `find_transitions` returns them for this table and observable.
        observable: Column.

    Returns:
        The columns of `CURVE` with `l2_low` and `l2_high` of each stretch, the trajectories taken together.
    """
    parts = [transitions.select(*CURVE, "l2_low", "l2_high").clear()]
    for curve in table.filter(evidence(), pl.col(observable).is_finite()).partition_by(CURVE):
        identity = curve.select(CURVE).head(1)
        found = transitions.join(identity, on=CURVE, how="semi", nulls_equal=True)
        most = found.filter(pl.col("seeds") * 2 >= pl.col("seeds_all"))
        taken = most.select("l2_low", "l2_high").rows()
        stretches: list[tuple[float, float]] = []
        for low, high in sorted(_steep(curve, observable)):
            if any(low <= end and start <= high for start, end in taken):
                continue
            if stretches and low <= stretches[-1][1]:
                stretches[-1] = (stretches[-1][0], max(high, stretches[-1][1]))
            else:
                stretches.append((low, high))
        ends = pl.DataFrame(stretches, schema=["l2_low", "l2_high"], orient="row")
        parts.append(identity.join(ends.cast(pl.Float64), how="cross"))
    return pl.concat(parts)


def _steep(curve: pl.DataFrame, observable: str) -> set[tuple[float, float]]:
    intervals = set()
    for branch in curve.with_columns(trajectory().alias("_name")).partition_by("_name"):
        branch = branch.sort("l2")
        l2, values = branch["l2"].to_numpy(), branch[observable].cast(pl.Float64).to_numpy()
        for i in np.flatnonzero(np.abs(np.diff(values)) > STEEP * np.ptp(values)):
            intervals.add((float(l2[i]), float(l2[i + 1])))
    return intervals
