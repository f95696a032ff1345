"""Escape from metastable phases: how long noise takes to carry replicas out, and how high the barriers are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import polars as pl

from spinodal.analysis.escape import HOLD, curve_of, held, start_of
from spinodal.analysis.findings import Findings
from spinodal.report.campaign import Campaign
from spinodal.report.escape_figure import draw_escape
from spinodal.report.names import capitalised, curve_names
from spinodal.report.numbers import number, span, with_error
from spinodal.report.section import Section, section
from spinodal.report.table import Group, Row, Table, columns

DRAWN = 12
"""Holds that are drawn."""

NOTE = (
    "Replicas are held at one λ under Langevin noise of temperature T. One has escaped when the flow without noise "
    "leads to another minimum. τ is the mean time by maximum likelihood, with replicas that were still there when "
    "their time was over; bars are 95 % intervals. On the left, exponential times fall on the dashed line; on the "
    "right it is Kramers' law with the exact barrier, where theory knows it."
)


class Hold(NamedTuple):
    """One phase at one λ, held at different strengths of noise."""

    name: str
    file: str
    records: pl.DataFrame
    times: pl.DataFrame
    """As `Findings.escape_times`."""
    law: dict[str, Any] | None
    """Its row of `Findings.arrhenius`; None if there is none."""


def holds(found: Findings) -> list[Hold]:
    """Return all holds of a campaign.

    Args:
        found: In the campaign.
    """
    rows = held(found.records).partition_by(HOLD, as_dict=True)
    laws = found.arrhenius.rows_by_key(HOLD, named=True, unique=True)
    times = found.escape_times.partition_by(HOLD, as_dict=True, maintain_order=True)
    made: list[Hold] = []
    for identity, own in times.items():
        (name,), first = curve_names(own.head(1)), own.row(0, named=True)
        noise = "" if first["batch"] is None else "minibatches, "
        place = f"{start_of(first)} at λ = {first['control_value']:g}, {noise}η = {first['time_step']:g}"
        title, file = f"{name.data}; {name.model}; {place}", f"{name.file}-{len(made)}"
        made.append(Hold(title, file, rows[identity], own, laws.get(identity)))
    return made


@section("escape", "Escape from metastable phases", "Escape", place=90)
def escape(campaign: Campaign) -> Section | None:
    """Return survival and Arrhenius law of every phase that was held."""
    found = holds(campaign.found)
    if not found:
        return None
    pictures = [
        campaign.picture(
            campaign.draw(hold.file, draw_escape, hold.records, hold.times, hold.law),
            alt=f"Survival under noise, and mean escape time against 1/T, for {hold.name}: {result(hold)}",
            title=f"{hold.name}.",
            caption=capitalised(result(hold)) + ".",
            jobs_of=hold.records["job"].drop_nulls(),
            shows=[curve_of(hold.times.row(0, named=True))],
        )
        for hold in found[:DRAWN]
    ]
    results = [f"{hold.name}: {result(hold)}" for hold in found]
    return Section([NOTE], pictures, [_laws(found), _times(found)], results, wide=True)


def result(hold: Hold) -> str:
    """Return what was found, in a line."""
    law = hold.law
    if law is None:
        gone, all_ = hold.times["escaped"].sum(), hold.times["replicas"].sum()
        return f"{gone:,} of {all_:,} replicas escaped"
    corrected = f" − {number(law['power'])} ln T" if law["power"] else ""
    line = f"ΔV = {with_error(law['barrier'], law['barrier_error'])} from ln τ{corrected} against 1/T"
    if law["barrier_exact"] is None:
        return line
    ratio = with_error(law["kramers_ratio"], law["kramers_ratio_error"])
    return f"{line}, {_part(law)} of the exact {number(law['barrier_exact'], 5)}; τ is {ratio} times Kramers'"


def _part(law: dict[str, Any]) -> str:
    """The barrier, as a part of the exact one."""
    exact = law["barrier_exact"]
    return "" if exact is None else with_error(law["barrier"] / exact, law["barrier_error"] / exact)


def _laws(found: Sequence[Hold]) -> Table:
    rows = [
        (
            hold.name,
            with_error(law["slope"], law["slope_error"]),
            number(law["power"]),
            with_error(law["barrier"], law["barrier_error"]),
            number(law["barrier_exact"], 5),
            _part(law),
            with_error(law["kramers_ratio"], law["kramers_ratio_error"]),
            f"{law['chi_squared']:.1f}",
            f"{law['temperatures']}",
        )
        for hold in found
        if (law := hold.law) is not None
    ]
    header = ("slope of ln τ", "d/2", "ΔV measured", "ΔV exact", "ratio", "τ / Kramers", "χ²", "points")
    return Table(
        "Arrhenius laws, τ ∝ T^(d/2) exp(ΔV/T)", columns("held", *header, words=1), [Group("", rows)]
    )


def _times(found: Sequence[Hold]) -> Table:
    header = ("T", "ΔV/T", "replicas", "escaped", "τ", "95 %", "τ Kramers", "Weibull shape", "p exponential")
    groups = [
        Group(
            hold.name,
            [_time(row, (hold.law or {}).get("barrier_exact")) for row in hold.times.iter_rows(named=True)],
        )
        for hold in found
    ]
    return Table("Mean escape times (* left too fast, or too few, to count)", columns(*header), groups)


def _time(row: dict[str, Any], barrier: float | None) -> Row:
    temperature = row["temperature"]
    strength = with_error(temperature, row["temperature_error"])
    if row["batch"] is not None:
        strength = ": ".join(filter(None, (f"B = {row['batch']}", strength)))
    return (
        strength + ("" if row["evidence"] else "*"),
        f"{barrier / temperature:.2f}" if barrier and temperature else "",
        f"{row['replicas']}",
        f"{row['escaped']}",
        number(row["mean_time"]),
        span(row["mean_time_low"], row["mean_time_high"]),
        number(row["mean_time_exact"]),
        with_error(row["weibull_shape"], row["weibull_shape_error"]),
        number(row["exponential_p"], 2),
    )
