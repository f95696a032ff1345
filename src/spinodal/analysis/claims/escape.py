"""Claim: a network leaves a metastable phase when noise carries it over the barrier: ln τ = ΔV/T + const."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import polars as pl
from scipy.special import chdtrc

from spinodal.analysis.claims.rules import Quantity, Ruling, Verdict, claim, settled
from spinodal.analysis.escape import HOLD, curve_of, start_of

if TYPE_CHECKING:
    from spinodal.analysis.findings import Findings

PRECISE = 0.1
"""A slope must be known to this fraction to decide anything."""

ASYMPTOTIC = 0.03
"""Of ΔV: the law is that of T → 0, and at ΔV/T of 4 to 9 its slope is off by so much: the error of the prediction."""

STRAIGHT = 1e-3
"""Least p-value of χ² with which ln τ is still a straight line in 1/T."""

MORE = "more seeds, or temperatures, decide"
"""What to run where there are too few."""

FEWEST = 3
"""Temperatures that show a line."""


@claim("grokking")
def escape_verdicts(found: Findings) -> Iterator[Verdict]:
    """Judge each phase that was held at several temperatures: the slope of ln τ against the exact barrier.

    Args:
        found: In the campaign.

    Yields:
        One verdict for each.
    """
    laws = found.arrhenius.rows_by_key(HOLD, named=True, unique=True)
    holds = found.escape_times.partition_by(HOLD, as_dict=True, maintain_order=True)
    for identity, times in holds.items():
        hold = times.row(0, named=True)
        network = f"depth {hold['depth']}, width {hold['width']}"
        case = f"escape from {start_of(hold)} at λ = {hold['control_value']:g}, {network}: ΔV"
        yield _verdict(case, laws.get(identity), times, curve_of(hold))


def _verdict(
    case: str, law: dict[str, Any] | None, times: pl.DataFrame, curve: tuple[object, ...]
) -> Verdict:
    predicted: tuple[Quantity, ...] = ()
    measured: tuple[Quantity, ...] = ()
    if law is not None:
        measured = (Quantity("", law["barrier"], law["barrier_error"]),)
        if law["barrier_exact"] is not None:
            predicted = (Quantity("", law["barrier_exact"], ASYMPTOTIC * law["barrier_exact"]),)
            measured += (Quantity("τ/Kramers", law["kramers_ratio"], law["kramers_ratio_error"]),)
    ruling = _ruling(law, times)
    return Verdict("grokking", case, predicted, measured, *ruling, section="escape", curve=curve)


def _ruling(law: dict[str, Any] | None, times: pl.DataFrame) -> Ruling:
    if law is None or law["temperatures"] < FEWEST:
        used = times["evidence"].sum()
        return Ruling("not decided", f"escape times at {used} temperatures, of {len(times)} held: {MORE}")
    if law["barrier_exact"] is None:
        return Ruling("not decided", "no theory says how high the barrier is")
    freedom = law["temperatures"] - 2
    p = float(chdtrc(freedom, law["chi_squared"]))
    if p < STRAIGHT:
        return Ruling("not decided", f"ln τ is no straight line in 1/T (χ² = {law['chi_squared']:.1f})")
    exact = law["barrier_exact"]
    if law["barrier_error"] > PRECISE * exact:
        known = f"the slope is known to {100 * law['barrier_error'] / exact:.0f} % only"
        return Ruling("not decided", f"{known}: {MORE}")
    ruling = settled(law["barrier"], law["barrier_error"], exact, "slope of ln τ", ASYMPTOTIC * exact)
    at = f"over {law['temperatures']} temperatures, {times['escaped'].sum():,} escapes"
    return ruling._replace(reason=f"{ruling.reason}, {at}")
