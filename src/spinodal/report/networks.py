"""The networks of a campaign: their curves with names, and which of them are drawn."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import polars as pl

from spinodal.analysis import CURVE
from spinodal.errors import UserError
from spinodal.report.names import BRANCHES, CurveName, curve_names, together

FIGURES = 12
"""So many networks are all drawn."""

EXAMPLES = 4
"""Of more, so many are."""

FAMILY = ("task", "network", "activation", "bias", "depth")
"""Networks that differ in these are shown first: each family has its share of the figures."""


@dataclass(frozen=True, eq=False)
class Curve:
    """One curve, and what was found on it."""

    identity: tuple[object, ...]
    """The columns of `CURVE`."""
    name: CurveName
    strengths: list[float]
    """c_k as measured; empty where they are not known."""
    records: pl.DataFrame
    transitions: pl.DataFrame
    """As `Findings.transitions`."""
    unresolved: pl.DataFrame
    """As `Findings.unresolved`."""

    def of(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of a table with the columns of `CURVE` that are of this curve."""
        return of_curves(table, [self])


@dataclass(frozen=True, eq=False)
class Network:
    """The branches of one network on its data."""

    name: CurveName
    curves: list[Curve]
    drawn: bool = False

    @property
    def records(self) -> pl.DataFrame:
        """Of all its curves."""
        return pl.concat([curve.records for curve in self.curves])

    @property
    def transitions(self) -> pl.DataFrame:
        """Of all its curves."""
        return pl.concat([curve.transitions for curve in self.curves])

    def of(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of a table with the columns of `CURVE` that are of this network."""
        return of_curves(table, self.curves)


def of_curves(table: pl.DataFrame, curves: Sequence[Curve]) -> pl.DataFrame:
    """Return the rows of a table with the columns of `CURVE` that are of some curves."""
    if table.is_empty():
        return table
    schema = {name: table.schema[name] for name in CURVE}
    identities = pl.DataFrame([curve.identity for curve in curves], schema, orient="row")
    return table.join(identities, on=CURVE, how="semi", nulls_equal=True, maintain_order="left")


def make_networks(
    records: pl.DataFrame, transitions: pl.DataFrame, unresolved: pl.DataFrame, patterns: Sequence[str] = ()
) -> list[Network]:
    """Put together what was found on each curve, and the curves that differ only in their branches.

    Args:
        records: Of branches.
        transitions: As `Findings.transitions`.
        unresolved: As `Findings.unresolved`.
        patterns: Of names of networks or curves, as in "*-K3-*": those to draw. By default all, or a choice of many.

    Raises:
        UserError: If a pattern matches nothing.
    """
    identities = records.select(CURVE).unique().sort(CURVE)
    rows, found, steep = (
        table.partition_by(CURVE, maintain_order=True, as_dict=True)
        for table in (records, transitions, unresolved)
    )
    networks: dict[tuple[str, str], list[Curve]] = {}
    for name, identity in zip(curve_names(identities), identities.rows(), strict=True):
        curve = Curve(
            identity,
            name,
            next(iter(rows[identity]["strengths"].drop_nulls().to_list()), []),
            rows[identity],
            found.get(identity, transitions.clear()),
            steep.get(identity, unresolved.clear()),
        )
        networks.setdefault((name.data, name.model), []).append(curve)
    made = [_network(curves) for curves in networks.values()]
    drawn = set(chosen(made, patterns))
    return [Network(each.name, each.curves, place in drawn) for place, each in enumerate(made)]


def _network(curves: list[Curve]) -> Network:
    order = [*BRANCHES, *(curve.name.branch for curve in curves)]
    curves = sorted(curves, key=lambda curve: order.index(curve.name.branch))
    return Network(together([curve.name for curve in curves]), curves)


def jobs(curves: Iterable[Curve]) -> set[str]:
    """Return those that computed some curves."""
    return {job for curve in curves for job in curve.records["job"].drop_nulls().unique()}


def chosen(networks: Sequence[Network], patterns: Sequence[str] = ()) -> list[int]:
    """Choose the networks to draw: all if they are few; else some of every family, spread over it.

    Args:
        networks: Of the campaign.
        patterns: Of names of figures, as in "*-K3-*"; if there are any, exactly what they match.

    Returns:
        Places in `networks`, rising.

    Raises:
        UserError: If a pattern matches nothing.
    """
    if patterns:
        for pattern in patterns:
            if not any(_named(network, pattern) for network in networks):
                some = ", ".join(network.name.file for network in networks[:3])
                more = f", … ({len(networks)})" if len(networks) > 3 else ""
                raise UserError(f"--curve {pattern}: no such curve; there are {some}{more}")
        return [i for i, network in enumerate(networks) if any(_named(network, each) for each in patterns)]
    if len(networks) <= FIGURES:
        return list(range(len(networks)))
    return spread([network.curves[0].records.select(FAMILY).row(0) for network in networks], EXAMPLES)


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
    picked = (
        each[place]
        for each, share in zip(members.values(), shares, strict=True)
        for place in np.linspace(0, len(each) - 1, share).round().astype(int)
    )
    return sorted(picked)


def _named(network: Network, pattern: str) -> bool:
    names = (network.name.file, *(curve.name.file for curve in network.curves))
    return any(fnmatchcase(name, pattern) for name in names)
