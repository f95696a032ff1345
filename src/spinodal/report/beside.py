"""Networks that stand side by side in one figure, a column for each depth."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from spinodal.report.names import capitalised
from spinodal.report.networks import Curve, Network
from spinodal.report.numbers import listed

ALIKE = ("task", "complexity", "samples", "network", "activation", "bias", "width", "temperature")
"""Networks that share these may stand side by side."""

BESIDE = 4
"""So many columns are legible."""


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
        return [_depth(network) if len(self.networks) > 1 else "" for network in self.networks]

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
        parts = [
            f"{capitalised(f'{depth}: {text}' if depth else text)}."
            for depth, text in zip(self.depths, found, strict=True)
        ]
        strengths = next((curve.strengths for curve in self.networks[0].curves if curve.strengths), [])
        return " ".join([*parts, *([f"Strengths {listed(strengths)}."] if strengths else [])])


def side_by_side(networks: Sequence[Network]) -> Iterator[Beside]:
    """The figures of some networks: of those alike, together if only the depth tells them apart, else alone."""
    families: dict[tuple[object, ...], list[Network]] = {}
    for network in networks:
        families.setdefault(network.curves[0].records.select(ALIKE).row(0), []).append(network)
    for each in families.values():
        beside = BESIDE if len(set(map(_depth, each))) == len(each) else 1
        for start in range(0, len(each), beside):
            yield Beside(each[start : start + beside])


def _depth(network: Network) -> str:
    return f"depth {network.curves[0].records['depth'][0]}"
