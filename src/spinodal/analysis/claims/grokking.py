"""Claim: a network that groks has been stuck in the minimum of a lower-accuracy phase."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from spinodal.analysis.claims.rules import (
    AGREE,
    Quantity,
    Ruling,
    Verdict,
    claim,
    confirmed,
    refuted,
    undecided,
)
from spinodal.analysis.curves import CURVE
from spinodal.analysis.grokking import NETWORK, mean_and_error
from spinodal.analysis.plateau import LOOKS

if TYPE_CHECKING:
    from spinodal.analysis.findings import Findings

DELAYED = 2.0
"""Generalising takes at least so many times as many steps as fitting, or nothing is delayed."""

LONGER = "more protocol.steps decide"
"""What to run where training ended too early."""

SLOPE = 0.05
"""A plateau on which 𝓛 falls by at least this part, at every look, is a slope."""


@claim("grokking", "Grokking is being stuck in a lower-accuracy phase", place=5)
def grokking_verdicts(found: Findings) -> Iterator[Verdict]:
    """Judge each network and λ that was trained: whether it groks, and whether it is stuck meanwhile.

    - The delay, the geometric mean over seeds of how many times longer generalising takes than fitting, is above
      `DELAYED` by `AGREE` errors of its logarithm, which hold the scatter over seeds and the distance of two looks.
    - In a minimum 𝓛 rests. Where it falls from each look to the next, without any noise, the plateau is a slope. One
      that rests is left to `spinodal probe`: no record distinguishes a minimum from a very slow slope.
    """
    marks = found.milestones.partition_by(NETWORK, as_dict=True)
    for row in found.grokking.iter_rows(named=True):
        name = f"{str(row['task']).replace('_', ' ')}, λ = {row['control_value']:g}"
        curve = tuple(row[column] for column in CURVE)
        delay = "delay", Quantity("above", DELAYED), _delay(row), _delayed(row)
        stuck = _stuck(row, marks[tuple(row[column] for column in NETWORK)])
        rest = "𝓛 rests on the plateau", Quantity("𝓛 falls by", 0, None, " %"), *stuck
        for case, predicted, measured, ruling in (delay, rest):
            yield Verdict("grokking", f"{name}: {case}", [predicted], measured, *ruling, "grokking", curve)


def _delay(row: dict[str, Any]) -> list[Quantity]:
    delay, factor = row["delay"], row["delay_factor"]
    return [] if delay is None else [Quantity("×", delay, None if factor is None else delay * np.log(factor))]


def _delayed(row: dict[str, Any]) -> Ruling:
    generalised = f"{row['generalised']} of {row['seeds']} seeds generalised"
    if row["fitted"] < row["seeds"]:
        return undecided(f"{row['fitted']} of {row['seeds']} seeds fitted: {LONGER}")
    if row["generalised"] < row["seeds"]:
        return undecided(f"{generalised}: {LONGER}")
    if row["delay_factor"] is None:
        return undecided("one seed, and so no error: more seeds decide")
    over = np.log(row["delay"] / DELAYED)
    if abs(over) <= AGREE * np.log(row["delay_factor"]):
        told = f"not clear of {DELAYED:g} within {AGREE:g} errors"
        return undecided(f"{told}: more seeds, or protocol.records, decide")
    return confirmed(generalised) if over > 0 else refuted(generalised)


def _stuck(row: dict[str, Any], marks: pl.DataFrame) -> tuple[list[Quantity], Ruling]:
    falls = marks["loss_fall"].drop_nulls()
    if falls.is_empty():
        return [], undecided(f"fewer than {LOOKS} looks on a plateau: more protocol.records decide")
    if row["batch"] is not None or (row["temperature"] or 0) > 0:
        ruling = undecided("trained with noise: spinodal probe tells")
    elif marks["loss_falls"].all() and (falls >= SLOPE).all():
        ruling = refuted("𝓛 falls at every look, without noise: a slope, no minimum")
    else:
        ruling = undecided("𝓛 rests, as in a minimum or on a slow slope: spinodal probe tells")
    mean, error = mean_and_error(100 * falls)
    return [Quantity("𝓛 falls by", mean or 0.0, error, " %")], ruling
