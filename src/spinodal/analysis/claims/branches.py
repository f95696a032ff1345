"""The up branches that claims about transitions are judged by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from spinodal.analysis.claims.rules import FINER
from spinodal.analysis.curves import by_curve, evidence, surveyed
from spinodal.analysis.deep_linear import expected
from spinodal.analysis.resolution import shown
from spinodal.analysis.seeds import APART
from spinodal.theory import DeepLinear

if TYPE_CHECKING:
    from spinodal.analysis.findings import Findings

PREDICTED = pl.coalesce("control_exact", "control_estimate")
"""λ of a transition, as theory has it."""

EDGE = 3
"""So many λ on either side of a transition show it."""


@dataclass(frozen=True, eq=False)
class UpBranch:
    """An up branch, what was found on it, and what theory expects there."""

    identity: tuple[object, ...]
    """The columns of `CURVE`."""
    rows: pl.DataFrame
    transitions: pl.DataFrame
    """As of `Findings`, like the next."""
    unresolved: pl.DataFrame

    @cached_property
    def expected(self) -> DeepLinear | None:
        """Theory; None where it does not apply."""
        return expected(self.rows)

    @cached_property
    def shown(self) -> pl.DataFrame:
        """Transitions that theory's own E shows on its rows."""
        return shown(self.rows)

    @property
    def name(self) -> str:
        """Among those of a network."""
        return f"K = {self.rows['complexity'][0]}"

    @property
    def missing(self) -> list[float]:
        """Return λ of the transitions that are predicted within the grid, and were not found."""
        return self.transitions.filter(status="missing").select(PREDICTED).to_series().to_list()

    @property
    def unseen(self) -> str:
        """Return why the first that is missing would not be seen; empty if any would be, or none is missing."""
        reasons = [self.why_unseen(at) for at in self.missing]
        return reasons[0] if reasons and all(reasons) else ""

    def why_unseen(self, at: float) -> str:
        """Return why a transition that is predicted at some λ would not be seen; empty if it would be."""
        control = self.rows["control_value"].unique()
        if min((control < at).sum(), (control > at).sum()) < EDGE:
            return f"λ_sp = {at:.4g} is outside the grid, or at its end: a wider one decides"
        near = self.rows.filter(
            pl.col("control_value") > 0, (pl.col("control_value") / at).log().abs() <= APART
        )
        if only := near.filter(surveyed()).height:
            return f"{only} rows about λ_sp = {at:.4g} are only surveyed: relaxation=exact, or protocol.refine, decides"
        if unrelaxed := near.filter(~evidence()).height:
            return f"{unrelaxed} rows about λ_sp = {at:.4g} did not relax: more relaxation.max_steps decide"
        if matching(self.shown, at) is None:
            return f"too coarse a grid about λ_sp = {at:.4g}: {FINER}"
        return ""


def up_branches(
    found: Findings, rows: pl.DataFrame, family: Sequence[str], along: str
) -> Iterator[list[UpBranch]]:
    """Return the curves of up branches, family by family.

    Args:
        found: In the campaign.
        rows: Of the up branches that are asked for.
        family: Columns that networks of one family share.
        along: Column by which they are sorted.
    """
    transitions, unresolved = map(by_curve, (found.transitions, found.unresolved))
    nothing = found.transitions.clear(), found.unresolved.clear()
    for networks in rows.partition_by(family, maintain_order=True):
        yield [
            UpBranch(key, curve, transitions.get(key, nothing[0]), unresolved.get(key, nothing[1]))
            for key, curve in by_curve(networks.sort(along, maintain_order=True)).items()
        ]


def matching(transitions: pl.DataFrame, at: float | None) -> dict[str, Any] | None:
    """Return the transition that was found for the one predicted at some λ; without a prediction the last found."""
    found = transitions.drop_nulls("location").sort("location")
    if at is not None:
        found = found.filter((PREDICTED - at).abs() < 1e-12)
    return found.row(-1, named=True) if len(found) else None
