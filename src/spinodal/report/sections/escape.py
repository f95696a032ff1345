"""Escape from metastable phases: how long noise takes to carry replicas out, and how high the barriers are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import polars as pl
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spinodal.analysis.escape import HOLD, curve_of, held, start_of
from spinodal.analysis.findings import Findings
from spinodal.analysis.holding_times import survival
from spinodal.report.campaign import Campaign
from spinodal.report.cells import Cells, Record, between, measured, tabulate, text, value
from spinodal.report.names import capitalised, curve_names
from spinodal.report.numbers import number, with_error
from spinodal.report.section import Section, section
from spinodal.report.style import ERROR, EXACT, MEASURED, STYLE, TRANSITION
from spinodal.report.table import Group

DRAWN = 12
"""Holds that are drawn."""

LAST = 5.0
"""Survival is drawn up to this many mean times."""

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

    @property
    def barrier(self) -> float | None:
        """Return the exact one, where it is known."""
        return None if self.law is None else self.law["barrier_exact"]


def holds(found: Findings) -> list[Hold]:
    """Return all holds of a campaign."""
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
            wide=True,
        )
        for hold in found[:DRAWN]
    ]
    results = [f"{hold.name}: {result(hold)}" for hold in found]
    laws = [{**hold.law, "name": hold.name} for hold in found if hold.law is not None]
    times = [
        Group(hold.name, hold.times.with_columns(barrier=pl.lit(hold.barrier)).rows(named=True))
        for hold in found
    ]
    tables = [
        tabulate("Arrhenius laws, τ ∝ T^(d/2) exp(ΔV/T)", LAWS, [Group("", laws)], words=1),
        tabulate("Mean escape times (* left too fast, or too few, to count)", TIMES, times),
    ]
    return Section([NOTE], pictures, tables, results)


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


def _part(law: Record) -> str:
    """Return the barrier as a part of the exact one."""
    exact = law["barrier_exact"]
    return "" if exact is None else with_error(law["barrier"] / exact, law["barrier_error"] / exact)


def _strength(row: Record) -> str:
    strength = with_error(row["temperature"], row["temperature_error"])
    if row["batch"] is not None:
        strength = ": ".join(filter(None, (f"B = {row['batch']}", strength)))
    return strength + ("" if row["evidence"] else "*")


def _height(row: Record) -> str:
    barrier, temperature = row["barrier"], row["temperature"]
    return f"{barrier / temperature:.2f}" if barrier and temperature else ""


LAWS: Cells = (
    ("held", text("name")),
    ("slope of ln τ", measured("slope")),
    ("d/2", value("power")),
    ("ΔV measured", measured("barrier")),
    ("ΔV exact", value("barrier_exact", 5)),
    ("ratio", _part),
    ("τ / Kramers", measured("kramers_ratio")),
    ("χ²", lambda law: f"{law['chi_squared']:.1f}"),
    ("points", text("temperatures")),
)
TIMES: Cells = (
    ("T", _strength),
    ("ΔV/T", _height),
    ("replicas", text("replicas")),
    ("escaped", text("escaped")),
    ("τ", value("mean_time")),
    ("95 %", between("mean_time")),
    ("τ Kramers", value("mean_time_exact")),
    ("Weibull shape", measured("weibull_shape")),
    ("p exponential", value("exponential_p", 2)),
)


@rc_context(STYLE)
def draw_escape(records: pl.DataFrame, times: pl.DataFrame, law: Mapping[str, Any] | None) -> Figure:
    """Draw one hold.

    Survival is Kaplan and Meier's estimate, each temperature in units of its own mean time, so that exponential times
    fall on one straight line; against time itself where no mean is known, since too few have left. τ in the Arrhenius
    panel is divided by the power of T that the saddle's orbit gives it.

    Args:
        records: Of the hold.
        times: As `escape_times` returns them.
        law: As `arrhenius_laws` returns it, if there is one.
    """
    figure = Figure(figsize=(7.6, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    _survival(left, records, times)
    _arrhenius(right, times, law)
    return figure


def _survival(panel: Axes, records: pl.DataFrame, times: pl.DataFrame) -> None:
    known = times.filter("evidence").sort("temperature")
    shown = times if known.is_empty() else known
    colours = matplotlib.colormaps["plasma"](np.linspace(0, 0.85, len(shown)))
    for row, colour in zip(shown.iter_rows(named=True), colours, strict=True):
        unit, last = (1.0, np.inf) if known.is_empty() else (row["mean_time"], LAST * row["mean_time"])
        strength = "temperature" if row["batch"] is None else "batch"
        part = records.filter(pl.col(strength) == row[strength])
        at, fraction = survival(part["escape_time"].to_numpy(), part["escaped"].to_numpy())
        seen = (at <= last) & (fraction > 0)
        style = {"color": colour, "linewidth": 1.1, "label": f"{row[strength]:.3g}"}
        panel.step(at[seen] / unit, fraction[seen], where="post", **style)
    panel.set_ylabel("fraction still there")
    panel.legend(title="$T$" if shown["batch"][0] is None else "$B$", loc="lower left", ncols=2)
    if known.is_empty():
        panel.set(xlim=(0, None), ylim=(0, 1.05), xlabel="$t$")
        return
    line = np.linspace(0, LAST, 50)
    panel.plot(line, np.exp(-line), **EXACT)
    panel.set(yscale="log", xlim=(0, LAST), ylim=(5e-3, 1.3), xlabel=r"$t/\tau$")


def _arrhenius(panel: Axes, times: pl.DataFrame, law: Mapping[str, Any] | None) -> None:
    power = 0.0 if law is None else law["power"]
    times = times.drop_nulls("temperature")
    if times.is_empty():
        panel.text(0.5, 0.5, "none has left", ha="center", transform=panel.transAxes)
        panel.set_axis_off()
        return
    for evidence, fill in ((True, MEASURED), (False, "white")):
        part = times.filter(pl.col("evidence") == evidence, pl.col("mean_time").is_finite())
        t = part["temperature"].to_numpy()
        low, mean, high = (part[f"mean_time{end}"].to_numpy() / t**power for end in ("_low", "", "_high"))
        style = {**ERROR, "fmt": "o", "markersize": 4, "markerfacecolor": fill}
        panel.errorbar(1 / t, mean, yerr=[mean - low, high - mean], **style)
    temperatures = times["temperature"].to_numpy()
    inverse = np.linspace(1 / temperatures.max(), 1 / temperatures.min(), 100)
    label = rf"$\tau\,/\,T^{{{power:g}}}$" if power else r"$\tau$"
    panel.set(yscale="log", xlabel="$1/T$", ylabel=label)
    if law is None:
        return
    fitted = law["prefactor"] * np.exp(law["barrier"] * inverse)
    panel.plot(inverse, fitted, color=TRANSITION, linewidth=0.9, label="fit")
    if law["barrier_exact"] is not None:
        exact = law["prefactor_exact"] * np.exp(law["barrier_exact"] * inverse)
        panel.plot(inverse, exact, **EXACT, label=r"Kramers, exact $\Delta V$")
    panel.legend(loc="upper left")
