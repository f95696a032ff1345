"""Whether two observables, each looked at alone, put the transitions of every seed at the same λ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from spinodal.analysis.branch import joined
from spinodal.analysis.branches import Branches, Records, branches_of
from spinodal.analysis.curves import CURVE, grouped, results
from spinodal.analysis.jumps import RESOLUTION
from spinodal.analysis.seeds import APART, Jump

_PLACE = ("control_low", "control_high", "location")

BESIDE = 2
"""So many rows on either side of a jump show it."""

STEEPER = 1.5
"""Where an observable is moves so many times as much per interval as around, a jump may hide."""


def agreement(table: Records, first: str = "error", second: str = "scalar_curvature") -> pl.DataFrame:
    """Find the jumps of two observables apart from each other, and put them side by side, seed by seed.

    Only rows that have both are looked at, so that both are judged on the same grid.

    Returns:
        One row per jump of a seed: the columns of `CURVE`, `seed`, and

        - `index`: of the transition, 1, 2, … from small to large λ over all seeds, as the first observable has
          it; null for what only the second shows;
        - `control_low_<name>`, `control_high_<name>` and `location_<name>`, their geometric mean, for both observables:
          null in the one that shows no jump within 25 % of the other's;
        - `agrees`: whether both show it, and within one spacing of the grid: their brackets touch.
    """
    names = (first, second)
    both = branches_of(table, first).where(second)
    others = both.of(second)
    rows = []
    for identity, curve in both.items():
        index = {(jump.seed, jump.low): i for i, group in enumerate(curve.groups, 1) for jump in group}
        ours, theirs = grouped(curve.jumps), grouped(others[identity].jumps)
        for seed in dict.fromkeys((*ours, *theirs)):
            for one, other in _pairs(ours.get(seed, []), theirs.get(seed, [])):
                row = {
                    "seed": seed,
                    "index": index[one.seed, one.low] if one else None,
                    "agrees": one is not None and other is not None and _touch(one, other),
                }
                rows.append(curve.names | row | _place(one, first) | _place(other, second))
    places = (f"{place}_{name}" for name in names for place in _PLACE)
    found = results(rows, (*CURVE, "seed"), ("index", *places, "agrees"))
    return found.sort(*CURVE, "seed", pl.coalesce(f"location_{name}" for name in names))


def accuracy_agreement(table: pl.DataFrame) -> pl.DataFrame:
    """Find the jumps of the accuracy and of R apart from each other, and which of them the grid may hide in one.

    Returns:
        The table that `agreement` returns for these two, with `hidden`: whether the observable that shows no jump may
        have one that the grid hides, as it has too few rows on either side, or is steeper there, and in the intervals
        next to it, than beyond these. False where both show a jump.
    """
    names = ("accuracy", "scalar_curvature")
    parts = []
    for kind in table.partition_by("task", "network", "activation", maintain_order=True):
        branches = {name: branches_of(_with_error(kind), name) for name in names}
        found = agreement(branches[names[0]], *names)
        hidden = [not row["agrees"] and _hidden(branches, row) for row in found.iter_rows(named=True)]
        parts.append(found.with_columns(hidden=pl.Series(hidden, dtype=pl.Boolean)))
    return pl.concat(parts) if parts else agreement(table, *names).with_columns(hidden=pl.lit(False))


def _with_error(kind: pl.DataFrame) -> pl.DataFrame:
    """An accuracy that counts samples is a frequency, with a frequency's standard error."""
    right = pl.col("accuracy") * pl.col("samples")
    counts = kind.select(((right - right.round()).abs() < 1e-6).all()).item()
    frequency = (pl.col("accuracy") * (1 - pl.col("accuracy")) / pl.col("samples")).sqrt()
    return kind.with_columns(accuracy_se=frequency) if counts else kind


def _hidden(branches: dict[str, Branches], jump: dict[str, Any]) -> bool:
    """Whether the observable that shows no jump where the other does may have one."""
    silent = next((each for each in branches if jump[f"location_{each}"] is None), None)
    if silent is None:
        return False
    loud = next(each for each in branches if each != silent)
    curve = branches[silent][tuple(jump[each] for each in CURVE)]
    branch = joined([each for each in curve.branches if each.seed == jump["seed"]])
    control, values = branch.control, branch.values
    first = int(np.searchsorted(control, jump[f"control_low_{loud}"], side="right")) - 1
    last = int(np.searchsorted(control, jump[f"control_high_{loud}"]))
    if first < BESIDE or last > len(control) - 1 - BESIDE:
        return True
    # A jump that is spread over neighbouring intervals looks like a slope, steeper than what comes before and after.
    before, there, after = np.abs(np.diff(values[[first - 2, first - 1, last + 1, last + 2]]))
    steepness = there / (last - first + 2)
    return bool(there > RESOLUTION * np.ptp(values) and steepness > STEEPER * 0.5 * (before + after))


def _pairs(ours: Sequence[Jump], theirs: Sequence[Jump]) -> Iterator[tuple[Jump | None, Jump | None]]:
    """Each jump with its nearest partner, the nearest pairs first; what is left over with none."""
    near = sorted((abs(a.place - b.place), i, j) for i, a in enumerate(ours) for j, b in enumerate(theirs))
    left, right = dict(enumerate(ours)), dict(enumerate(theirs))
    for distance, i, j in near:
        if i in left and j in right and (distance <= APART or _touch(left[i], right[j])):
            yield left.pop(i), right.pop(j)
    yield from ((each, None) for each in left.values())
    yield from ((None, each) for each in right.values())


def _touch(a: Jump, b: Jump) -> bool:
    return max(a.low, b.low) <= min(a.high, b.high)


def _place(jump: Jump | None, name: str) -> dict[str, Any]:
    values = (jump.low, jump.high, (jump.low * jump.high) ** 0.5) if jump else (None, None, None)
    return {f"{place}_{name}": value for place, value in zip(_PLACE, values, strict=True)}
