"""Jumps that a survey suggests, and which of them are found on exactly relaxed rows: none of it is evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from spinodal.analysis.curves import CURVE, of_curves, results, surveyed
from spinodal.analysis.transitions import find_transitions

ALONGSIDE = ("accuracy",)
"""Order parameters on either side."""

_SIDES = ("before", "after", *(f"{name}_{side}" for name in ALONGSIDE for side in ("before", "after")))
_COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("control_low", "control_high", *_SIDES), pl.Float64),
    **dict.fromkeys(("seeds", "seeds_all", "transition"), pl.Int64),
}


def apparent_jumps(records: pl.DataFrame, transitions: pl.DataFrame) -> pl.DataFrame:
    """Find where E seems to jump along curves with rows of a survey, if those counted like minima.

    Args:
        records: Of branches.
        transitions: As `find_transitions` returns them, of the rows that are evidence.

    Returns:
        The columns of `CURVE`; `control_low` and `control_high`, the bracket; E and accuracy `before` and `after` it;
        in how many `seeds`, of `seeds_all`; and `transition`, the `index` of the one that is found there on exactly
        relaxed rows alone, null as long as there is none.
    """
    curves = of_curves(records, records.filter(surveyed()))
    as_minima = curves.with_columns(criterion=pl.lit(None, pl.String))
    seen = find_transitions(as_minima, alongside=ALONGSIDE).filter(pl.col("order").fill_null(1) != 2)
    exact = transitions.rows_by_key(CURVE, named=True)
    rows = [row | {"transition": _within(row, exact.get(_of(row), ()))} for row in seen.iter_rows(named=True)]
    return results(rows, CURVE, _COLUMNS)


def _of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in CURVE)


def _within(row: Mapping[str, Any], exact: Iterable[Mapping[str, Any]]) -> int | None:
    """The first of some transitions whose bracket overlaps another."""
    there = (
        each
        for each in exact
        if each["control_low"] < row["control_high"] and row["control_low"] < each["control_high"]
    )
    return next((each["index"] for each in there), None)
