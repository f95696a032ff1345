"""Claim: a network leaves a metastable phase when noise carries it over the barrier: ln τ = ΔV/T + const."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import polars as pl
from scipy.special import chdtrc

from spinodal.analysis.claims.rules import Quantity, Ruling, Verdict, claim, settled, undecided
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
    """Judge each phase that was held at several temperatures: the slope of ln τ against the exact barrier."""
    laws = found.arrhenius.rows_by_key(HOLD, named=True, unique=True)
    holds = found.escape_times.partition_by(HOLD, as_dict=True, maintain_order=True)
    for identity, times in holds.items():
        hold, law = times.row(0, named=True), laws.get(identity)
        network = f"depth {hold['depth']}, width {hold['width']}"
        case = f"escape from {start_of(hold)} at λ = {hold['control_value']:g}, {network}: ΔV"
        predicted: tuple[Quantity, ...] = ()
        measured: tuple[Quantity, ...] = ()
        if law is not None:
            measured = (Quantity("", law["barrier"], law["barrier_error"]),)
            if (exact := law["barrier_exact"]) is not None:
                predicted = (Quantity("", exact, ASYMPTOTIC * exact),)
                measured += (Quantity("τ/Kramers", law["kramers_ratio"], law["kramers_ratio_error"]),)
        ruling = _ruling(law, times)
        yield Verdict("grokking", case, predicted, measured, *ruling, section="escape", curve=curve_of(hold))


def _ruling(law: dict[str, Any] | None, times: pl.DataFrame) -> Ruling:
    if law is None or law["temperatures"] < FEWEST:
        used = times["evidence"].sum()
        return undecided(f"escape times at {used} temperatures, of {len(times)} held: {MORE}")
    exact, error = law["barrier_exact"], law["barrier_error"]
    if exact is None:
        return undecided("no theory says how high the barrier is")
    if chdtrc(law["temperatures"] - 2, law["chi_squared"]) < STRAIGHT:
        return undecided(f"ln τ is no straight line in 1/T (χ² = {law['chi_squared']:.1f})")
    if error > PRECISE * exact:
        return undecided(f"the slope is known to {100 * error / exact:.0f} % only: {MORE}")
    ruling = settled(law["barrier"], error, exact, "slope of ln τ", ASYMPTOTIC * exact)
    at = f"over {law['temperatures']} temperatures, {times['escaped'].sum():,} escapes"
    return ruling._replace(reason=f"{ruling.reason}, {at}")
