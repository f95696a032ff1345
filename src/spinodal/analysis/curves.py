"""What belongs together in a table of records: curves, their trajectories, and which rows are evidence."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import polars as pl

from spinodal import theory
from spinodal.records import SCHEMA

CURVE = (
    "task",
    "complexity",
    "samples",
    "network",
    "activation",
    "bias",
    "depth",
    "width",
    "control",
    "held",
    "branch",
    "curve",
    "temperature",
)
"""Columns that are the same in all rows of a curve: its trajectories differ by their seeds and grids."""


def curve_but(*names: str) -> tuple[str, ...]:
    """Return the columns of `CURVE` without some: what curves share that differ in these only."""
    return tuple(name for name in CURVE if name not in names)


NETWORK = (*curve_but("branch", "curve"), "error_name", "noise", "parameters")
"""Columns in which an up and a down branch agree if they are of one network and its data."""


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
    """Name the kind of network of a row: as in "deep linear", "tanh" or, of no fully connected one, "CNN, tanh".

    Args:
        row: With `network` and `activation`, as in the records.
    """
    kind, activation = row["network"], row["activation"]
    if kind:
        return f"{kind}, {activation}" if activation else str(kind)
    return "deep linear" if activation == "linear" else str(activation or "network")


def own_observables(table: pl.DataFrame) -> list[str]:
    """Return the names of the columns of numbers that the schema of the records does not have, where any is filled."""
    numeric = [name for name, dtype in table.schema.items() if dtype.is_numeric() and name not in SCHEMA]
    return [name for name in numeric if table[name].is_not_null().any()]


def trajectory() -> pl.Expr:
    """Name of the trajectory that a row belongs to: its point, or all one-stage points of a seed."""
    quenched = pl.format("quench of seed {}", pl.col("seed"))
    return pl.when(pl.col("stages") == 1).then(quenched).otherwise(pl.col("point"))


def of_curves(table: pl.DataFrame, curves: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a table that are of some curves.

    Args:
        table: With the columns of `CURVE`, as is the next.
        curves: Rows of these curves.
    """
    return table.join(curves.select(CURVE), on=CURVE, how="semi", nulls_equal=True)


def results(
    rows: Iterable[Mapping[str, Any]],
    recorded: Sequence[str],
    columns: Mapping[str, Any],
) -> pl.DataFrame:
    """Return a table of results.

    Args:
        rows: Values by column; what a row lacks is null, and what is no column is left out.
        recorded: The first columns, which are columns of the records.
        columns: Those after them, with their types.
    """
    schema: dict[str, Any] = {**{name: SCHEMA[name] for name in recorded}, **columns}
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


@runtime_checkable
class OfSeed(Protocol):
    """A trajectory, or what was found on one."""

    @property
    def seed(self) -> Hashable:
        """Of its replica."""


Seeded = TypeVar("Seeded", bound=OfSeed)


def by_seed(found: Iterable[Seeded]) -> dict[Hashable, list[Seeded]]:
    """Group by seed, in the order of their first appearance: what is of one seed counts once."""
    groups: dict[Hashable, list[Seeded]] = {}
    for each in found:
        groups.setdefault(each.seed, []).append(each)
    return groups
