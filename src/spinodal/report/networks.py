"""The networks of a campaign: their curves with names, which of them are drawn, and which stand in one figure."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from spinodal.analysis import CURVE
from spinodal.analysis.curves import of_curves
from spinodal.errors import UserError
from spinodal.report.names import BRANCHES, CurveName, capitalised, curve_names, together
from spinodal.report.numbers import listed

FIGURES = 12
"""So many networks are all drawn."""

EXAMPLES = 4
"""Of more, so many are."""

FAMILY = ("task", "network", "activation", "bias", "depth")
"""Networks that differ in these are shown first: each family has its share of the figures."""

ALIKE = ("task", "complexity", "samples", "network", "activation", "bias", "width", "temperature")
"""Networks that share these may stand side by side."""

BESIDE = 4
"""So many columns are legible."""


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
    drawn: bool = False

    def key(self, columns: Sequence[str]) -> tuple[Any, ...]:
        """Return some of the columns of `CURVE`."""
        facts = dict(zip(CURVE, self.identity, strict=True))
        return tuple(facts[name] for name in columns)

    @property
    def complexity(self) -> Any:
        """Return K, None where it is not known."""
        return self.key(["complexity"])[0]

    @property
    def strengths_sentence(self) -> str:
        """Return the strengths in a sentence, for the end of a caption; nothing where they are not known."""
        return f" Strengths {listed(self.strengths)}." if self.strengths else ""

    def of(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of a table with the columns of `CURVE` that are of this curve."""
        return table if table.is_empty() else of_curves(table, self.records.head(1))


@dataclass(frozen=True, eq=False)
class Network:
    """The branches of one network on its data."""

    name: CurveName
    curves: list[Curve]

    @property
    def drawn(self) -> bool:
        """Whether it is: with all its curves, or not at all."""
        return self.curves[0].drawn

    @property
    def records(self) -> pl.DataFrame:
        """Of all its curves."""
        return pl.concat([curve.records for curve in self.curves])

    @property
    def transitions(self) -> pl.DataFrame:
        """Of all its curves."""
        return pl.concat([curve.transitions for curve in self.curves])

    @property
    def depth(self) -> str:
        """Return what stands above its column where several depths share a figure."""
        return f"depth {self.curves[0].key(['depth'])[0]}"

    def of(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of a table with the columns of `CURVE` that are of this network."""
        return of_curves(table, pl.concat([curve.records.head(1) for curve in self.curves]))

    def matches(self, pattern: str) -> bool:
        """Return whether its name, or that of a curve, matches a pattern as of files."""
        names = (self.name.file, *(curve.name.file for curve in self.curves))
        return any(fnmatchcase(name, pattern) for name in names)


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
    strengths = records.drop_nulls("strengths").unique(CURVE, keep="first", maintain_order=True)
    known = strengths.rows_by_key(CURVE, named=True, unique=True) if len(strengths) else {}
    networks: dict[tuple[str, str], list[Curve]] = {}
    for name, identity in zip(curve_names(identities), identities.rows(), strict=True):
        lists = (found.get(identity, transitions.clear()), steep.get(identity, unresolved.clear()))
        curve = Curve(identity, name, known.get(identity, {}).get("strengths", []), rows[identity], *lists)
        networks.setdefault((name.data, name.model), []).append(curve)
    made = []
    for curves in networks.values():
        order = [*BRANCHES, *(curve.name.branch for curve in curves)]
        curves.sort(key=lambda curve, order=order: order.index(curve.name.branch))  # type: ignore[misc]
        made.append(Network(together([curve.name for curve in curves]), curves))
    drawn = set(_chosen(made, patterns))
    return [
        Network(each.name, [replace(curve, drawn=place in drawn) for curve in each.curves])
        for place, each in enumerate(made)
    ]


def _chosen(networks: Sequence[Network], patterns: Sequence[str]) -> Sequence[int]:
    """Choose the networks to draw: what patterns match; without any all if they are few, else some of every family."""
    for pattern in patterns:
        if not any(network.matches(pattern) for network in networks):
            some = ", ".join(network.name.file for network in networks[:3])
            more = f", … ({len(networks)})" if len(networks) > 3 else ""
            raise UserError(f"--curve {pattern}: no such curve; there are {some}{more}")
    if patterns:
        return [place for place, each in enumerate(networks) if any(map(each.matches, patterns))]
    if len(networks) <= FIGURES:
        return range(len(networks))
    return spread([network.curves[0].key(FAMILY) for network in networks], EXAMPLES)


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
    return sorted(
        each[place]
        for each, share in zip(members.values(), shares, strict=True)
        for place in np.linspace(0, len(each) - 1, share).round().astype(int)
    )


class Beside(NamedTuple):
    """The networks of one figure: one, or several that differ in their depths."""

    networks: Sequence[Network]

    @property
    def curves(self) -> list[Curve]:
        """Of all networks."""
        return [curve for network in self.networks for curve in network.curves]

    @property
    def depths(self) -> list[str]:
        """Return what stands above each column: nothing above one alone."""
        return [network.depth for network in self.networks] if len(self.networks) > 1 else [""]

    @property
    def title(self) -> str:
        """Return what the networks have in common."""
        name, depth = self.networks[0].name, self.depths[0]
        return f"{name.data}; {name.model.replace(f'{depth}, ', '') if depth else name.model}."

    @property
    def file(self) -> str:
        """Return the name of a figure, without suffix."""
        numbers = "".join(each.replace("depth ", "-L") for each in self.depths)
        return re.sub(r"-L[0-9]+", numbers or r"\g<0>", self.networks[0].name.file, count=1)

    def caption(self, found: Sequence[str]) -> str:
        """Return what was found in each network, and the strengths of its features.

        Args:
            found: A sentence for each network, without capital and full stop.
        """
        pairs = zip(self.depths, found, strict=True)
        parts = (f"{capitalised(f'{depth}: {text}' if depth else text)}." for depth, text in pairs)
        strengths = (curve.strengths_sentence for curve in self.networks[0].curves if curve.strengths)
        return " ".join(parts) + next(strengths, "")


def side_by_side(networks: Sequence[Network]) -> Iterator[Beside]:
    """Yield the figures of some networks: those alike together if only the depth tells them apart, else each alone."""
    families: dict[tuple[object, ...], list[Network]] = {}
    for network in networks:
        families.setdefault(network.curves[0].key(ALIKE), []).append(network)
    for each in families.values():
        beside = BESIDE if len({network.depth for network in each}) == len(each) else 1
        for start in range(0, len(each), beside):
            yield Beside(each[start : start + beside])
