"""From branches with repeated seeds to one row per transition."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from spinodal.analysis.curves import CURVE, evidence, trajectory
from spinodal.analysis.jumps import find_jumps
from spinodal.records import SCHEMA

ALONGSIDE = ("accuracy", "norm", "learned_features")
"""Order parameters told before and after each transition, where they were measured."""

STARTS_AS = {"error": 2.0, "test_error": 2.0, "accuracy": 2.0, "test_accuracy": 2.0}
"""Power of λ with which an observable of a minimum leaves its value at λ = 0. Others than these do so with 1.

At λ = 0 a minimum has ∇E = 0, so that E, and what is a function of E, moves with λ² only.
"""

APART = math.log(1.25)
"""Jumps of two seeds further apart in ln λ than this are two transitions, unless their brackets touch."""

_MEASURED = ("l2_low", "l2_high", "location", "location_error", "before", "after", "jump", "jump_error")
_COUNTED = ("seeds", "seeds_all", "unrelaxed")


def find_transitions(
    table: pl.DataFrame, observable: str = "error", alongside: Sequence[str] = ALONGSIDE
) -> pl.DataFrame:
    """Find where an observable jumps along each curve, seed by seed, and match the seeds.

    Only rows that are `evidence` (stationary, no saddles) are looked at. A transition across rows that
    did not relax is bracketed by the nearest ones that did; `unrelaxed` says how many lie in between.

    Args:
        table: Records, as `read_records` returns them.
        observable: Column to look for jumps in.
        alongside: Further columns to tell before and after; those that are not there are left out.

    Returns:
        One row per transition, sorted by curve and λ: the columns of `CURVE`, and

        - `index`: 1, 2, … along the curve from small to large λ;
        - `l2_low`, `l2_high`: every seed that shows it jumps between these two λ of the grid;
        - `location`: geometric mean of the brackets of all seeds; `location_error`: half a bracket and the
          standard deviation over seeds, added in quadrature;
        - `before`, `after`: the observable at the two ends of the bracket in the direction of the path (for a
          quench, of rising λ), mean over seeds; `<column>_before` and `<column>_after` of those alongside;
        - `jump`: after − before, with what the branch moves smoothly within the bracket; `jump_error`: its
          standard error over seeds, null for a single one;
        - `seeds`: how many trajectories show it, of `seeds_all`;
        - `unrelaxed`: rows within the brackets that are no evidence, of all seeds together.
    """
    alongside = [name for name in alongside if name in table.columns and name != observable]
    rows = []
    for curve in table.partition_by(CURVE, maintain_order=True):
        identity = curve.select(CURVE).row(0, named=True)
        branches = curve.with_columns(trajectory().alias("_name")).partition_by("_name", maintain_order=True)
        jumps = [jump for branch in branches for jump in _jumps(branch, observable, alongside)]
        for index, group in enumerate(_match(jumps), start=1):
            counts = {"index": index, "seeds": len(group), "seeds_all": len(branches)}
            rows.append(identity | counts | _transition(group, observable, alongside))
    sides = [f"{name}_{side}" for name in alongside for side in ("before", "after")]
    schema = [(name, SCHEMA[name]) for name in CURVE]
    schema += [(name, pl.Int64()) for name in ("index", *_COUNTED)]
    schema += [(name, pl.Float64()) for name in (*_MEASURED, *sides)]
    return pl.DataFrame(rows, schema=schema).sort(*CURVE, "index")


class _Jump(NamedTuple):
    """A jump of one trajectory."""

    trajectory: str
    low: float
    high: float
    before: dict[str, float | None]
    after: dict[str, float | None]
    rises: bool
    unrelaxed: int

    @property
    def place(self) -> float:
        """In ln λ."""
        return 0.5 * (math.log(self.low) + math.log(self.high))


def _jumps(branch: pl.DataFrame, observable: str, alongside: Sequence[str]) -> Iterator[_Jump]:
    relaxed = branch.filter(evidence(), pl.col(observable).is_finite(), pl.col("l2") > 0).sort("stage", "l2")
    if relaxed.is_empty():
        return
    falling = relaxed["l2"][0] > relaxed["l2"][-1]
    relaxed = relaxed.unique("l2", keep="last", maintain_order=True).sort("l2", descending=falling)
    l2 = relaxed["l2"].to_numpy()
    left_out = branch.filter(~evidence())["l2"].to_numpy()
    seen = relaxed.select(pl.col(observable, *alongside).cast(pl.Float64))
    for i in find_jumps(l2, seen[observable].to_numpy(), STARTS_AS.get(observable, 1.0)):
        low, high = sorted((float(l2[i]), float(l2[i + 1])))
        before, after = seen.row(i, named=True), seen.row(i + 1, named=True)
        yield _Jump(
            trajectory=branch["_name"][0],
            low=low,
            high=high,
            before=before,
            after=after,
            rises=after[observable] > before[observable],
            unrelaxed=int(np.count_nonzero((left_out > low) & (left_out < high))),
        )


def _match(jumps: Sequence[_Jump]) -> list[list[_Jump]]:
    """Group the jumps of all seeds, closest first; never two of one seed, nor what is `APART`."""
    groups = [[jump] for jump in sorted(jumps, key=lambda jump: jump.place)]
    spans = [_span(first + second) for first, second in pairwise(groups)]
    while spans and min(spans) < math.inf:
        i = spans.index(min(spans))
        groups[i : i + 2] = [groups[i] + groups[i + 1]]
        around = groups[max(0, i - 1) : i + 2]
        spans[max(0, i - 1) : i + 2] = [_span(first + second) for first, second in pairwise(around)]
    return groups


def _span(group: Sequence[_Jump]) -> float:
    """Extent of a group in ln λ; infinite if these jumps cannot be one transition."""
    places = [jump.place for jump in group]
    span = max(places) - min(places)
    near = span <= APART or max(jump.low for jump in group) <= min(jump.high for jump in group)
    one_each = len({jump.trajectory for jump in group}) == len(group)
    alike = len({jump.rises for jump in group}) == 1
    return span if near and one_each and alike else math.inf


def _transition(group: Sequence[_Jump], observable: str, alongside: Sequence[str]) -> dict[str, Any]:
    places = np.array([jump.place for jump in group])
    half_bracket = np.mean([0.5 * (jump.high - jump.low) for jump in group])
    before = {name: _mean([jump.before[name] for jump in group]) for name in (observable, *alongside)}
    after = {name: _mean([jump.after[name] for jump in group]) for name in (observable, *alongside)}
    changes = [
        late - early
        for jump in group
        if (late := jump.after[observable]) is not None and (early := jump.before[observable]) is not None
    ]
    repeated = len(group) > 1
    return {
        "l2_low": min(jump.low for jump in group),
        "l2_high": max(jump.high for jump in group),
        "location": float(np.exp(places.mean())),
        "location_error": float(np.hypot(half_bracket, np.exp(places).std(ddof=1) if repeated else 0.0)),
        "before": before[observable],
        "after": after[observable],
        "jump": _mean(changes),
        "jump_error": float(np.std(changes, ddof=1) / math.sqrt(len(group))) if repeated else None,
        "unrelaxed": sum(jump.unrelaxed for jump in group),
        **{f"{name}_before": before[name] for name in alongside},
        **{f"{name}_after": after[name] for name in alongside},
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
