"""Branches: order parameters of every network against λ."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import polars as pl

from spinodal.report.campaign import Campaign
from spinodal.report.commands import report_command
from spinodal.report.figure import Column, draw_branches
from spinodal.report.names import capitalised, places
from spinodal.report.networks import Network
from spinodal.report.numbers import listed
from spinodal.report.page import Picture
from spinodal.report.section import Section, section

ALIKE = ("task", "complexity", "samples", "activation", "bias", "width", "temperature")
"""Networks that share these stand side by side, a column for each depth."""

BESIDE = 4
"""So many columns are legible."""


@section("branches", "Branches", place=30)
def branches(campaign: Campaign) -> Section | None:
    """Return a figure for each network that is drawn."""
    if not campaign.networks:
        return None
    notes = [
        "Every point is a minimum of 𝓛 at which a network came to rest; hollow points did not, and are no evidence. "
        "A band is the bracket of a transition, the fainter the fewer seeds show it."
    ]
    remarks = []
    drawn, number = campaign.drawn, len(campaign.networks)
    if len(drawn) < number:
        others = f"{report_command(campaign.folder)} --curve '*name*'"
        told = f"{len(drawn)} of {number} networks are drawn, some of every family; all are in the tables"
        notes.append(f"{told}. Any of them: {others}.")
        remarks.append(f"{told} of {campaign.page.name}. {others} draws others")
    families: dict[tuple[object, ...], list[Network]] = {}
    for network in drawn:
        families.setdefault(network.curves[0].records.select(ALIKE).row(0), []).append(network)
    pictures = [_picture(campaign, part) for each in families.values() for part in _parts(each)]
    return Section(notes, pictures, remarks=remarks)


def _parts(networks: Sequence[Network]) -> Iterator[Sequence[Network]]:
    for start in range(0, len(networks), BESIDE):
        yield networks[start : start + BESIDE]


def _picture(campaign: Campaign, networks: Sequence[Network]) -> Picture:
    """The figure of networks that differ in their depths."""
    first, several = networks[0], len(networks) > 1
    depths = [f"depth {network.curves[0].records['depth'][0]}" for network in networks]
    columns = [
        Column(network.records, network.transitions, depth if several else "")
        for network, depth in zip(networks, depths, strict=True)
    ]
    model = first.name.model.replace(f"{depths[0]}, ", "") if several else first.name.model
    numbers = "".join(f"-L{depth.rpartition(' ')[2]}" for depth in depths)
    file = re.sub(r"-L[0-9]+", numbers, first.name.file, count=1) if several else first.name.file
    found = [
        f"{depth.capitalize()}: {_transitions(network)}" if several else capitalised(_transitions(network))
        for network, depth in zip(networks, depths, strict=True)
    ]
    return campaign.picture(
        campaign.draw(file, draw_branches, columns),
        alt=f"E, accuracy and ‖θ‖² against λ for {'; '.join(str(each.name) for each in networks)}. {' '.join(found)}",
        title=f"{first.name.data}; {model}.",
        caption=" ".join(found) + _strengths(first),
        curves=[curve for network in networks for curve in network.curves],
        wide=several,
    )


def _strengths(network: Network) -> str:
    strengths = next((curve.strengths for curve in network.curves if curve.strengths), [])
    return f" Strengths {listed(strengths)}." if strengths else ""


def _transitions(network: Network) -> str:
    """Where the transitions are, in words."""
    parts = []
    for curve in network.curves:
        where = curve.name.branch or "this curve"
        kinks = pl.col("order").fill_null(1) == 2
        found = [
            f"{verb} at λ = {at}"
            for verb, kind in (("jumps", ~kinks), ("has a kink", kinks))
            if (at := places(curve.transitions.filter(kind)))
        ]
        parts.append(f"{where} " + (" and ".join(found) or "shows no transition"))
    return "; ".join(parts) + "."
