"""Hysteresis under noise: the onset of learning both ways, against temperature."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from spinodal.analysis import landscape
from spinodal.analysis.thermal import NETWORK
from spinodal.report.campaign import Campaign
from spinodal.report.names import curve_names
from spinodal.report.noise_figure import draw_onsets
from spinodal.report.numbers import number, with_error
from spinodal.report.page import Picture
from spinodal.report.section import Section, section
from spinodal.report.table import Group, Row, Table, columns

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
        groups.append(Group(title, [_row(row) for row in own.iter_rows(named=True)]))
        results.append(f"{title}: {line}")
    header = columns("T", "λ up", "by Kramers", "λ down", "by Kramers", "width", "seeds")
    return Section([NOTE], pictures, [Table("Onset of learning under noise", header, groups)], results)


def _result(onsets: pl.DataFrame) -> str:
    """How much narrower the hysteresis becomes, in a line."""
    known = onsets.drop_nulls(["control_up", "control_down"]).sort("temperature")
    if len(known) < 2:
        return "too few loops both ways"
    cold, hot = known.row(0, named=True), known.row(-1, named=True)
    return (
        f"hysteresis is {_width(cold)} wide in λ at T = {number(cold['temperature'])}, "
        f"and {_width(hot)} at T = {number(hot['temperature'])}"
    )


def _width(row: dict[str, Any]) -> str:
    if row["control_up"] is None or row["control_down"] is None:
        return ""
    return with_error(
        row["control_up"] - row["control_down"],
        float(np.hypot(row["control_up_error"], row["control_down_error"])),
    )


def _row(row: dict[str, Any]) -> Row:
    ways = (
        cell
        for way in ("up", "down")
        for cell in (
            with_error(row[f"control_{way}"], row[f"control_{way}_error"]),
            number(row[f"control_{way}_exact"]),
        )
    )
    return (number(row["temperature"]), *ways, _width(row), str(row["seeds"]))
