"""Claim: up and down branches of deep networks disagree, and theory knows by how much; at depth 2 they agree."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl
from scipy.special import erfc

from spinodal.analysis.claims.rules import (
    AGREE,
    CONTRADICT,
    FINER,
    NARROW,
    NONE,
    SEEN,
    Quantity,
    Ruling,
    Verdict,
    claim,
    confirmed,
    quantities,
    refuted,
    settled,
    there,
    undecided,
    worst,
)
from spinodal.analysis.curves import CURVE
from spinodal.analysis.deviation import deviation

if TYPE_CHECKING:
    from spinodal.analysis.findings import Findings

MORE = "more seeds, or a finer grid of λ, decide"
"""What to run where the draws of the noise are too few, or the grid too coarse."""

LOOP = (*CURVE, "curve_up", "control_low", "control_high")
"""Columns of the findings that are the same in all rows of a loop."""

Part = tuple[str, Sequence[Quantity], Sequence[Quantity], Ruling]
"""What is judged, predicted, measured, and what follows."""


@claim("hysteresis", "First-order transitions have hysteresis", place=4)
def hysteresis_verdicts(found: Findings) -> Iterator[Verdict]:
    """Verdicts on every loop: whether it encloses an area, and where its two branches jump.

    - Deep: the area is `SEEN`, and the width of each feature's loop is λ_sp minus what the noise reaches; the way up
      jumps at the exact spinodals, the way down where its noise must reach. Where no feature is lost on the way up,
      or the grid would hide a loop of `NARROW` of the area below it, nothing is decided.
    - One hidden layer: the area is zero within `NONE` errors, which must be small enough for the smallest loop of a
      deep network of the same campaign to have been seen.
    """
    known = found.hysteresis.drop_nulls("area").filter(pl.col("depth") >= 2)
    loops = known.sort("depth", maintain_order=True).with_columns(
        open=pl.col("control_spinodal") - pl.col("control_reach"),
        open_error="control_reach_error",
        control_spinodal_error=pl.lit(None, pl.Float64),
    )
    smallest = loops.filter(pl.col("depth") > 2)["area"].min()
    for loop in loops.partition_by(LOOP, maintain_order=True):
        depth = loop["depth"][0]
        for what, predicted, measured, ruling in [_flat(loop, smallest)] if depth == 2 else _deep(loop):
            case, curve = f"depth {depth}: {what}", loop.select(CURVE).row(0)
            yield Verdict("hysteresis", case, predicted, measured, *ruling, "hysteresis", curve)


def enclosed(loop: Mapping[str, Any]) -> Ruling:
    """Return the ruling on whether a loop, a row of `Findings.hysteresis` with an area, encloses one."""
    size = None if loop["area_up"] is None else NARROW * loop["area_up"]
    return there(loop["area"], loop["area_error"], "area", size)


def _flat(loop: pl.DataFrame, smallest: Any) -> Part:
    area, error = loop.select("area", "area_error").row(0)
    errors = abs(deviation(area, error, 0.0))
    off = f"area {errors:.1f} errors from zero"
    if errors > CONTRADICT:
        ruling = refuted(off)
    elif smallest is None or smallest < SEEN * error:
        none = "no loop of a deep network that would have been seen"
        ruling = undecided(f"{none}: depth 3 beside it, or {FINER}")
    elif errors > NONE:
        ruling = undecided(off)
    else:
        ruling = confirmed(f"{off}; that of a deep network, {smallest:.2g}, would be seen")
    return "no loop", [Quantity("area", 0)], [Quantity("area", area, error)], ruling


def _deep(loop: pl.DataFrame) -> Iterator[Part]:
    each = f"each within {AGREE:g} errors"
    yield _widths(loop.row(0, named=True), loop)
    if len(up := loop.drop_nulls(["control_spinodal", "control_up"])):
        rulings = _settled(up, "control_up", "control_spinodal", "feature")
        sides = quantities(up, "control_spinodal"), quantities(up, "control_up")
        yield "way up jumps at λ_sp", *sides, worst(rulings, each)
    if len(down := loop.drop_nulls("control_reach")):
        rulings = _settled(down.drop_nulls("control_down"), "control_down", "control_reach", "feature", MORE)
        rulings += map(_stayed, down.filter(relearned=0).iter_rows(named=True))
        sides = quantities(down, "control_reach"), quantities(down, "control_down")
        yield f"way down learns again, noise {loop['perturbation'][0]:g}", *sides, worst(rulings, each)


def _widths(loop: dict[str, Any], features: pl.DataFrame) -> Part:
    known = features.drop_nulls(["control_width", "open"])
    predicted, measured = quantities(known, "open"), quantities(features, "control_width")
    error = (pl.col("control_width_error") ** 2 + pl.col("open_error") ** 2).sqrt()
    area, blind = enclosed(loop), known.filter(pl.col("open") > SEEN * error).is_empty()
    if not features["lost"].sum():
        ends = f"λ = {loop['control_low']:.4g} to {loop['control_high']:.4g}"
        ruling = undecided(f"no feature is lost on the way up from {ends}: a wider range decides")
    elif area.decision != "confirmed" and len(known) and blind:
        why = "the noise reaches as far as λ_sp: theory has no loop that would be seen"
        ruling = undecided(f"{why}; less protocol.perturbation, or a finer grid, decides")
        predicted, measured = [], []
    else:
        widths = _settled(known, "control_width", "open", "width of feature", MORE)
        ruling = worst([area, *widths], area.reason)
    measured.append(Quantity("area", loop["area"], loop["area_error"]))
    return "loop, widths", predicted or [Quantity("area above", 0)], measured, ruling


def _stayed(row: dict[str, Any]) -> Ruling:
    """On a feature that stays lost: where noise must reach, many draws do not all fail to; else more decide."""
    chance = (1 - row["reach_share"]) ** row["runs"]
    lost = f"feature {row['feature']} was not learned again in {row['runs']} runs, of chance {chance:.1g}"
    if row["unrelaxed"]:
        lost += f", {row['unrelaxed']} rows of the way down did not relax"
    impossible = chance < erfc(CONTRADICT / math.sqrt(2)) and not row["unrelaxed"]
    return refuted(lost, "" if impossible else f": {MORE}")


def _settled(rows: pl.DataFrame, column: str, predicted: str, what: str, advice: str = FINER) -> list[Ruling]:
    columns = rows.select(column, f"{column}_error", predicted, "feature", f"{predicted}_error")
    return [
        settled(at, error, there, f"{what} {feature}", off or 0.0, advice=advice)
        for at, error, there, feature, off in columns.iter_rows()
    ]
