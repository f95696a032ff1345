"""Claim: the onset of learning is a jump for deep networks, a kink with one hidden layer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import polars as pl

from spinodal.analysis.curves import CURVE, evidence
from spinodal.analysis.deep_linear import expected
from spinodal.analysis.seeds import APART
from spinodal.analysis.verdicts.verdict import Quantity, Ruling, Verdict, settled, there, worst

FAMILY = ("task", "activation", "bias", "error_name")
"""Networks that share these are compared over their depths."""

EDGE = 3
"""So many λ on either side of a transition show it."""

ORDERS = {1: "1st order", 2: "2nd order"}


def order_verdicts(table: pl.DataFrame, transitions: pl.DataFrame) -> Iterator[Verdict]:
    """One verdict for each up branch, but those of loops, of networks that come with one hidden layer and with more.

    The onset is the last transition as λ grows. It must be of the order that the depth asks for, a jump `SEEN`, and,
    where theory knows λ_sp, there. A slope that the grid does not tell from a jump, and rows about λ_sp that did not
    relax, leave it undecided.

    Args:
        table: Records of branches.
        transitions: Those in E, as `compare` returns them.
    """
    looped = (pl.col("branch") == "down").any().over("curve")
    ups = table.filter(~looped, pl.col("branch") == "up", pl.col("depth") >= 2)
    for family in ups.partition_by(FAMILY, maintain_order=True):
        depths = family["depth"].unique()
        if not (2 in depths and (depths > 2).any()):
            continue
        for curve in family.sort("depth", maintain_order=True).partition_by(CURVE, maintain_order=True):
            own = transitions.join(curve.select(CURVE).head(1), on=CURVE, how="semi", nulls_equal=True)
            yield _verdict(curve, own)


def _verdict(curve: pl.DataFrame, transitions: pl.DataFrame) -> Verdict:
    first = curve.row(0, named=True)
    order = 2 if first["depth"] == 2 else 1
    theirs = expected(curve)
    at = None if theirs is None else float(theirs.l2[-1])
    onset = _onset(transitions, at)
    measured: tuple[Quantity, ...] = ()
    if onset is not None:
        name = ORDERS.get(onset["order"], "of undecided order")
        measured = (Quantity(f"{name} at λ =", onset["location"], onset["location_error"]),)
        if onset["jump"] is not None:
            measured += (Quantity("jump in E", onset["jump"], onset["jump_error"]),)
        if onset["kink"] is not None:
            measured += (Quantity("kink, dE/d ln λ by", onset["kink"], onset["kink_error"]),)
    ruling = _ruling(curve, onset, order, at)
    told = () if at is None else (Quantity(f"{ORDERS[order]} at λ =", at),)
    return Verdict(
        "order",
        f"depth {first['depth']}, K = {first['complexity']}, width {first['width']}",
        told or (Quantity(ORDERS[order], math.nan),),
        measured,
        *ruling,
        figure="branches",
        curve=curve.select(CURVE).row(0),
    )


def _onset(transitions: pl.DataFrame, at: float | None) -> dict[str, Any] | None:
    """The transition that is the predicted one; without a prediction the last that was found."""
    found = transitions.drop_nulls("location").sort("location")
    if at is not None:
        found = found.filter((pl.coalesce("l2_exact", "l2_estimate") - at).abs() < 1e-12)
    return found.row(-1, named=True) if len(found) else None


def _ruling(curve: pl.DataFrame, onset: dict[str, Any] | None, order: int, at: float | None) -> Ruling:
    if onset is None:
        return _missing(curve, at)
    if onset["order"] is None:
        return Ruling("not decided", onset["evidence"])
    if onset["order"] != order:
        return Ruling("not confirmed", f"it is of {ORDERS[onset['order']].replace(' order', '')} order")
    rulings = [Ruling("confirmed", onset["evidence"])]
    if order == 1 and onset["jump_error"] is not None:
        rulings.append(there(onset["jump"], onset["jump_error"], "jump"))
    if at is not None and onset["l2_exact"] is not None:
        rulings.append(settled(onset["location"], onset["location_error"], at, "λ"))
    found = worst(rulings)
    return Ruling("confirmed", onset["evidence"]) if found.decision == "confirmed" else found


def _missing(curve: pl.DataFrame, at: float | None) -> Ruling:
    if at is None:
        return Ruling("not decided", "no transition was found, and no theory says where it is")
    if not covered(curve, at):
        return Ruling("not decided", f"λ_sp = {at:.4g} is outside the grid, or at its end")
    unrelaxed = near(curve, at).filter(~evidence()).height
    if unrelaxed:
        return Ruling("not decided", f"{unrelaxed} rows about λ_sp did not relax")
    return Ruling("not confirmed", "no transition within 25 % of λ_sp")


def near(curve: pl.DataFrame, at: float) -> pl.DataFrame:
    """Rows where a transition would count as the one predicted at some λ."""
    return curve.filter(pl.col("l2") > 0, (pl.col("l2") / at).log().abs() <= APART)


def covered(curve: pl.DataFrame, at: float) -> bool:
    """Whether the grid goes far enough on either side of some λ for a transition to be seen there."""
    l2 = curve["l2"].unique()
    return min((l2 < at).sum(), (l2 > at).sum()) >= EDGE
