"""Claim: the onset of learning is a jump for deep networks, a kink with one hidden layer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from spinodal.analysis.curves import CURVE, evidence
from spinodal.analysis.deep_linear import expected
from spinodal.analysis.resolution import STEEP, shown
from spinodal.analysis.seeds import APART
from spinodal.analysis.verdicts.verdict import (
    FINER,
    PLACED,
    Quantity,
    Ruling,
    Verdict,
    settled,
    there,
    worst,
)

FAMILY = ("task", "activation", "bias", "error_name")
"""Networks that share these are compared over their depths."""

EDGE = 3
"""So many λ on either side of a transition show it."""

ORDERS = {1: "1st order", 2: "2nd order"}


def order_verdicts(table: pl.DataFrame, transitions: pl.DataFrame) -> Iterator[Verdict]:
    """One verdict for each up branch, but those of loops, of networks that come with one hidden layer and with more.

    The onset is the last transition as λ grows. It must be of the order that the depth asks for, a jump `SEEN`, and,
    where theory knows λ_sp, there. A slope that the grid does not tell from a jump, rows about λ_sp that did not relax,
    and a grid on which theory's own E would look no better (`shown`), leave it undecided.

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
    at = None if theirs is None else float(theirs.spinodals.max())
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
        return Ruling("not decided", f"{onset['evidence']}: {FINER}")
    if onset["order"] != order:
        other = f"it is of {ORDERS[onset['order']].replace(' order', '')} order"
        blind = _blind(curve, onset, at)
        return (
            Ruling("not decided", f"{other}, {blind}: {FINER}") if blind else Ruling("not confirmed", other)
        )
    rulings = [Ruling("confirmed", onset["evidence"])]
    if order == 1 and onset["jump_error"] is not None:
        rulings.append(there(onset["jump"], onset["jump_error"], "jump"))
    if at is not None and onset["l2_exact"] is not None:
        rulings.append(settled(onset["location"], onset["location_error"], at, "λ", precise=PLACED))
    found = worst(rulings)
    return Ruling("confirmed", onset["evidence"]) if found.decision == "confirmed" else found


def _blind(curve: pl.DataFrame, onset: dict[str, Any], at: float | None) -> str:
    """Why a transition may look of another order than it is; empty if nothing is known that would make it."""
    theirs = shown(curve)
    if theirs is not None:
        alike = _onset(theirs, at)
        wrong = alike is None or alike["order"] != alike["order_exact"]
        return "as would be the predicted one on this grid" if wrong else ""
    # Without a theory: what hides is as wide as the bracket, and as high as E moves within it.
    if onset["location_error"] > PLACED * onset["location"]:
        return f"known to {100 * onset['location_error'] / onset['location']:.0f} % of λ"
    extent = curve.filter(evidence()).select(pl.col("error").max() - pl.col("error").min()).item()
    hidden = abs(onset["after"] - onset["before"])
    return "in a bracket where a jump may hide" if onset["order"] == 2 and hidden > STEEP * extent else ""


def _missing(curve: pl.DataFrame, at: float | None) -> Ruling:
    if at is None:
        return Ruling("not decided", "no transition was found, and no theory says where it is")
    (reason,) = unseen(curve, [at])
    if reason:
        return Ruling("not decided", reason)
    return Ruling("not confirmed", "no transition within 25 % of λ_sp")


def unseen(curve: pl.DataFrame, places: Sequence[float]) -> list[str]:
    """Why each transition that is predicted at some λ is not to be seen on a curve; empty for one that would be.

    Args:
        curve: Records of one curve.
        places: Some of its `expected` ones.
    """
    theirs = shown(curve) if places else None
    return [_unseen(curve, at, theirs) for at in places]


def _unseen(curve: pl.DataFrame, at: float, theirs: pl.DataFrame | None) -> str:
    if not covered(curve, at):
        return f"λ_sp = {at:.4g} is outside the grid, or at its end: a wider one decides"
    unrelaxed = near(curve, at).filter(~evidence()).height
    if unrelaxed:
        return f"{unrelaxed} rows about λ_sp = {at:.4g} did not relax: more relaxation.max_steps decide"
    if theirs is None or _onset(theirs, at) is None:
        return f"too coarse a grid about λ_sp = {at:.4g}: {FINER}"
    return ""


def near(curve: pl.DataFrame, at: float) -> pl.DataFrame:
    """Rows where a transition would count as the one predicted at some λ."""
    return curve.filter(pl.col("l2") > 0, (pl.col("l2") / at).log().abs() <= APART)


def covered(curve: pl.DataFrame, at: float) -> bool:
    """Whether the grid goes far enough on either side of some λ for a transition to be seen there."""
    l2 = curve["l2"].unique()
    return min((l2 < at).sum(), (l2 > at).sum()) >= EDGE
