"""What belongs together in a table of records: curves, their trajectories, and which rows are evidence."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, TypeVar

import polars as pl

from spinodal import theory
from spinodal.records import SCHEMA

CURVE = (
    *("task", "complexity", "samples", "network", "activation", "bias", "depth", "width"),
    *("control", "held", "branch", "curve", "temperature"),
)
"""Columns that are the same in all rows of a curve: its trajectories differ by their seeds and grids."""

QUIET = pl.col("hold_time").is_null()
"""Rows that no noise has carried on."""

TYPES: Mapping[str, Any] = {
    **dict.fromkeys(("index", "order", "seeds", "seeds_all", "seeds_changing", "unrelaxed"), pl.Int64),
    **dict.fromkeys(("transition", "feature", "features", "lost", "relearned", "runs"), pl.Int64),
    **dict.fromkeys(("replicas", "escaped", "temperatures", "fitted", "left", "generalised"), pl.Int64),
    **dict.fromkeys(("value", "family", "from_onset", "trajectories"), pl.Int64),
    **dict.fromkeys(("fit_pairs", "leave_pairs", "generalise_pairs"), pl.Int64),
    **dict.fromkeys(("axis", "observable", "curve_up", "evidence"), pl.String),
    **dict.fromkeys(("agrees", "enough", "foretold", "jumps", "rests", "loss_falls"), pl.Boolean),
}
"""Types of the columns of results that are no columns of the records; all others are numbers."""


def curve_but(*names: str) -> tuple[str, ...]:
    """Return the columns of `CURVE` without some: what curves share that differ in these only."""
    return tuple(name for name in CURVE if name not in names)


def surveyed() -> pl.Expr:
    """Rows of a survey: nearly at rest, and not looked at any further."""
    return (pl.col("criterion") == "flow").fill_null(False)


def evidence() -> pl.Expr:
    """Rows that are minima as far as anybody looked: stationary, not known to be saddles, and not only surveyed.

    A row that did not relax within its budget says where the state was when the budget ended, not where
    the branch is; close to a spinodal it smears the jump into a slope.
    """
    return pl.col("stationary").fill_null(False) & pl.col("minimum").fill_null(True) & ~surveyed()


def order_parameter(rows: pl.DataFrame) -> str:
    """Name the column that counts what the networks of some rows of one curve have learned.

    Args:
        rows: Of the records, at least one. Where `rank` is not known of all of them, as of those recorded before there
            was such a column, it is `learned_features`.
    """
    if "rank" not in rows.columns or rows["rank"].null_count():
        return "learned_features"
    facts = ("task", "error_name", "network", "activation")
    return theory.order_parameter({name: rows[name][0] for name in facts})


def network_name(row: Mapping[str, Any]) -> str:
    """Name the kind of network of a row: as in "deep linear", "tanh" or, of no fully connected one, "CNN, tanh"."""
    kind, activation = row["network"], row["activation"]
    if kind:
        return f"{kind}, {activation}" if activation else str(kind)
    return "deep linear" if activation == "linear" else str(activation or "network")


def described(row: Mapping[str, Any]) -> str:
    """Name task and kind of network of a row."""
    return f"{str(row['task']).replace('_', ' ')}, {network_name(row)}"


def own_observables(table: pl.DataFrame) -> list[str]:
    """Return the names of the columns of numbers that the schema of the records does not have, where any is filled."""
    numeric = [name for name, dtype in table.schema.items() if dtype.is_numeric() and name not in SCHEMA]
    return [name for name in numeric if table[name].is_not_null().any()]


def trajectory() -> pl.Expr:
    """Name of the trajectory that a row belongs to: its point, or all one-stage points of a seed."""
    quenched = pl.format("quench of seed {}", pl.col("seed"))
    return pl.when(pl.col("stages") == 1).then(quenched).otherwise(pl.col("point"))


def of_curves(table: pl.DataFrame, curves: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a table that are of the curves that another has rows of."""
    return table.join(curves.select(CURVE), on=CURVE, how="semi", nulls_equal=True)


def by_curve(table: pl.DataFrame) -> dict[tuple[Any, ...], pl.DataFrame]:
    """Return the rows of each curve of a table with the columns of `CURVE`, by their values, in its order."""
    places = [table.get_column_index(name) for name in CURVE]
    return {
        tuple(first[place] for place in places): part
        for part in table.partition_by(CURVE, maintain_order=True)
        for first in [part.row(0)]
    }


def results(
    rows: Iterable[Mapping[str, Any]], recorded: Sequence[str], columns: Iterable[str], **types: Any
) -> pl.DataFrame:
    """Return a table of results.

    Args:
        rows: Values by column; what a row lacks is null, and what is no column is left out.
        recorded: The first columns, which are columns of the records.
        columns: Those after them, of types as in `TYPES`.
        types: Of those that are of another one here.
    """
    known = {**TYPES, **types}
    schema: dict[str, Any] = {name: SCHEMA[name] for name in recorded}
    schema |= {name: known.get(name, pl.Float64) for name in columns}
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


def per_group(
    table: pl.DataFrame,
    keys: Sequence[str],
    columns: Iterable[str],
    find: Callable[[pl.DataFrame], Mapping[str, Any] | None],
    **types: Any,
) -> pl.DataFrame:
    """Return a table of results with a row for each group of rows that agree in some columns.

    Args:
        table: Of records, or what was found in them.
        keys: Columns of the records that the rows of a group agree in, and the first of the result.
        columns: As of `results`.
        find: From a group to its values by column; None if there is to be no row.
        types: As of `results`.
    """
    groups = table.partition_by(keys, as_dict=True, maintain_order=True).items()
    rows = [
        {**dict(zip(keys, identity, strict=True)), **found}
        for identity, part in groups
        if (found := find(part)) is not None
    ]
    return results(rows, keys, columns, **types)


Found = TypeVar("Found")


def grouped(found: Iterable[Found], name: str = "seed") -> dict[Hashable, list[Found]]:
    """Group trajectories, or what was found on some, by an attribute, in the order of first appearance.

    By default by seed: what is of one seed counts once.
    """
    groups: dict[Hashable, list[Found]] = {}
    for each in found:
        groups.setdefault(attrgetter(name)(each), []).append(each)
    return groups
