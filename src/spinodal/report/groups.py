"""What is drawn in one figure, and of how many: a reader looks at a dozen figures, not at five hundred."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import polars as pl

from spinodal.analysis import CURVE
from spinodal.errors import UserError
from spinodal.report.names import BRANCHES, CurveName, curve_names, together

FIGURES = 12
"""So many groups are all drawn."""

EXAMPLES = 4
"""Of more, so many are."""

FAMILY = ("task", "activation", "bias", "depth")
"""Networks that differ in these are shown first: each family has its share of the figures."""


@dataclass(frozen=True, eq=False)
class CurveReport:
    """What was found on one curve, all of it on E."""

    name: CurveName
    strengths: list[float]
    """c_k as measured; empty if nobody did."""
    records: pl.DataFrame
    transitions: pl.DataFrame
    """As `compare` returns them."""
    unresolved: pl.DataFrame
    """As the function of that name returns them."""


@dataclass(frozen=True, eq=False)
class Group:
    """The branches of one network on its data."""

    name: CurveName
    curves: list[CurveReport]
    figure: Path | None = None
    """Without suffix: it is there as PNG and as PDF. None if the group is not among those drawn."""

    @property
    def records(self) -> pl.DataFrame:
        """Of all its curves."""
        return pl.concat([curve.records for curve in self.curves])

    @property
    def transitions(self) -> pl.DataFrame:
        """Of all its curves."""
        return pl.concat([curve.transitions for curve in self.curves])


def make_groups(records: pl.DataFrame, compared: pl.DataFrame, unresolved: pl.DataFrame) -> list[Group]:
    """Put together what was found on each curve, and the curves that differ only in their branches.

    Args:
        records: Of the campaign.
        compared: Its transitions, as `compare` returns them.
        unresolved: As the function of that name returns it.
    """
    identities = records.select(CURVE).unique().sort(CURVE)
    rows, transitions, steep = (
        table.partition_by(CURVE, maintain_order=True, as_dict=True)
        for table in (records, compared, unresolved)
    )
    groups: dict[tuple[str, str], list[CurveReport]] = {}
    for name, identity in zip(curve_names(identities), identities.rows(), strict=True):
        curve = CurveReport(
            name,
            _strengths(rows[identity]),
            rows[identity],
            transitions.get(identity, compared.clear()),
            steep.get(identity, unresolved.clear()),
        )
        groups.setdefault((name.data, name.model), []).append(curve)
    return [_group(curves) for curves in groups.values()]


def jobs(curves: Iterable[CurveReport]) -> set[str]:
    """That computed some curves."""
    return {job for curve in curves for job in curve.records["job"].drop_nulls().unique()}


def _group(curves: list[CurveReport]) -> Group:
    order = [*BRANCHES, *(curve.name.branch for curve in curves)]
    curves = sorted(curves, key=lambda curve: order.index(curve.name.branch))
    return Group(together([curve.name for curve in curves]), curves)


def _strengths(rows: pl.DataFrame) -> list[float]:
    measured = rows["strengths"].drop_nulls()
    return [] if measured.is_empty() else measured[0].to_list()


def chosen(groups: Sequence[Group], patterns: Sequence[str] = ()) -> list[int]:
    """Which groups to draw: all if they are few; else some of every family, spread over it.

    Args:
        groups: Of the campaign.
        patterns: Of names of figures, as in "*-K3-*"; if there are any, exactly what they match.

    Returns:
        Places in `groups`, rising.

    Raises:
        UserError: If a pattern matches nothing.
    """
    if patterns:
        for pattern in patterns:
            if not any(_named(group, pattern) for group in groups):
                some = ", ".join(group.name.file for group in groups[:3])
                more = f", … ({len(groups)})" if len(groups) > 3 else ""
                raise UserError(f"--curve {pattern}: no such curve; there are {some}{more}")
        return [i for i, group in enumerate(groups) if any(_named(group, each) for each in patterns)]
    if len(groups) <= FIGURES:
        return list(range(len(groups)))
    return spread([group.curves[0].records.select(FAMILY).row(0) for group in groups], EXAMPLES)


def spread(families: Sequence[Hashable], count: int) -> list[int]:
    """Choose some of every family, from all over it.

    Args:
        families: That of each member.
        count: How many to choose: one after the other from each family in turn, as long as it has any left.

    Returns:
        Places in `families`, rising.
    """
    members: dict[Hashable, list[int]] = {}
    for place, family in enumerate(families):
        members.setdefault(family, []).append(place)
    turns = sorted((turn, key) for key, each in enumerate(members.values()) for turn, _ in enumerate(each))
    shares = np.bincount([key for _, key in turns[:count]], minlength=len(members))
    chosen = (
        each[place]
        for each, share in zip(members.values(), shares, strict=True)
        for place in np.linspace(0, len(each) - 1, share).round().astype(int)
    )
    return sorted(chosen)


def _named(group: Group, pattern: str) -> bool:
    names = (group.name.file, *(curve.name.file for curve in group.curves))
    return any(fnmatchcase(name, pattern) for name in names)
