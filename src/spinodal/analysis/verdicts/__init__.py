"""Which claims a campaign's records confirm, which they do not, and which they cannot decide."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from spinodal.analysis.verdicts.complexity import complexity_verdicts
from spinodal.analysis.verdicts.curvature import curvature_verdicts
from spinodal.analysis.verdicts.escape import escape_verdicts
from spinodal.analysis.verdicts.grokking import grokking_verdicts
from spinodal.analysis.verdicts.hysteresis import hysteresis_verdicts
from spinodal.analysis.verdicts.order import order_verdicts
from spinodal.analysis.verdicts.verdict import CLAIMS, Decision, Quantity, Verdict

__all__ = ["CLAIMS", "Decision", "Quantity", "Verdict", "silent", "verdicts"]


def verdicts(table: pl.DataFrame, transitions: pl.DataFrame) -> Iterator[Verdict]:
    """Judge every claim that the records of a campaign speak of, in the order of `CLAIMS`.

    Args:
        table: Records.
        transitions: Those in E of its branches, as `compare` returns them.
    """
    branches = table.filter(
        pl.col("escaped").is_null(), pl.col("trained_steps").is_null(), pl.col("hold_time").is_null()
    )
    if len(branches):
        yield from order_verdicts(branches, transitions)
        yield from curvature_verdicts(branches, transitions)
        yield from complexity_verdicts(branches, transitions)
        yield from hysteresis_verdicts(branches)
    yield from escape_verdicts(table)
    yield from grokking_verdicts(table)


def silent(found: list[Verdict]) -> Iterator[Verdict]:
    """The claims that none of the verdicts is about: nothing is decided of them."""
    for claim in CLAIMS:
        if all(each.claim != claim for each in found):
            yield Verdict(claim, "", (), (), "not decided", "no records speak of it")
