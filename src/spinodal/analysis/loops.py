"""Branches that belong together: up and down of one network, and the loops that its runs make of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

from spinodal.analysis.curves import CURVE, evidence

NETWORK = (*(name for name in CURVE if name not in ("branch", "curve")), "error_name", "noise", "parameters")
"""Columns in which an up and a down branch agree if they are of one network and its data."""


class Pair(NamedTuple):
    """An up and a down branch of one network: of a loop, or of two curves."""

    up: pl.DataFrame
    """Records."""
    down: pl.DataFrame


class Run(NamedTuple):
    """One trajectory down, and the one up that it is to be compared with. Rows are evidence, with λ > 0."""

    seed: int
    up: pl.DataFrame
    """From small to large λ."""
    down: pl.DataFrame
    """From large to small λ. The turning point of a loop belongs to both."""
    path: tuple[float, ...]
    """λ of the stages of the way down, in their order, whatever they came to."""
    span: tuple[float, float]
    """The least and the largest λ that both ways were asked to go to."""
    loop: bool
    """Whether the way down starts where the way up has ended, and not at θ = 0."""


def pairs(table: pl.DataFrame) -> Iterator[Pair]:
    """Every down branch of a table with the up branch it goes with.

    That is the other half of its loop, or else every up branch of the same network on data of the same strengths.

    Args:
        table: Records.
    """
    ups, downs = (table.filter(branch=branch) for branch in ("up", "down"))
    for down in downs.partition_by(CURVE, maintain_order=True):
        loop = [name for name in CURVE if name != "branch"]
        own = ups.join(down.select(loop).head(1), on=loop, how="semi", nulls_equal=True)
        if len(own):
            yield Pair(own, down)
            continue
        alike = ups.join(down.select(NETWORK).head(1), on=NETWORK, how="semi", nulls_equal=True)
        for up in alike.partition_by(CURVE, maintain_order=True):
            if _strengths(up) == _strengths(down):
                yield Pair(up, down)


def runs(pair: Pair) -> list[Run]:
    """The runs of a pair: each trajectory down with its own way up, or else with that of the same seed."""
    ways = {key: pair.up.partition_by(key, as_dict=True, maintain_order=True) for key in ("point", "seed")}
    found = []
    for down in pair.down.sort("stage").partition_by("point", maintain_order=True):
        point, seed = down.row(0, named=True)["point"], down.row(0, named=True)["seed"]
        loop = (point,) in ways["point"]
        up = ways["point"][(point,)] if loop else ways["seed"].get((seed,))
        if up is None:
            continue
        path = tuple(down["l2"])
        if loop:
            down = pl.concat([up.filter(l2=up["l2"].max()), down])
        # Of a λ seen twice the later row counts.
        risen = _seen(up).unique("l2", keep="last").sort("l2")
        fallen = _seen(down).unique("l2", keep="last").sort("l2", descending=True)
        if len(risen) and len(fallen):
            found.append(Run(seed, risen, fallen, path, _span(up["l2"], down["l2"]), loop))
    return found


def _span(up: pl.Series, down: pl.Series) -> tuple[float, float]:
    (low, high), (least, largest) = ((float(min(l2)), float(max(l2))) for l2 in (up, down))
    return max(low, least), min(high, largest)


def _seen(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(evidence(), pl.col("l2") > 0, pl.col("error", "norm").is_finite()).sort("stage", "l2")


def _strengths(branch: pl.DataFrame) -> tuple[float, ...]:
    measured = branch["strengths"].drop_nulls()
    return () if measured.is_empty() else tuple(float(np.format_float_scientific(x, 5)) for x in measured[0])
