"""Jumps seed by seed: those of each trajectory of a curve, and which of them are one transition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import polars as pl

from spinodal.analysis.curves import evidence, trajectory
from spinodal.analysis.jumps import find_jumps

STARTS_AS = {"error": 2.0, "test_error": 2.0, "accuracy": 2.0, "test_accuracy": 2.0}
"""Power of λ with which an observable of a minimum leaves its value at λ = 0. Others than these do so with 1.

At λ = 0 a minimum has ∇E = 0, so that E, and what is a function of E, moves with λ² only. Curvature is no
exception to the others: ∇²E changes with θ*, which moves with λ.
"""

APART = math.log(1.25)
"""Jumps of two seeds further apart in ln λ than this are two transitions, unless their brackets touch."""


class Jump(NamedTuple):
    """A jump of one trajectory."""

    trajectory: str
    low: float
    """The last λ before or the first after, whichever is less; with `high` the bracket of the jump."""
    high: float
    before: dict[str, float | None]
    """The observable and those alongside, on the side that the path comes from."""
    after: dict[str, float | None]
    rises: bool
    unrelaxed: int
    """Rows within the bracket that are no evidence."""

    @property
    def place(self) -> float:
        """In ln λ."""
        return 0.5 * (math.log(self.low) + math.log(self.high))


def trajectories(curve: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The trajectories of a curve by their names, in the order of the table."""
    named = curve.with_columns(trajectory().alias("_name"))
    return {part["_name"][0]: part for part in named.partition_by("_name", maintain_order=True)}


def relaxed(branch: pl.DataFrame, observable: str) -> pl.DataFrame:
    """The rows of a trajectory that say something about an observable, in the order of its path.

    They are `evidence`, have λ > 0 and a finite value; of a λ seen twice the later one.
    """
    rows = branch.filter(evidence(), pl.col(observable).is_finite(), pl.col("l2") > 0).sort("stage", "l2")
    falling = len(rows) > 0 and rows["l2"][0] > rows["l2"][-1]
    return rows.unique("l2", keep="last", maintain_order=True).sort("l2", descending=falling)


def trajectory_jumps(branch: pl.DataFrame, observable: str, alongside: Sequence[str] = ()) -> list[Jump]:
    """Find the jumps of one trajectory, in the order of its path.

    Args:
        branch: One of `trajectories`.
        observable: Column to look for jumps in.
        alongside: Further columns to tell before and after.
    """
    rows = relaxed(branch, observable)
    l2 = rows["l2"].to_numpy()
    left_out = branch.filter(~evidence())["l2"].to_numpy()
    seen = rows.select(pl.col(observable, *alongside).cast(pl.Float64))
    errors = (
        rows[f"{observable}_se"].fill_null(0.0).to_numpy() if f"{observable}_se" in rows.columns else None
    )
    found = []
    for i in find_jumps(l2, seen[observable].to_numpy(), STARTS_AS.get(observable, 1.0), errors):
        low, high = sorted((float(l2[i]), float(l2[i + 1])))
        before, after = seen.row(i, named=True), seen.row(i + 1, named=True)
        found.append(
            Jump(
                trajectory=branch["_name"][0],
                low=low,
                high=high,
                before=before,
                after=after,
                rises=after[observable] > before[observable],
                unrelaxed=int(np.count_nonzero((left_out > low) & (left_out < high))),
            )
        )
    return found


def curve_jumps(curve: pl.DataFrame, observable: str, alongside: Sequence[str] = ()) -> list[list[Jump]]:
    """Find the jumps of all trajectories of a curve, one group per transition, from small to large λ.

    Args:
        curve: Records of one curve.
        observable: Column to look for jumps in.
        alongside: Further columns to tell before and after.
    """
    branches = trajectories(curve).values()
    return _match([jump for branch in branches for jump in trajectory_jumps(branch, observable, alongside)])


def _match(jumps: Sequence[Jump]) -> list[list[Jump]]:
    """Group the jumps of all seeds, closest first; never two of one seed, nor what is `APART`."""
    groups = [[jump] for jump in sorted(jumps, key=lambda jump: jump.place)]
    spans = [_span(first + second) for first, second in pairwise(groups)]
    while spans and min(spans) < math.inf:
        i = spans.index(min(spans))
        groups[i : i + 2] = [groups[i] + groups[i + 1]]
        around = groups[max(0, i - 1) : i + 2]
        spans[max(0, i - 1) : i + 2] = [_span(first + second) for first, second in pairwise(around)]
    return groups


def _span(group: Sequence[Jump]) -> float:
    """Extent of a group in ln λ; infinite if these jumps cannot be one transition."""
    places = [jump.place for jump in group]
    span = max(places) - min(places)
    near = span <= APART or max(jump.low for jump in group) <= min(jump.high for jump in group)
    one_each = len({jump.trajectory for jump in group}) == len(group)
    alike = len({jump.rises for jump in group}) == 1
    return span if near and one_each and alike else math.inf
