"""Branches: order parameters of every network against λ."""

from __future__ import annotations

import polars as pl

from spinodal.analysis import surveyed
from spinodal.report.beside import Beside, side_by_side
from spinodal.report.campaign import Campaign
from spinodal.report.commands import report_command
from spinodal.report.figure import Column, draw_branches
from spinodal.report.names import places
from spinodal.report.networks import Network
from spinodal.report.page import Picture
from spinodal.report.section import Section, section


@section("branches", "Branches", place=30)
def branches(campaign: Campaign) -> Section | None:
    """Return a figure for each network that is drawn."""
    if not campaign.networks:
        return None
    notes = [
        "Every point is a minimum of 𝓛 at which a network came to rest; hollow points did not, or are only surveyed, "
        "and are no evidence. A band is the bracket of a transition, the fainter the fewer seeds show it."
    ]
    remarks = []
    drawn, number = campaign.drawn, len(campaign.networks)
    if len(drawn) < number:
        others = f"{report_command(campaign.folder)} --curve '*name*'"
        told = f"{len(drawn)} of {number} networks are drawn, some of every family; all are in the tables"
        notes.append(f"{told}. Any of them: {others}.")
        remarks.append(f"{told} of {campaign.page.name}. {others} draws others")
    pictures = [_picture(campaign, beside) for beside in side_by_side(drawn)]
    return Section(notes, pictures, remarks=remarks)


def _picture(campaign: Campaign, beside: Beside) -> Picture:
    columns = [
        Column(network.records, network.transitions, depth)
        for network, depth in zip(beside.networks, beside.depths, strict=True)
    ]
    found = beside.caption([_transitions(network) for network in beside.networks])
    return campaign.picture(
        campaign.draw(beside.file, draw_branches, columns),
        alt=f"E, accuracy and ‖θ‖² against λ for {'; '.join(str(each.name) for each in beside.networks)}. {found}",
        title=beside.title,
        caption=found,
        curves=beside.curves,
        wide=len(columns) > 1,
    )


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
        nothing = (
            "is only surveyed" if curve.records.select(surveyed().all()).item() else "shows no transition"
        )
        parts.append(f"{where} " + (" and ".join(found) or nothing))
    return "; ".join(parts)
