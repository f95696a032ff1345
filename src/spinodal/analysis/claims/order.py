"""Claim: the onset of learning is a jump for deep networks, a kink with one hidden layer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import polars as pl

from spinodal.analysis.claims.branches import UpBranch, matching, up_branches
from spinodal.analysis.claims.rules import (
    FINER,
    PLACED,
    Quantity,
    Ruling,
    Verdict,
    claim,
    confirmed,
    refuted,
    settled,
    there,
    undecided,
    worst,
)
from spinodal.analysis.curves import evidence
from spinodal.analysis.resolution import STEEP

if TYPE_CHECKING:
    from spinodal.analysis.findings import Findings

FAMILY = ("task", "network", "activation", "bias", "error_name")
"""Networks that share these are compared over their depths."""

ORDERS = {1: "1st order", 2: "2nd order", None: "of undecided order"}

MEASURED = {"{order} at λ =": "location", "jump in E": "jump", "kink, dE/d ln λ by": "kink"}
"""Columns of an onset, by what they are."""


@claim(
    "order",
    "The onset of learning is first-order for deep networks (L ≥ 3), second-order with one hidden layer",
    place=1,
)
def order_verdicts(found: Findings) -> Iterator[Verdict]:
    """One verdict for each up branch, but those of loops, of networks that come with one hidden layer and with more.

    The onset is the last transition as λ grows. It must be of the order that the depth asks for, a jump `SEEN`, and,
    where theory knows λ_sp, there. A slope that the grid does not tell from a jump, rows about λ_sp that did not relax,
    and a grid on which theory's own E would look no better (`shown`), leave it undecided.
    """
    looped = (pl.col("branch") == "down").any().over("curve")
    ups = found.quiet.filter(~looped, pl.col("branch") == "up", pl.col("depth") >= 2)
    for family in up_branches(found, ups, FAMILY, "depth"):
        depths = {branch.rows["depth"][0] for branch in family}
        if 2 in depths and max(depths) > 2:
            yield from map(_verdict, family)


def _verdict(branch: UpBranch) -> Verdict:
    first = branch.rows.row(0, named=True)
    order = 2 if first["depth"] == 2 else 1
    at = None if branch.expected is None else float(branch.expected.spinodals.max())
    onset = matching(branch.transitions, at)
    predicted = Quantity(ORDERS[order], math.nan) if at is None else Quantity(f"{ORDERS[order]} at λ =", at)
    measured = [
        Quantity(name.format(order=ORDERS[onset["order"]]), onset[column], onset[f"{column}_error"])
        for name, column in MEASURED.items()
        if onset is not None and onset[column] is not None
    ]
    ruling = _missing(branch, at) if onset is None else _ruling(branch, onset, order, at)
    case = f"depth {first['depth']}, K = {first['complexity']}, width {first['width']}"
    return Verdict("order", case, [predicted], measured, *ruling, "branches", branch.identity)


def _missing(branch: UpBranch, at: float | None) -> Ruling:
    if at is None:
        return undecided("no transition was found, and no theory says where it is")
    reason = branch.why_unseen(at)
    return undecided(reason) if reason else refuted("no transition within 25 % of λ_sp")


def _ruling(branch: UpBranch, onset: dict[str, Any], order: int, at: float | None) -> Ruling:
    if onset["order"] is None:
        return undecided(f"{onset['evidence']}: {FINER}")
    if onset["order"] != order:
        blind = _blind(branch, onset, at)
        other = f"it is of {ORDERS[onset['order']]}"
        return refuted(other, f", {blind}: {FINER}" if blind else "")
    rulings = [confirmed(onset["evidence"])]
    if order == 1 and onset["jump_error"] is not None:
        rulings.append(there(onset["jump"], onset["jump_error"], "jump"))
    if at is not None and onset["control_exact"] is not None:
        rulings.append(settled(onset["location"], onset["location_error"], at, "λ", precise=PLACED))
    return worst(rulings, onset["evidence"])


def _blind(branch: UpBranch, onset: dict[str, Any], at: float | None) -> str:
    """Why a transition may look of another order than it is; empty if nothing is known that would make it."""
    if at is not None:
        alike = matching(branch.shown, at)
        wrong = alike is None or alike["order"] != alike["order_exact"]
        return "as would be the predicted one on this grid" if wrong else ""
    # Without a theory: what hides is as wide as the bracket, and as high as E moves within it.
    if onset["location_error"] > PLACED * onset["location"]:
        return f"known to {100 * onset['location_error'] / onset['location']:.0f} % of λ"
    extent = branch.rows.filter(evidence()).select(pl.col("error").max() - pl.col("error").min()).item()
    hidden = abs(onset["after"] - onset["before"])
    return "in a bracket where a jump may hide" if onset["order"] == 2 and hidden > STEEP * extent else ""
