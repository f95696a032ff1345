"""Claim: up and down branches of deep networks disagree, and theory knows by how much; at depth 2 they agree."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from scipy.special import erfc

from spinodal.analysis.claims.rules import (
    AGREE,
    CONTRADICT,
    FINER,
    NONE,
    SEEN,
    Quantity,
    Ruling,
    Verdict,
    claim,
    settled,
    there,
    worst,
)
from spinodal.analysis.curves import CURVE
from spinodal.analysis.deviation import deviation

if TYPE_CHECKING:
    from spinodal.analysis.findings import Findings

NARROW = 0.05
"""Part of the area below the way up; where a loop of so much would not be seen, none is refuted."""

MORE = "more seeds, or a finer grid of λ, decide"
"""What to run where the draws of the noise are too few, or the grid too coarse."""

LOOP = (*CURVE, "curve_up", "l2_low", "l2_high")

Rows = Sequence[dict[str, Any]]


@claim("hysteresis", "First-order transitions have hysteresis", place=4)
def hysteresis_verdicts(found: Findings) -> Iterator[Verdict]:
    """Verdicts on every loop: whether it encloses an area, and where its two branches jump.

    - Deep: the area is `SEEN`, and the width of each feature's loop is λ_sp minus what the noise reaches; the way up
      jumps at the exact spinodals, the way down where its noise must reach. Where no feature is lost on the way up,
      or the grid would hide a loop of `NARROW` of the area below it, nothing is decided.
    - One hidden layer: the area is zero within `NONE` errors, which must be small enough for the smallest loop of a
      deep network of the same campaign to have been seen.

    Args:
        found: In the campaign.
    """
    loops = found.hysteresis.partition_by(LOOP, maintain_order=True)
    parts = [list(part.iter_rows(named=True)) for part in loops]
    parts = sorted((rows for rows in parts if rows[0]["area"] is not None), key=lambda rows: rows[0]["depth"])
    deep = [rows[0]["area"] for rows in parts if rows[0]["depth"] > 2]
    for rows in parts:
        if rows[0]["depth"] == 2:
            yield _none(rows, min(deep, default=None))
        else:
            yield from _deep([row for row in rows if row["feature"] is not None], rows[0])


def _none(rows: Rows, smallest: float | None) -> Verdict:
    row = rows[0]
    area, error = row["area"], row["area_error"]
    errors = abs(deviation(area, error, 0.0))
    if errors > CONTRADICT:
        ruling = Ruling("not confirmed", f"area {errors:.1f} errors from zero")
    elif smallest is None or smallest < SEEN * error:
        ruling = Ruling(
            "not decided",
            f"no loop of a deep network that would have been seen: depth 3 beside it, or {FINER}",
        )
    elif errors > NONE:
        ruling = Ruling("not decided", f"area {errors:.1f} errors from zero")
    else:
        reason = f"area {errors:.1f} errors from zero; that of a deep network, {smallest:.2g}, would be seen"
        ruling = Ruling("confirmed", reason)
    return _verdict(row, "no loop", (Quantity("area", 0),), (Quantity("area", area, error),), ruling)


def _deep(features: Rows, loop: dict[str, Any]) -> Iterator[Verdict]:
    yield _verdict(loop, "loop, widths", *_widths(features, loop))
    known = [row for row in features if row["l2_spinodal"] is not None and row["l2_up"] is not None]
    if known:
        rulings = [
            settled(row["l2_up"], row["l2_up_error"], row["l2_spinodal"], f"feature {row['feature']}")
            for row in known
        ]
        predicted = tuple(Quantity("", row["l2_spinodal"]) for row in known)
        yield _verdict(loop, "way up jumps at λ_sp", predicted, _measured(known, "l2_up"), _all(rulings))
    reached = [row for row in features if row["l2_reach"] is not None]
    if reached:
        rulings = [_reached(row) for row in reached]
        predicted = tuple(Quantity("", row["l2_reach"], row["l2_reach_error"]) for row in reached)
        back = [row for row in reached if row["l2_down"] is not None]
        case = f"way down learns again, noise {loop['perturbation']:g}"
        yield _verdict(loop, case, predicted, _measured(back, "l2_down"), _all(rulings))


def _widths(
    features: Rows, loop: dict[str, Any]
) -> tuple[tuple[Quantity, ...], tuple[Quantity, ...], Ruling]:
    area = Quantity("area", loop["area"], loop["area_error"])
    if not any(row["lost"] for row in features):
        at = f"no feature is lost on the way up from λ = {loop['l2_low']:.4g} to {loop['l2_high']:.4g}"
        return (Quantity("area above", 0),), (area,), Ruling("not decided", f"{at}: a wider range decides")
    wide = [row for row in features if row["l2_width"] is not None]
    known = [row for row in wide if row["l2_reach"] is not None]
    seen = there(loop["area"], loop["area_error"], "area", NARROW * loop["area_up"])
    if seen.decision != "confirmed" and known and not any(_is_open(row) for row in known):
        why = "the noise reaches as far as λ_sp: theory has no loop that would be seen"
        advice = "less protocol.perturbation, or a finer grid, decides"
        return (Quantity("area above", 0),), (area,), Ruling("not decided", f"{why}; {advice}")
    rulings = [seen]
    predicted = tuple(
        Quantity("", row["l2_spinodal"] - row["l2_reach"], row["l2_reach_error"]) for row in known
    )
    for row, each in zip(known, predicted, strict=True):
        name = f"width of feature {row['feature']}"
        rulings.append(
            settled(row["l2_width"], row["l2_width_error"], each.value, name, each.error or 0.0, advice=MORE)
        )
    ruling = worst(rulings)
    if ruling.decision == "confirmed":
        ruling = Ruling("confirmed", rulings[0].reason)
    return predicted or (Quantity("area above", 0),), (*_measured(wide, "l2_width"), area), ruling


def _is_open(row: dict[str, Any]) -> bool:
    """Return whether theory has a loop of a feature that is wide enough to be seen."""
    error = math.hypot(row["l2_width_error"], row["l2_reach_error"] or 0.0)
    return bool(row["l2_spinodal"] - row["l2_reach"] > SEEN * error)


def _reached(row: dict[str, Any]) -> Ruling:
    name = f"feature {row['feature']}"
    if not row["relearned"]:
        # Where the noise must reach, that many draws do not all fail to; else more of them decide.
        chance = (1 - row["reach_share"]) ** row["runs"]
        told = f"{name} was not learned again in {row['runs']} runs, of chance {chance:.1g}"
        if row["unrelaxed"]:
            told += f", {row['unrelaxed']} rows of the way down did not relax"
        impossible = chance < erfc(CONTRADICT / math.sqrt(2)) and not row["unrelaxed"]
        return Ruling("not confirmed", told) if impossible else Ruling("not decided", f"{told}: {MORE}")
    at, error = row["l2_down"], row["l2_down_error"]
    return settled(at, error, row["l2_reach"], name, row["l2_reach_error"], advice=MORE)


def _all(rulings: Sequence[Ruling]) -> Ruling:
    ruling = worst(rulings)
    if ruling.decision == "confirmed":
        return Ruling("confirmed", f"each within {AGREE:g} errors")
    return ruling


def _measured(rows: Rows, name: str) -> tuple[Quantity, ...]:
    return tuple(Quantity("", row[name], row[f"{name}_error"]) for row in rows)


def _verdict(
    loop: dict[str, Any],
    what: str,
    predicted: tuple[Quantity, ...],
    measured: tuple[Quantity, ...],
    ruling: Ruling,
) -> Verdict:
    curve = tuple(loop[name] for name in CURVE)
    case = f"depth {loop['depth']}: {what}"
    return Verdict("hysteresis", case, predicted, measured, *ruling, section="hysteresis", curve=curve)
