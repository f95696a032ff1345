"""Claim: a network that groks has been stuck in the minimum of a lower-accuracy phase."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from spinodal.analysis.claims.rules import AGREE, Quantity, Ruling, Verdict, claim
from spinodal.analysis.curves import CURVE
from spinodal.analysis.grokking import NETWORK, grokking, milestones, trained

if TYPE_CHECKING:
    from spinodal.analysis.findings import Findings

DELAYED = 2.0
"""Generalising takes at least so many times as many steps as fitting, or nothing is delayed."""

LOOKS = 4
"""On a plateau with fewer looks nothing is seen to fall."""

LONGER = "more protocol.steps decide"
"""What to run where training ended too early."""

SLOPE = 0.05
"""A plateau on which 𝓛 falls by at least this part, at every look, is a slope."""


@claim("grokking", "Grokking is being stuck in a lower-accuracy phase", place=5)
def grokking_verdicts(found: Findings) -> Iterator[Verdict]:
    """Two verdicts for each network and λ that was trained: whether it groks, and whether it is stuck meanwhile.

    - The delay, the geometric mean over seeds of how many times longer generalising takes than fitting, is above
      `DELAYED` by `AGREE` errors of its logarithm, which hold the scatter over seeds and the distance of two looks.
    - In a minimum 𝓛 rests. Where it falls from each look to the next, without any noise, the plateau is a slope. One
      that rests is left to `spinodal probe`: no record tells a minimum from a very slow slope.

    Args:
        found: In the campaign.
    """
    table = found.records
    rows = trained(table)
    if rows.is_empty():
        return
    marks = milestones(rows)
    for row in grokking(rows).iter_rows(named=True):
        name = f"{str(row['task']).replace('_', ' ')}, λ = {row['l2']:g}"
        curve = tuple(row[column] for column in CURVE)
        delay = () if row["delay"] is None else (_delay(row),)
        predicted = (Quantity("above", DELAYED),)
        ruling = _delayed(row)
        yield Verdict(
            "grokking", f"{name}: delay", predicted, delay, *ruling, section="grokking", curve=curve
        )
        own = pl.DataFrame([{column: row[column] for column in NETWORK}], schema=rows.select(NETWORK).schema)
        plateaus = marks.join(own, on=NETWORK, how="semi", nulls_equal=True)
        plateaus = plateaus.drop_nulls(["fit_steps", "generalise_steps"])
        yield _stuck(rows, plateaus, f"{name}: 𝓛 rests on the plateau", curve)


def _delay(row: dict[str, Any]) -> Quantity:
    factor = row["delay_factor"]
    return Quantity("×", row["delay"], None if factor is None else row["delay"] * np.log(factor))


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


def _stuck(rows: pl.DataFrame, plateaus: pl.DataFrame, case: str, curve: tuple[object, ...]) -> Verdict:
    falls, monotone, noisy = [], [], False
    for mark in plateaus.iter_rows(named=True):
        looks = rows.filter(
            pl.col("point") == mark["point"],
            pl.col("trained_steps").is_between(mark["fit_steps"], mark["generalise_steps"]),
        ).sort("trained_steps")
        loss = (looks["error"] + looks["l2"] * looks["norm"] ** 2).to_numpy()
        noisy |= (
            looks.select(((pl.col("temperature") > 0) | pl.col("batch").is_not_null()).any()).item() is True
        )
        # Fitting goes on for a while: what happens on the plateau is what happens on its second half.
        loss = loss[len(loss) // 2 :]
        if len(loss) >= LOOKS:
            falls.append(float(1 - loss[-1] / loss[0]))
            monotone.append(bool((np.diff(loss) < 0).all()))
    predicted = (Quantity("𝓛 falls by", 0, None, " %"),)
    if not falls:
        ruling = Ruling("not decided", f"fewer than {LOOKS} looks on a plateau: more protocol.records decide")
        return Verdict("grokking", case, predicted, (), *ruling, section="grokking", curve=curve)
    mean, error = 100 * float(np.mean(falls)), None
    if len(falls) > 1:
        error = 100 * float(np.std(falls, ddof=1) / len(falls) ** 0.5)
    if noisy:
        ruling = Ruling("not decided", "trained with noise: spinodal probe tells")
    elif all(monotone) and min(falls) >= SLOPE:
        ruling = Ruling("not confirmed", "𝓛 falls at every look, without noise: a slope, no minimum")
    else:
        ruling = Ruling("not decided", "𝓛 rests, as in a minimum or on a slow slope: spinodal probe tells")
    measured = (Quantity("𝓛 falls by", mean, error, " %"),)
    return Verdict("grokking", case, predicted, measured, *ruling, section="grokking", curve=curve)
