"""What makes a transition one, and not an accident of one network: the same at other depths, widths, samples."""

from __future__ import annotations

import polars as pl

from spinodal.analysis import CURVE
from spinodal.report.campaign import Campaign
from spinodal.report.dependence_figure import draw_dependence
from spinodal.report.networks import of_curves
from spinodal.report.numbers import number
from spinodal.report.section import Section, section

SIGNS = {"depth": "depth ", "width": "width ", "samples": "N = "}
"""Before the value of an axis in the name of a curve."""

FAMILIES = 3
"""So many are drawn."""


@section("dependence", "Depth, width, samples", "Dependence", place=40)
def dependence(campaign: Campaign) -> Section | None:
    """Return transitions against each axis along which networks differ in nothing else."""
    table = campaign.found.dependence
    if table.is_empty():
        return None
    by_identity = {curve.identity: curve for curve in campaign.curves}
    pictures = []
    for found in table.partition_by("family", maintain_order=True)[:FAMILIES]:
        curves = [by_identity[row] for row in found.select(CURVE).unique(maintain_order=True).rows()]
        axis, name = found["axis"][0], curves[0].name
        title = f"{name.data}\n{name.model}".replace(f"{SIGNS[axis]}{found['value'][0]}", f"any {axis}")
        where, onsets = title.replace("\n", "; "), _onsets(found)
        own = of_curves(campaign.found.quiet, curves)
        pictures.append(
            campaign.picture(
                campaign.draw(f"dependence-{axis}-{name.file}", draw_dependence, found, own),
                alt=f"λ of each transition and the jump in E there against {axis}, for {where}: {onsets}",
                title=f"{where}.",
                caption=f"The onset of learning, by {axis}: {onsets}.",
                curves=curves,
            )
        )
    notes = [
        "Networks that differ in one thing only. A transition that is no accident of one of them is there in all, "
        "every seed shows it, and it moves as predicted (dashes), where theory applies."
    ]
    return Section(notes, pictures)


def _onsets(found: pl.DataFrame) -> str:
    onsets = found.filter(from_onset=0).drop_nulls("location")
    return ", ".join(f"{row['value']}: λ = {number(row['location'])}" for row in onsets.iter_rows(named=True))
