"""Claim: K features have K transitions, and they are where theory says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import polars as pl

from spinodal.analysis.curves import CURVE, evidence
from spinodal.analysis.deep_linear import expected
from spinodal.analysis.resolution import shown, unresolved
from spinodal.analysis.verdicts.order import EDGE, unseen
from spinodal.analysis.verdicts.verdict import (
    AGREE,
    FINER,
    PLACED,
    Quantity,
    Ruling,
    Verdict,
    settled,
    worst,
)
from spinodal.theory import DeepLinear

NETWORK = ("task", "activation", "bias", "error_name", "depth", "width")
"""Networks that share these are compared over the complexity of their data."""

FEWEST = 3
"""So many complexities show a dependence."""

ESTIMATED = 10.0
"""Per cent within which an estimate counts as right. It has no error; neighbours are further apart than this."""

CLOSE = 2
"""With fewer rows than this between two transitions, they cannot be told apart."""

PREDICTED = pl.coalesce("l2_exact", "l2_estimate")
"""λ of a transition, as theory has it."""


def complexity_verdicts(table: pl.DataFrame, transitions: pl.DataFrame) -> Iterator[Verdict]:
    """Two verdicts for each network run at several complexities: on the number of transitions, and on their places.

    Where theory speaks there must be exactly the transitions that it has within the grid; elsewhere K at which
    features are lost, and others are only told. Places: all within `AGREE` errors of exact ones, or within `ESTIMATED`
    per cent of estimates. What is missing, or too many, is undecided where rows did not relax, and where the grid is
    too coarse: theory's own E shows no better on it, or, without theory, E moves steeply without a jump.

    Args:
        table: Records of branches.
        transitions: Those in E, as `compare` returns them.
    """
    ups = table.filter(pl.col("branch") == "up")
    for network in ups.partition_by(NETWORK, maintain_order=True):
        curves = network.sort("complexity", maintain_order=True).partition_by(CURVE, maintain_order=True)
        values = [curve["complexity"][0] for curve in curves]
        if None in values or len(values) < FEWEST or len(set(values)) < len(values):
            continue
        found = [
            transitions.join(curve.select(CURVE).head(1), on=CURVE, how="semi", nulls_equal=True)
            for curve in curves
        ]
        yield _numbers(curves, found)
        yield _places(curves, found)


def _numbers(curves: Sequence[pl.DataFrame], found: Sequence[pl.DataFrame]) -> Verdict:
    predicted, measured, rulings, others = [], [], [], []
    for curve, own in zip(curves, found, strict=True):
        theirs = expected(curve)
        there = own.drop_nulls("location")
        lost = there if theirs else there.filter(_lost() >= 1)
        number = int(curve["complexity"][0]) if theirs is None else len(_inside(curve, theirs))
        predicted.append(Quantity("", number))
        measured.append(Quantity("", len(lost)))
        others.append(len(there) - len(lost))
        counted = _counted if theirs else _counted_by_features
        rulings.append(counted(curve, own, len(lost), number))
    ruling = worst(rulings)
    if ruling.decision == "confirmed":
        ruling = Ruling("confirmed", "as many as features, as far as the grid goes")
    if any(others):
        measured.append(Quantity("other jumps of E:", sum(others)))
    return _verdict(curves, "number", predicted, measured, ruling)


def _counted(curve: pl.DataFrame, own: pl.DataFrame, number: int, predicted: int) -> Ruling:
    name = f"K = {curve['complexity'][0]}"
    unexpected = own.filter(pl.col("status") == "unexpected")
    if number == predicted and unexpected.is_empty():
        open_ = own.filter(pl.col("order").is_null())
        if open_.is_empty():
            return Ruling("confirmed", name)
        return Ruling(
            "not decided", f"{name}, λ = {open_['location'][0]:.4g}: {open_['evidence'][0]}: {FINER}"
        )
    told = f"{name}: {number} for {predicted}"
    if len(unexpected):
        told += f", {len(unexpected)} of them unexpected"
    if missing := _unseen(curve, own):
        return Ruling("not decided", f"{told}: {missing}")
    doubtful = unexpected.filter(pl.col("order").is_null())
    if len(unexpected) and len(doubtful) == len(unexpected) and number - len(unexpected) == predicted:
        return Ruling("not decided", f"{told}: {doubtful['evidence'][0]}: {FINER}")
    theirs = shown(curve)
    if len(unexpected) and theirs is not None and (theirs["status"] == "unexpected").any():
        return Ruling("not decided", f"{told}, as theory's own E would show on this grid: {FINER}")
    return Ruling("not confirmed", told)


def _unseen(curve: pl.DataFrame, own: pl.DataFrame) -> str:
    """Why the first that is missing on a curve is not to be seen on it; empty if something missing would be."""
    reasons = unseen(curve, own.filter(pl.col("status") == "missing").select(PREDICTED).to_series().to_list())
    return reasons[0] if reasons and all(reasons) else ""


def _counted_by_features(curve: pl.DataFrame, own: pl.DataFrame, number: int, predicted: int) -> Ruling:
    """Where no theory says which transitions are within the grid: it must go from K features to none, and beyond."""
    told = f"K = {predicted}: {number} for {predicted}"
    rows = curve.filter(evidence()).group_by("l2").agg(pl.col("learned_features").min()).sort("l2")
    path = rows["learned_features"].to_list()
    if len(path) < 2 * EDGE or None in path or min(path[:EDGE]) < predicted or max(path[-EDGE:]) > 0:
        return Ruling(
            "not decided",
            f"K = {predicted}: the grid does not go well beyond all transitions: a wider one decides",
        )
    if number == predicted:
        return Ruling("confirmed", told)
    found = own.drop_nulls("location")
    if len(found) >= predicted or found.select(_lost().clip(0).sum()).item() == predicted:
        return Ruling("not decided", f"{told}: jumps of E and lost features do not come in pairs: {FINER}")
    steep = unresolved(curve, own.drop_nulls("location"))
    if len(steep):
        ends = ", ".join(
            f"{low:.4g} – {high:.4g}" for low, high in steep.select("l2_low", "l2_high").iter_rows()
        )
        return Ruling("not decided", f"{told}: E moves steeply in λ {ends}: {FINER}")
    losses = [i for i, (here, there) in enumerate(pairwise(path)) if there < here]
    crowded = any(j - i < CLOSE for i, j in pairwise(losses)) or any(
        here - there > 1 for here, there in pairwise(path)
    )
    if crowded:
        return Ruling("not decided", f"{told}: features are lost in neighbouring intervals of λ: {FINER}")
    return Ruling("not confirmed", told)


def _places(curves: Sequence[pl.DataFrame], found: Sequence[pl.DataFrame]) -> Verdict:
    theirs = [expected(curve) for curve in curves]
    if None in theirs:
        last = found[-1].drop_nulls("location").filter(_lost() >= 1).sort("location")
        ruling = Ruling("not decided", "no theory says where, for these networks")
        return _verdict(curves, "places", [], _located(last), ruling)
    exact = all(each.exact for each in theirs if each)
    compared = pl.concat(found)
    matched = compared.filter(pl.col("status") == "matched")
    rulings = [
        settled(
            row["location"],
            row["location_error"],
            row["l2_exact"],
            f"K = {row['complexity']}: λ",
            precise=PLACED,
        )
        if exact
        else _estimated(row["location"], row["location_error"], row["l2_estimate"])
        for row in matched.iter_rows(named=True)
    ]
    rulings += [
        _unplaced(curve, own)
        for curve, own in zip(curves, found, strict=True)
        if (own["status"] == "missing").any()
    ]
    ruling = worst(rulings)
    if ruling.decision == "confirmed":
        largest = float(matched["deviation_percent"].abs().max())  # type: ignore[arg-type]
        within = f"{AGREE:g} errors" if exact else f"{ESTIMATED:g} % of the estimate"
        reason = f"{len(matched)} transitions within {within}, the farthest off by {largest:.2g} %"
        ruling = Ruling("confirmed", reason)
    last = found[-1].filter(pl.col("status").is_in(["matched", "missing"])).sort(PREDICTED)
    at = [Quantity("", each) for each in last.select(PREDICTED).to_series()]
    return _verdict(curves, "places", at, _located(last.drop_nulls("location")), ruling)


def _unplaced(curve: pl.DataFrame, own: pl.DataFrame) -> Ruling:
    """On predicted places where nothing was found: it is elsewhere, or the count of transitions judges it."""
    missing = own.filter(pl.col("status") == "missing")
    told = f"K = {curve['complexity'][0]}: none near λ = " + ", ".join(
        f"{at:.4g}" for at in missing.select(PREDICTED).to_series()
    )
    elsewhere = own.filter(pl.col("status") == "unexpected", pl.col("order").is_not_null())
    if len(elsewhere) and not _unseen(curve, own):
        return Ruling(
            "not confirmed", f"{told}, but near {', '.join(f'{at:.4g}' for at in elsewhere['location'])}"
        )
    return Ruling("not decided", told)


def _estimated(measured: float, error: float, estimate: float) -> Ruling:
    off = 100 * abs(measured / estimate - 1)
    by = f"λ is {off:.1f} % from the estimate {estimate:.4g}"
    if off - ESTIMATED > AGREE * 100 * error / estimate:
        return Ruling("not confirmed", by)
    if error > PLACED * estimate:
        return Ruling("not decided", f"λ is known to {100 * error / estimate:.0f} % only: {FINER}")
    return Ruling("confirmed", "near the estimate") if off <= ESTIMATED else Ruling("not decided", by)


def _located(rows: pl.DataFrame) -> list[Quantity]:
    return [Quantity("", row["location"], row["location_error"]) for row in rows.iter_rows(named=True)]


def _inside(curve: pl.DataFrame, theirs: DeepLinear) -> list[float]:
    l2 = curve["l2"].to_numpy()
    return [at for at in theirs.spinodals.tolist() if l2.min() < at < l2.max()]


def _lost() -> pl.Expr:
    """Features lost at a transition, for rising λ."""
    return (pl.col("learned_features_before") - pl.col("learned_features_after")).round()


def _verdict(
    curves: Sequence[pl.DataFrame],
    what: str,
    predicted: Sequence[Quantity],
    measured: Sequence[Quantity],
    ruling: Ruling,
) -> Verdict:
    first, last = (curve.row(0, named=True) for curve in (curves[0], curves[-1]))
    network = "deep linear" if first["activation"] == "linear" else first["activation"]
    task = str(first["task"]).replace("_", " ")
    ends = (
        f"K = {first['complexity']}…{last['complexity']}" if what == "number" else f"K = {last['complexity']}"
    )
    case = {"number": "number of transitions", "places": "λ of the transitions"}[what]
    return Verdict(
        "complexity",
        f"{task}, {network}: {case}, {ends}",
        tuple(predicted),
        tuple(measured),
        *ruling,
        figure="phases",
        curve=curves[-1].select(CURVE).row(0),
    )
