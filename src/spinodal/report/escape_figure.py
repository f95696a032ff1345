"""The figure of escape from a phase: survival under noise, and the Arrhenius law with theory's line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
import polars as pl
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spinodal.analysis.holding_times import survival
from spinodal.report.style import ERROR, EXACT, MEASURED, STYLE, TRANSITION

LAST = 5.0
"""Survival is drawn up to this many mean times."""


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
    with rc_context(STYLE):
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
        shown_here = (at <= last) & (fraction > 0)
        panel.step(
            at[shown_here] / unit,
            fraction[shown_here],
            where="post",
            color=colour,
            linewidth=1.1,
            label=f"{row[strength]:.3g}",
        )
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
        t, mean = part["temperature"].to_numpy(), part["mean_time"].to_numpy()
        low, high = part["mean_time_low"].to_numpy(), part["mean_time_high"].to_numpy()
        scale = t**power
        style = {**ERROR, "fmt": "o", "markersize": 4, "markerfacecolor": fill}
        panel.errorbar(1 / t, mean / scale, yerr=[(mean - low) / scale, (high - mean) / scale], **style)
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
