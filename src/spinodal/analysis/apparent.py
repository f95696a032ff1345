"""Jumps that a survey suggests, and which of them are found on exactly relaxed rows: none of it is evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from spinodal.analysis.curves import CURVE, of_curves, results, surveyed, trajectory
from spinodal.analysis.transitions import find_transitions

ALONGSIDE = ("accuracy", "rank")
"""Order parameters on either side."""

_SIDES = ("before", "after", *(f"{name}_{side}" for name in ALONGSIDE for side in ("before", "after")))
_COLUMNS = ("control_low", "control_high", *_SIDES, "seeds", "seeds_all", "jumps", "transition")


def apparent_jumps(records: pl.DataFrame, transitions: pl.DataFrame) -> pl.DataFrame:
    """Find where E seems to jump, or `rank` changes, along curves with rows of a survey, if those counted like minima.

    Args:
        records: Of branches.
        transitions: As `find_transitions` returns them, of the rows that are evidence.

    Returns:
        A row for each place, sorted by curve and λ: the columns of `CURVE`; `control_low` and `control_high`, the
        bracket; E, accuracy and rank `before` and `after` it; in how many `seeds`, of `seeds_all`; `jumps`, whether E
        seems to jump there: where it is false `rank` changes, but on this grid E shows no jump; and `transition`, the
        `index` of the one that is found there on exactly relaxed rows alone, null as long as there is none.
    """
    curves = of_curves(records, records.filter(surveyed()))
    as_minima = curves.with_columns(criterion=pl.lit(None, pl.String))
    seen = find_transitions(as_minima, alongside=ALONGSIDE).filter(pl.col("order").fill_null(1) != 2)
    jumps, exact = (table.rows_by_key(CURVE, named=True) for table in (seen, transitions))
    rows = [row | {"jumps": True} for row in seen.iter_rows(named=True)]
    rows += [
        row | {"jumps": False}
        for row in _changes(curves).iter_rows(named=True)
        if not any(_overlap(row, each) for each in jumps.get(_of(row), ()))
    ]
    rows = [row | {"transition": _within(row, exact.get(_of(row), ()))} for row in rows]
    return results(rows, CURVE, _COLUMNS).sort(*CURVE, "control_low")


def _changes(curves: pl.DataFrame) -> pl.DataFrame:
    """Between which neighbouring λ of a path the rank of a network changes, and in how many seeds."""
    path = (*CURVE, "_name")
    sides = {"": "error", **{f"{name}_": name for name in ALONGSIDE}}
    changed = (
        curves.filter("stationary")
        .sort("stage", "control_value")
        .with_columns(_name=trajectory(), seeds_all=pl.col("seed").n_unique().over(CURVE))
        .with_columns(pl.col("control_value", *sides.values()).shift().over(path).name.prefix("_"))
        .filter(pl.col("rank") != pl.col("_rank"))
        .with_columns(
            control_low=pl.min_horizontal("_control_value", "control_value"),
            control_high=pl.max_horizontal("_control_value", "control_value"),
        )
    )
    return changed.group_by(*CURVE, "control_low", "control_high").agg(
        *(pl.col(f"_{name}").mean().alias(f"{side}before") for side, name in sides.items()),
        *(pl.col(name).mean().alias(f"{side}after") for side, name in sides.items()),
        pl.col("seed").n_unique().alias("seeds"),
        pl.col("seeds_all").first(),
    )


def _of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in CURVE)


def _overlap(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return bool(one["control_low"] < other["control_high"] and other["control_low"] < one["control_high"])


def _within(row: Mapping[str, Any], exact: Iterable[Mapping[str, Any]]) -> int | None:
    """The first of some transitions whose bracket overlaps another."""
    return next((each["index"] for each in exact if _overlap(each, row)), None)
