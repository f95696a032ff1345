"""Claim: K features have K transitions, and they are where theory says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import polars as pl

from spinodal.analysis.claims.branches import EDGE, PREDICTED, UpBranch, up_branches
from spinodal.analysis.claims.rules import (
    AGREE,
    FINER,
    PLACED,
    Quantity,
    Ruling,
    Verdict,
    claim,
    confirmed,
    quantities,
    refuted,
    settled,
    undecided,
    worst,
)
from spinodal.analysis.curves import described, evidence, order_parameter

if TYPE_CHECKING:
    from spinodal.analysis.findings import Findings

NETWORK = ("task", "network", "activation", "bias", "error_name", "depth", "width")
"""Networks that share these are compared over the complexity of their data."""

FEWEST = 3
"""So many complexities show a dependence."""

ESTIMATED = 10.0
"""Per cent within which an estimate counts as right. It has no error; neighbours are further apart than this."""

CLOSE = 2
"""With fewer rows than this between two transitions, they cannot be told apart."""

EXPECTED = pl.col("status").is_in(["matched", "missing"])
"""Transitions that theory has within the grid."""


@claim("complexity", "More complex data has more transitions, where predicted", place=3)
def complexity_verdicts(found: Findings) -> Iterator[Verdict]:
    """Two verdicts for each network run at several complexities: on the number of transitions, and on their places.

    Where theory speaks there must be exactly the transitions that it has within the grid; elsewhere K at which
    features are lost, and others are only listed. Places: all within `AGREE` errors of exact ones, or within
    `ESTIMATED` per cent of estimates. What is missing, or too many, is undecided where rows did not relax, and where
    the grid is too coarse: theory's own E shows no better on it, or, without theory, E moves steeply without a jump.
    """
    ups = found.quiet.filter(branch="up")
    for branches in up_branches(found, ups, NETWORK, "complexity"):
        values = [each.rows["complexity"][0] for each in branches]
        if None in values or len(values) < FEWEST or len(set(values)) < len(values):
            continue
        name, curve = described(branches[0].rows.row(0, named=True)), branches[-1].identity
        numbers = f"number of transitions, K = {values[0]}…{values[-1]}", *_numbers(branches)
        places = f"λ of the transitions, K = {values[-1]}", *_places(branches)
        for case, predicted, measured, ruling in (numbers, places):
            yield Verdict("complexity", f"{name}: {case}", predicted, measured, *ruling, "phases", curve)


Judged = tuple[Sequence[Quantity], Sequence[Quantity], Ruling]


def _numbers(branches: Sequence[UpBranch]) -> Judged:
    predicted, measured, rulings, others = [], [], [], 0
    for branch in branches:
        there = branch.transitions.drop_nulls("location")
        if branch.expected is None:
            number, counted = int(branch.rows["complexity"][0]), there.filter(_lost(branch) >= 1).height
            rulings.append(_counted_by_features(branch, counted, number))
        else:
            number, counted = branch.transitions.filter(EXPECTED).height, there.height
            rulings.append(_counted(branch, counted, number))
        predicted.append(Quantity("", number))
        measured.append(Quantity("", counted))
        others += there.height - counted
    if others:
        measured.append(Quantity("other jumps of E:", others))
    return predicted, measured, worst(rulings, "as many as features, as far as the grid goes")


def _counted(branch: UpBranch, number: int, predicted: int) -> Ruling:
    own = branch.transitions
    unexpected, open_ = own.filter(status="unexpected"), own.filter(pl.col("order").is_null())
    if number == predicted and unexpected.is_empty():
        if open_.is_empty():
            return confirmed(branch.name)
        at, doubt = open_.select("location", "evidence").row(0)
        return undecided(f"{branch.name}, λ = {at:.4g}: {doubt}: {FINER}")
    doubtful = open_.filter(status="unexpected")
    unless = ""
    if branch.unseen:
        unless = f": {branch.unseen}"
    elif 0 < len(unexpected) == len(doubtful) == number - predicted:
        unless = f": {doubtful['evidence'][0]}: {FINER}"
    elif len(unexpected) and (branch.shown["status"] == "unexpected").any():
        unless = f", as theory's own E would show on this grid: {FINER}"
    more = f", {len(unexpected)} of them unexpected" if len(unexpected) else ""
    return refuted(f"{branch.name}: {number} for {predicted}{more}", unless)


def _lost(branch: UpBranch) -> pl.Expr:
    """Features lost at a transition, for rising λ."""
    name = order_parameter(branch.rows)
    return (pl.col(f"{name}_before") - pl.col(f"{name}_after")).round()


def _counted_by_features(branch: UpBranch, number: int, predicted: int) -> Ruling:
    """Where no theory says which transitions are within the grid: it must go from K features to none, and beyond."""
    rows = (
        branch.rows.filter(evidence())
        .group_by("control_value")
        .agg(pl.col(order_parameter(branch.rows)).min())
        .sort("control_value")
    )
    path = rows[:, 1].to_list()
    if len(path) < 2 * EDGE or None in path or min(path[:EDGE]) < predicted or max(path[-EDGE:]) > 0:
        short = "the grid does not go well beyond all transitions: a wider one decides"
        return undecided(f"{branch.name}: {short}")
    counted = f"{branch.name}: {number} for {predicted}"
    if number == predicted:
        return confirmed(counted)
    there = branch.transitions.drop_nulls("location")
    steps = [before - after for before, after in pairwise(path)]
    losses = [i for i, step in enumerate(steps) if step > 0]
    if len(there) >= predicted or there.select(_lost(branch).clip(0).sum()).item() == predicted:
        why = "jumps of E and lost features do not come in pairs"
    elif len(steep := branch.unresolved.select("control_low", "control_high")):
        ends = ", ".join(f"{low:.4g} – {high:.4g}" for low, high in steep.iter_rows())
        why = f"E moves steeply in λ {ends}"
    elif max(steps) > 1 or any(j - i < CLOSE for i, j in pairwise(losses)):
        why = "features are lost in neighbouring intervals of λ"
    else:
        why = ""
    return refuted(counted, f": {why}: {FINER}" if why else "")


def _places(branches: Sequence[UpBranch]) -> Judged:
    last = branches[-1].transitions
    if any(branch.expected is None for branch in branches):
        lost = last.drop_nulls("location").filter(_lost(branches[-1]) >= 1).sort("location")
        return [], quantities(lost, "location"), undecided("no theory says where, for these networks")
    matched = pl.concat([branch.transitions for branch in branches]).filter(status="matched")
    rulings = [_placed(row) for row in matched.iter_rows(named=True)]
    rulings += [_unplaced(each) for each in branches if len(each.missing)]
    within = f"{AGREE:g} errors"
    if matched["control_estimate"].is_not_null().any():
        within = f"{ESTIMATED:g} % of the estimate"
    farthest = matched.select(pl.col("deviation_percent").abs().max()).item()
    reason = f"{len(matched)} transitions within {within}, the farthest off by {farthest or 0:.2g} %"
    last = last.filter(EXPECTED).sort(PREDICTED)
    at = [Quantity("", each) for each in last.select(PREDICTED).to_series()]
    return at, quantities(last, "location"), worst(rulings, reason)


def _placed(row: dict[str, Any]) -> Ruling:
    measured, error, estimate = row["location"], row["location_error"], row["control_estimate"]
    if estimate is None:
        return settled(measured, error, row["control_exact"], f"K = {row['complexity']}: λ", precise=PLACED)
    off = 100 * abs(measured / estimate - 1)
    by = f"λ is {off:.1f} % from the estimate {estimate:.4g}"
    if off - ESTIMATED > AGREE * 100 * error / estimate:
        return refuted(by)
    if error > PLACED * estimate:
        return undecided(f"λ is known to {100 * error / estimate:.0f} % only: {FINER}")
    return confirmed("near the estimate") if off <= ESTIMATED else undecided(by)


def _unplaced(branch: UpBranch) -> Ruling:
    """On predicted places where nothing was found: it is elsewhere, or the count of transitions judges it."""
    none = f"{branch.name}: none near λ = {', '.join(f'{at:.4g}' for at in branch.missing)}"
    elsewhere = branch.transitions.filter(pl.col("order").is_not_null(), status="unexpected")["location"]
    if len(elsewhere) and not branch.unseen:
        return refuted(f"{none}, but near {', '.join(f'{at:.4g}' for at in elsewhere)}")
    return undecided(none)
