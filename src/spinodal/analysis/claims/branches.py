"""The up branches that claims about transitions are judged by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from spinodal.analysis.claims.rules import FINER
from spinodal.analysis.curves import CURVE, evidence
from spinodal.analysis.deep_linear import Expected, expected
from spinodal.analysis.seeds import APART

if TYPE_CHECKING:
    from spinodal.analysis.findings import Findings

PREDICTED = pl.coalesce("l2_exact", "l2_estimate")
"""λ of a transition, as theory has it."""

EDGE = 3
"""So many λ on either side of a transition show it."""


@dataclass(frozen=True, eq=False)
class UpBranch:
    """An up branch: its records, what was found on it, and what theory expects there, each looked up once."""

    rows: pl.DataFrame
    found: Findings

    @property
    def identity(self) -> tuple[object, ...]:
        """The columns of `CURVE`."""
        return self.rows.select(CURVE).row(0)

    @property
    def name(self) -> str:
        """Among those of a network."""
        return f"K = {self.rows['complexity'][0]}"

    @cached_property
    def expected(self) -> Expected | None:
        """Return where theory has the transitions; None where it does not apply."""
        return expected(self.rows)

    @cached_property
    def transitions(self) -> pl.DataFrame:
        """Return those found and predicted."""
        return self._own(self.found.transitions)

    @cached_property
    def shown(self) -> pl.DataFrame:
        """Return those that theory's own E shows on the same rows; empty where theory does not apply."""
        return self._own(self.found.shown)

    @cached_property
    def unresolved(self) -> pl.DataFrame:
        """Return the stretches in which E moves steeply."""
        return self._own(self.found.unresolved)

    @property
    def missing(self) -> list[float]:
        """Return λ of the transitions that are predicted within the grid, and were not found."""
        return self.transitions.filter(status="missing").select(PREDICTED).to_series().to_list()

    @cached_property
    def unseen(self) -> str:
        """Return why the first that is missing would not be seen; empty if any would be, or none is missing."""
        reasons = [self.why_unseen(at) for at in self.missing]
        return reasons[0] if reasons and all(reasons) else ""

    def _own(self, table: pl.DataFrame) -> pl.DataFrame:
        return table.join(self.rows.select(CURVE).head(1), on=CURVE, how="semi", nulls_equal=True)

    def why_unseen(self, at: float) -> str:
        """Return why a transition that is predicted at some λ would not be seen; empty if it would be."""
        l2 = self.rows["l2"].unique()
        if min((l2 < at).sum(), (l2 > at).sum()) < EDGE:
            return f"λ_sp = {at:.4g} is outside the grid, or at its end: a wider one decides"
        near = self.rows.filter(pl.col("l2") > 0, (pl.col("l2") / at).log().abs() <= APART)
        if unrelaxed := near.filter(~evidence()).height:
            return f"{unrelaxed} rows about λ_sp = {at:.4g} did not relax: more relaxation.max_steps decide"
        if matching(self.shown, at) is None:
            return f"too coarse a grid about λ_sp = {at:.4g}: {FINER}"
        return ""


def up_branches(found: Findings, rows: pl.DataFrame) -> Iterator[UpBranch]:
    """The curves of some rows of up branches, in their order."""
    for curve in rows.partition_by(CURVE, maintain_order=True):
        yield UpBranch(curve, found)


def matching(transitions: pl.DataFrame, at: float | None) -> dict[str, Any] | None:
    """Return the transition that was found for the one predicted at some λ; without a prediction the last found."""
    found = transitions.drop_nulls("location").sort("location")
    if at is not None:
        found = found.filter((PREDICTED - at).abs() < 1e-12)
    return found.row(-1, named=True) if len(found) else None
