"""Whether two observables, each looked at alone, put the transitions of every seed at the same λ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from spinodal.analysis.curves import CURVE, by_seed
from spinodal.analysis.jumps import RESOLUTION
from spinodal.analysis.seeds import APART, Jump, match, of_seeds, relaxed, trajectory_jumps
from spinodal.records import SCHEMA

_PLACE = ("l2_low", "l2_high", "location")

BESIDE = 2
"""So many rows on either side of a jump show it."""

STEEPER = 1.5
"""Where an observable is moves so many times as much per interval as around, a jump may hide."""


def agreement(table: pl.DataFrame, first: str = "error", second: str = "scalar_curvature") -> pl.DataFrame:
    """Find the jumps of two observables apart from each other, and put them side by side, seed by seed.

    Only rows that have both are looked at, so that both are judged on the same grid.

    Args:
        table: Records.
        first: Column.
        second: Column.

    Returns:
        One row per jump of a seed: the columns of `CURVE`, `seed`, and

        - `index`: of the transition, 1, 2, … from small to large λ over all seeds, as the first observable has
          it; null for what only the second shows;
        - `l2_low_<name>`, `l2_high_<name>` and `location_<name>`, their geometric mean, for both observables:
          null in the one that shows no jump within 25 % of the other's;
        - `agrees`: whether both show it, and within one spacing of the grid: their brackets touch.
    """
    names = (first, second)
    rows = []
    measured = table.filter(pl.col(name).is_finite() for name in names)
    for curve in measured.partition_by(CURVE, maintain_order=True):
        identity = curve.select(CURVE).row(0, named=True)
        jumps = [of_seeds(trajectory_jumps(curve, name)) for name in names]
        groups = match(jumps[0])
        index = {(jump.seed, jump.low): i for i, group in enumerate(groups, 1) for jump in group}
        ours, theirs = map(by_seed, jumps)
        for seed in dict.fromkeys((*ours, *theirs)):
            for one, other in _pairs(ours.get(seed, []), theirs.get(seed, [])):
                row = {
                    "seed": seed,
                    "index": index[one.seed, one.low] if one else None,
                    "agrees": one is not None and other is not None and _touch(one, other),
                }
                rows.append(identity | row | _place(one, first) | _place(other, second))
    schema = [(name, SCHEMA[name]) for name in (*CURVE, "seed")]
    schema += [("index", pl.Int64())]
    schema += [(f"{place}_{name}", pl.Float64()) for name in names for place in _PLACE]
    schema += [("agrees", pl.Boolean())]
    order = pl.coalesce(f"location_{name}" for name in names)
    return pl.DataFrame(rows, schema=schema).sort(*CURVE, "seed", order)


def accuracy_agreement(table: pl.DataFrame) -> pl.DataFrame:
    """Find the jumps of the accuracy and of R apart from each other, and which of them the grid may hide in one.

    Args:
        table: Records.

    Returns:
        The table that `agreement` returns for these two, with `hidden`: whether the observable that shows no jump may
        have one that the grid hides, as it has too few rows on either side, or is steeper there, and in the intervals
        next to it, than beyond these. False where both show a jump.
    """
    names = ("accuracy", "scalar_curvature")
    parts = []
    for kind in table.partition_by("task", "activation", maintain_order=True):
        found = agreement(_with_error(kind), *names)
        hidden = [not row["agrees"] and _hidden(kind, row, *names) for row in found.iter_rows(named=True)]
        parts.append(found.with_columns(hidden=pl.Series(hidden, dtype=pl.Boolean)))
    return pl.concat(parts) if parts else agreement(table, *names).with_columns(hidden=pl.lit(False))


def _with_error(kind: pl.DataFrame) -> pl.DataFrame:
    """An accuracy that counts samples is a frequency, with a frequency's standard error."""
    right = pl.col("accuracy") * pl.col("samples")
    counts = kind.select(((right - right.round()).abs() < 1e-6).all()).item()
    frequency = (pl.col("accuracy") * (1 - pl.col("accuracy")) / pl.col("samples")).sqrt()
    return kind.with_columns(accuracy_se=frequency) if counts else kind


def _hidden(table: pl.DataFrame, jump: dict[str, Any], *names: str) -> bool:
    """Whether the observable that shows no jump where the other does may have one."""
    silent = next((each for each in names if jump[f"location_{each}"] is None), None)
    if silent is None:
        return False
    loud = next(each for each in names if each != silent)
    identity = pl.DataFrame([{each: jump[each] for each in (*CURVE, "seed")}], schema_overrides=SCHEMA)
    rows = table.join(identity, on=[*CURVE, "seed"], how="semi", nulls_equal=True)
    rows = relaxed(rows, silent).sort("l2")
    l2, values = rows["l2"].to_numpy(), rows[silent].cast(pl.Float64).to_numpy()
    first = int(np.searchsorted(l2, jump[f"l2_low_{loud}"], side="right")) - 1
    last = int(np.searchsorted(l2, jump[f"l2_high_{loud}"]))
    if first < BESIDE or last > len(l2) - 1 - BESIDE:
        return True
    # A jump that is spread over neighbouring intervals looks like a slope, steeper than what comes before and after.
    before, there, after = np.abs(np.diff(values[[first - 2, first - 1, last + 1, last + 2]]))
    steepness = there / (last - first + 2)
    return bool(there > RESOLUTION * np.ptp(values) and steepness > STEEPER * 0.5 * (before + after))


def _pairs(ours: Sequence[Jump], theirs: Sequence[Jump]) -> Iterator[tuple[Jump | None, Jump | None]]:
    """Each jump with its nearest partner, the nearest pairs first; what is left over with none."""
    near = [(abs(a.place - b.place), i, j) for i, a in enumerate(ours) for j, b in enumerate(theirs)]
    free = set(range(len(ours))), set(range(len(theirs)))
    for distance, i, j in sorted(near):
        if i in free[0] and j in free[1] and (distance <= APART or _touch(ours[i], theirs[j])):
            free[0].remove(i)
            free[1].remove(j)
            yield ours[i], theirs[j]
    yield from ((ours[i], None) for i in free[0])
    yield from ((None, theirs[j]) for j in free[1])


def _touch(a: Jump, b: Jump) -> bool:
    return max(a.low, b.low) <= min(a.high, b.high)


def _place(jump: Jump | None, name: str) -> dict[str, Any]:
    values = (jump.low, jump.high, (jump.low * jump.high) ** 0.5) if jump else (None, None, None)
    return {f"{place}_{name}": value for place, value in zip(_PLACE, values, strict=True)}
