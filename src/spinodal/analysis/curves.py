"""What belongs together in a table of records: curves, their trajectories, and which rows are evidence."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Protocol, TypeVar, runtime_checkable

import polars as pl

from spinodal.records import SCHEMA

CURVE = (
    "task",
    "complexity",
    "samples",
    "activation",
    "bias",
    "depth",
    "width",
    "branch",
    "curve",
    "temperature",
)
"""Columns that are the same in all rows of a curve: its trajectories differ by their seeds and grids."""


def evidence() -> pl.Expr:
    """Rows that are minima as far as anybody looked: stationary, and not known to be saddles.

    A row that did not relax within its budget says where the state was when the budget ended, not where
    the branch is; close to a spinodal it smears the jump into a slope.
    """
    return pl.col("stationary").fill_null(False) & pl.col("minimum").fill_null(True)


def own_observables(table: pl.DataFrame) -> list[str]:
    """Return the names of the columns of numbers that the schema of the records does not have, where any is filled."""
    numeric = [name for name, dtype in table.schema.items() if dtype.is_numeric() and name not in SCHEMA]
    return [name for name in numeric if table[name].is_not_null().any()]


def trajectory() -> pl.Expr:
    """Name of the trajectory that a row belongs to: its point, or all one-stage points of a seed."""
    quenched = pl.format("quench of seed {}", pl.col("seed"))
    return pl.when(pl.col("stages") == 1).then(quenched).otherwise(pl.col("point"))


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
