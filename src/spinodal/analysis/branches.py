"""The curves of a table of records, with their branches and where these jump: found once, and shared."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from spinodal import theory
from spinodal.analysis.branch import Branch, read_branches
from spinodal.analysis.curves import CURVE
from spinodal.analysis.ends import with_ends
from spinodal.analysis.seeds import Jump, branch_jumps, match, of_seeds

OF_ERROR = ("error", "test_error", "accuracy", "test_accuracy")
"""E, and what is a function of E."""

Identity = tuple[Any, ...]
"""The values of the columns of `CURVE`."""


@dataclass(frozen=True, eq=False)
class Curve:
    """One curve of a table: its branches, and the jumps on them."""

    identity: Identity
    branches: list[Branch]

    @property
    def names(self) -> dict[str, Any]:
        """Its identity, by column."""
        return dict(zip(CURVE, self.identity, strict=True))

    @property
    def power(self) -> float:
        """Power of λ in which the observable is a straight line far from a transition.

        So a minimum leaves λ = 0: E, and what is a function of E, with λ², as far as theory knows the penalty. R is
        no exception to the others: ∇²E changes with θ*, which moves with λ.
        """
        of_error = self.branches[0].observable in OF_ERROR
        return 2.0 if of_error and theory.leaves_quadratically(self.names) else 1.0

    @cached_property
    def records(self) -> pl.DataFrame:
        """All of its rows, trajectory by trajectory."""
        return pl.concat([branch.columns.records[branch.stages] for branch in self.branches])

    @cached_property
    def found(self) -> list[list[Jump]]:
        """The jumps of each branch."""
        return [branch_jumps(branch, self.power) for branch in self.branches]

    @cached_property
    def jumps(self) -> list[Jump]:
        """Those of each seed, once each."""
        return of_seeds([jump for own in self.found for jump in own])

    @cached_property
    def groups(self) -> list[list[Jump]]:
        """The same, one group per transition, from small to large λ."""
        return match(self.jumps)


class Branches(dict[Identity, Curve]):
    """The curves of a table by their identities, in its order."""

    def __init__(self, records: pl.DataFrame, observable: str, curves: Iterable[Curve]) -> None:
        """Hold what was read."""
        super().__init__((curve.identity, curve) for curve in curves)
        self.records = records
        self.observable = observable

    @cached_property
    def followed(self) -> dict[Identity, list[list[Jump]]]:
        """The groups of each curve, with the `ends` of all jumps: the branches are followed all at once."""
        jumps = [jump for curve in self.values() for group in curve.groups for jump in group]
        ends = iter(with_ends(jumps))
        return {key: [[next(ends) for _ in group] for group in curve.groups] for key, curve in self.items()}

    def filter(self, rows: pl.Expr) -> Branches:
        """Return the branches of the rows for which an expression holds: these, if it holds for all."""
        kept = self.records.filter(rows)
        return self if len(kept) == len(self.records) else branches_of(kept, self.observable)

    def among(self, curves: pl.DataFrame) -> Branches:
        """Return the curves that a table has rows of."""
        wanted = set(curves.select(CURVE).unique().rows())
        return Branches(self.records, self.observable, [self[key] for key in self if key in wanted])

    def of(self, observable: str) -> Branches:
        """Return the rows that have another observable, too, for that one."""
        if observable == self.observable:
            return self
        return Branches(self.records, observable, self._changed(lambda branch: branch.of(observable)))

    def where(self, name: str) -> Branches:
        """Return the rows that have a value in another column."""
        return Branches(self.records, self.observable, self._changed(lambda branch: branch.where(name)))

    def _changed(self, change: Callable[[Branch], Branch]) -> Iterable[Curve]:
        """Curves with other branches; those that stay as they are keep the jumps that were found on them."""
        for curve in self.values():
            branches = [change(branch) for branch in curve.branches]
            same = all(new is old for new, old in zip(branches, curve.branches, strict=True))
            yield curve if same else Curve(curve.identity, branches)


Records = pl.DataFrame | Branches
"""What finders take: records, or what was read from them, to share what is found."""


def branches_of(records: Records, observable: str = "error") -> Branches:
    """Return the branches of records for an observable; branches are returned as they are, if it is their own."""
    if isinstance(records, Branches):
        return records.of(observable)
    read = read_branches(records, observable)
    return Branches(records, observable, [Curve(identity, own) for identity, own in read.items()])
