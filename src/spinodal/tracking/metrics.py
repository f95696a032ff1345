"""Metrics: numbers of the records, under the names and against the axes that W&B draws them with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from spinodal.analysis import evidence, held
from spinodal.analysis.curves import own_observables
from spinodal.analysis.holding_times import survival as fractions_left
from spinodal.campaign import control
from spinodal.records import OBSERVED, TRAINING

STEPS = "training/steps"
"""The axis of the training curves: gradients spent since the branch began."""

TRAINED = "trained_steps"
"""The axis of all else where networks are not relaxed."""

HELD = "escape/time"
"""The axis of survival: since the noise began."""

SURVIVAL = "escape/survival"

AXES = (HELD, TRAINED, "temperature", "batch")
"""What else is drawn against the first of these that is in its row, or else against the control parameter."""

MOMENTS = 64
"""Points of a curve of survival."""


def axis_of(metric: str, row: Mapping[str, Any]) -> str:
    """Return what a metric is drawn against: the first key of its kind in its row."""
    return next(name for name in row if name.startswith("training/") == metric.startswith("training/"))


def finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what there is to draw: what is not known, or not a number, is left out."""
    known = {name: each for name, each in values.items() if each is not None}
    return {name: each for name, each in known.items() if not isinstance(each, float) or math.isfinite(each)}


def observed(rows: pl.DataFrame) -> pl.DataFrame:
    """Return what rows have of their stages: a user's own columns, too, truth as 0 and 1, and lists as their parts."""
    columns: list[pl.Expr] = []
    for name in (*OBSERVED, *own_observables(rows)):
        column, dtype = pl.col(name), rows.schema[name]
        if isinstance(dtype, pl.List):
            length = int(rows.select(column.list.len().max()).item() or 0)
            columns += [
                column.list.get(at, null_on_oob=True).alias(f"{name}/{at + 1}") for at in range(length)
            ]
        else:
            columns.append(column.cast(pl.Int64) if dtype == pl.Boolean else column)
    return rows.select(columns)


def means(rows: pl.DataFrame) -> pl.DataFrame:
    """Return means over replicas at each value of the control parameter: of minima, with standard errors `_se`.

    Of networks that were trained for a number of steps: at each of these, and of all, since none is relaxed.

    Args:
        rows: Of one branch.

    Returns:
        A row for each value, in the order of `rows`: `control_value`, how many `replicas` and `minima` there are, the
        means.
    """
    seen, counted = observed(rows), evidence() | pl.col(TRAINED).is_not_null()
    numeric = [name for name in seen.columns if seen.schema[name].is_numeric() and not name.endswith("_se")]
    columns = [name for name in numeric if name not in {"control_value", "stage", TRAINED}]
    place = ["control_value", *([TRAINED] if rows[TRAINED].is_not_null().any() else [])]
    flat = seen.with_columns(rows.select("seed", evidence().alias("_minimum"), counted.alias("_counted")))
    # A seed that was there on several ways counts once.
    seeds = flat.group_by(*place, "seed", maintain_order=True).agg(
        pl.col("_minimum").any(), pl.col(columns).cast(pl.Float64).filter("_counted").mean()
    )
    each = pl.col(columns)
    return seeds.group_by(place, maintain_order=True).agg(
        pl.len().alias("replicas"),
        pl.col("_minimum").sum().alias("minima"),
        each.mean(),
        (each.std() / each.count().sqrt()).name.suffix("_se"),
    )


def placed(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return what there is of a row: first what it is drawn against, and its control parameter under a name."""
    known = finite({**row, name: row["control_value"]})
    del known["control_value"]
    axis = next((each for each in AXES if each in known), name)
    return {axis: known[axis], **known}


def stages(rows: pl.DataFrame) -> dict[int, list[dict[str, Any]]]:
    """Return, stage by stage of a branch of a replica, the way to the minimum and what was measured there.

    Where the way ends, both stand in one row: each row costs time.
    """
    history, spent = {}, 0
    for row, seen in zip(rows.iter_rows(named=True), observed(rows).iter_rows(named=True), strict=True):
        moments = zip(*(row[name] or () for name in TRAINING), strict=True)
        way = [
            {STEPS: spent + steps} | finite({"training/loss": loss, "training/grad_max": grad_max})
            for steps, loss, grad_max in moments
        ]
        history[row["stage"]] = [*way[:-1], (way[-1] if way else {}) | placed(seen, control.name(row))]
        spent += row["steps"] or 0
    return history


def survival(rows: pl.DataFrame, name: str = SURVIVAL) -> list[dict[str, Any]]:
    """Return Kaplan and Meier's estimate of the part of replicas still in their phase, thinned, from 1 at time 0.

    Args:
        rows: Records of replicas that were held under the same noise; others are left out.
        name: Of the metric.
    """
    rows = held(rows)
    if rows.is_empty():
        return []
    times, fractions = fractions_left(rows["escape_time"].to_numpy(), rows["escaped"].to_numpy())
    kept = np.unique(np.append(0, np.linspace(1, len(times) - 1, MOMENTS).round().astype(int)))
    return [{HELD: float(times[place]), name: float(fractions[place])} for place in kept]
