"""Claim: a network that groks has been stuck in the minimum of a lower-accuracy phase."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from spinodal.analysis.claims.rules import AGREE, Quantity, Ruling, Verdict, claim
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

    Args:
        found: In the campaign.

    Yields:
        Two verdicts for each.
    """
    marks = found.milestones.partition_by(NETWORK, as_dict=True)
    for row in found.grokking.iter_rows(named=True):
        name = f"{str(row['task']).replace('_', ' ')}, λ = {row['control_value']:g}"
        plateaus = marks[tuple(row[column] for column in NETWORK)]
        for case, predicted, measured, ruling in (
            (f"{name}: delay", Quantity("above", DELAYED), _delay(row), _delayed(row)),
            (
                f"{name}: 𝓛 rests on the plateau",
                Quantity("𝓛 falls by", 0, None, " %"),
                *_stuck(row, plateaus),
            ),
        ):
            curve = tuple(row[column] for column in CURVE)
            yield Verdict("grokking", case, (predicted,), measured, *ruling, section="grokking", curve=curve)


def _delay(row: dict[str, Any]) -> tuple[Quantity, ...]:
    delay, factor = row["delay"], row["delay_factor"]
    if delay is None:
        return ()
    return (Quantity("×", delay, None if factor is None else delay * np.log(factor)),)


def _delayed(row: dict[str, Any]) -> Ruling:
    generalised = f"{row['generalised']} of {row['seeds']} seeds generalised"
    if row["fitted"] < row["seeds"]:
        return Ruling("not decided", f"{row['fitted']} of {row['seeds']} seeds fitted: {LONGER}")
    if row["generalised"] < row["seeds"]:
        return Ruling("not decided", f"{generalised}: {LONGER}")
    if row["delay_factor"] is None:
        return Ruling("not decided", "one seed, and so no error: more seeds decide")
    sure = AGREE * np.log(row["delay_factor"])
    over = np.log(row["delay"] / DELAYED)
    if abs(over) <= sure:
        told = f"not clear of {DELAYED:g} within {AGREE:g} errors"
        return Ruling("not decided", f"{told}: more seeds, or protocol.records, decide")
    return Ruling("confirmed" if over > 0 else "not confirmed", generalised)


def _stuck(row: dict[str, Any], marks: pl.DataFrame) -> tuple[tuple[Quantity, ...], Ruling]:
    falls = marks["loss_fall"].drop_nulls()
    if falls.is_empty():
        reason = f"fewer than {LOOKS} looks on a plateau: more protocol.records decide"
        return (), Ruling("not decided", reason)
    if row["batch"] is not None or (row["temperature"] or 0) > 0:
        ruling = Ruling("not decided", "trained with noise: spinodal probe tells")
    elif marks["loss_falls"].all() and (falls >= SLOPE).all():
        ruling = Ruling("not confirmed", "𝓛 falls at every look, without noise: a slope, no minimum")
    else:
        ruling = Ruling("not decided", "𝓛 rests, as in a minimum or on a slow slope: spinodal probe tells")
    mean, error = mean_and_error(100 * falls)
    return (Quantity("𝓛 falls by", mean or 0.0, error, " %"),), ruling
