"""From branches with repeated seeds to one row per transition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from spinodal.analysis.curves import CURVE, trajectory
from spinodal.analysis.seeds import Jump, curve_jumps
from spinodal.records import SCHEMA

ALONGSIDE = ("accuracy", "norm", "learned_features")
"""Order parameters told before and after each transition, where they were measured."""

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
        seeds_all = curve.select(trajectory().n_unique()).item()
        for index, group in enumerate(curve_jumps(curve, observable, alongside), start=1):
            counts = {"index": index, "seeds": len(group), "seeds_all": seeds_all}
            rows.append(identity | counts | _transition(group, observable, alongside))
    sides = [f"{name}_{side}" for name in alongside for side in ("before", "after")]
    schema = [(name, SCHEMA[name]) for name in CURVE]
    schema += [(name, pl.Int64()) for name in ("index", *_COUNTED)]
    schema += [(name, pl.Float64()) for name in (*_MEASURED, *sides)]
    return pl.DataFrame(rows, schema=schema).sort(*CURVE, "index")


def _transition(group: Sequence[Jump], observable: str, alongside: Sequence[str]) -> dict[str, Any]:
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
