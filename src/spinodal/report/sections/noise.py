"""Hysteresis under noise: the onset of learning both ways, against temperature."""

from __future__ import annotations

import numpy as np
import polars as pl
from matplotlib import rc_context
from matplotlib.figure import Figure

from spinodal.analysis import DeepLinear, landscape
from spinodal.analysis.thermal import NETWORK
from spinodal.report.campaign import Campaign
from spinodal.report.cells import Cells, Record, measured, tabulate, text, value
from spinodal.report.names import curve_names
from spinodal.report.numbers import number, with_error
from spinodal.report.page import Picture
from spinodal.report.section import Section, section
from spinodal.report.style import BRANCHES, EXACT, SPINODAL, STYLE
from spinodal.report.table import Group

NOTE = (
    "Every stage of these loops was held under Langevin noise of temperature T for the same time. The warmer, the "
    "earlier a phase is left, in both directions. Lines are the λ by which half of the replicas must have left at "
    "Kramers' rates."
)


@section("noise", "Hysteresis under noise", "Noise", place=100)
def noise(campaign: Campaign) -> Section | None:
    """Return the onset of learning of every network that was looped at some temperatures."""
    onsets = campaign.found.onset_under_noise
    if onsets.is_empty():
        return None
    records = campaign.found.branches.partition_by(NETWORK, as_dict=True)
    pictures: list[Picture] = []
    groups, results = [], []
    for identity, own in onsets.partition_by(NETWORK, as_dict=True, maintain_order=True).items():
        rows, line = records[identity], _result(own)
        (name,) = curve_names(rows.head(1))
        title = f"{name.data}; {name.model}"
        network = landscape(rows.row(0, named=True))
        exact = network if network is not None and network.complete else None
        pictures.append(
            campaign.picture(
                campaign.draw(f"noise-{len(pictures)}", draw_onsets, own, exact),
                alt=f"λ of the onset of learning against T: {line}",
                title=title,
                caption=f"{line}.",
                jobs_of=rows["job"].drop_nulls(),
            )
        )
        groups.append(Group(title, own.rows(named=True)))
        results.append(f"{title}: {line}")
    return Section([NOTE], pictures, [tabulate("Onset of learning under noise", COLUMNS, groups)], results)


def _result(onsets: pl.DataFrame) -> str:
    """Return how much narrower the hysteresis becomes, in a line."""
    known = onsets.drop_nulls(["control_up", "control_down"]).sort("temperature")
    if len(known) < 2:
        return "too few loops both ways"
    (cold, low), (hot, high) = (
        (_width(row), number(row["temperature"]))
        for row in (known.row(0, named=True), known.row(-1, named=True))
    )
    return f"hysteresis is {cold} wide in λ at T = {low}, and {hot} at T = {high}"


def _width(row: Record) -> str:
    if row["control_up"] is None or row["control_down"] is None:
        return ""
    error = float(np.hypot(row["control_up_error"], row["control_down_error"]))
    return with_error(row["control_up"] - row["control_down"], error)


COLUMNS: Cells = (
    ("T", value("temperature")),
    ("λ up", measured("control_up")),
    ("by Kramers", value("control_up_exact")),
    ("λ down", measured("control_down")),
    ("by Kramers", value("control_down_exact")),
    ("width", _width),
    ("seeds", text("seeds")),
)


@rc_context(STYLE)
def draw_onsets(onsets: pl.DataFrame, exact: DeepLinear | None) -> Figure:
    """Draw λ of the onset against T, above, and the width of the hysteresis, below.

    Args:
        onsets: As `onset_under_noise` returns them, of one network.
        exact: The network, if the theory of it is exact.
    """
    temperature = onsets["temperature"].to_numpy()
    control = {name: onsets[name].to_numpy() for name in onsets.columns if name.startswith("control_")}
    figure = Figure(figsize=(4.8, 5.0), layout="constrained")
    both, width = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    for way in ("up", "down"):
        at, error, kramers = (control[f"control_{way}{kind}"] for kind in ("", "_error", "_exact"))
        style = {**BRANCHES[way], "alpha": 1.0, "markersize": 5, "elinewidth": 0.8}
        both.errorbar(temperature, at, error, label=way, **style)
        both.plot(temperature, kramers, **EXACT, label="Kramers" if way == "up" else None)
    found = control["control_up"] - control["control_down"]
    errors = np.hypot(control["control_up_error"], control["control_down_error"])
    width.errorbar(temperature, found, errors, fmt="ko", markersize=4, elinewidth=0.8)
    width.plot(temperature, control["control_up_exact"] - control["control_down_exact"], **EXACT)
    for places, label in () if exact is None else ((exact.spinodals, "sp"), (exact.coexistences, "co")):
        both.axhline(places[0], **SPINODAL)
        beside = {"xycoords": ("axes fraction", "data"), "xytext": (3, -3), "textcoords": "offset points"}
        both.annotate(rf"$\lambda_\mathrm{{{label}}}$", (1, places[0]), **beside)
    both.set_ylabel(r"$\lambda$ of the onset")
    width.set(xlabel="$T$", ylabel=r"$\lambda_\mathrm{up} - \lambda_\mathrm{down}$", ylim=(0, None))
    figure.legend(*both.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
