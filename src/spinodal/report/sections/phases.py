"""Phase diagrams: of every network that was run at more than one complexity."""

from __future__ import annotations

import re

from spinodal.analysis import order_parameter
from spinodal.report.campaign import Campaign
from spinodal.report.names import places
from spinodal.report.networks import FAMILY, Curve, spread
from spinodal.report.phases_figure import draw_phases
from spinodal.report.section import Section, section

NETWORK = ("task", "network", "activation", "bias", "depth", "width", "branch")
"""Curves that share these differ in the complexity of their data."""

DIAGRAMS, EXAMPLES = 6, 3
"""So many are all drawn; of more, so many examples."""


@section("phases", "Phase diagram", place=20)
def phases(campaign: Campaign) -> Section | None:
    """Return the phase diagrams of networks whose complexity varies, and whose learned features were counted."""
    diagrams = _diagrams(campaign)
    if not diagrams:
        return None
    families = [curves[0].records.select(FAMILY).row(0) for curves in diagrams]
    shown = range(len(diagrams)) if len(diagrams) <= DIAGRAMS else spread(families, EXAMPLES)
    notes = [
        "Which phase each λ leads to: how many features are learned, mean over seeds, rounded. Lines are the exact "
        "spinodals of the strengths measured on the data, where theory applies."
    ]
    if len(shown) < len(diagrams):
        notes.append(f"{len(shown)} of {len(diagrams)} networks are drawn, some of every family.")
    pictures = []
    for curves in (diagrams[place] for place in shown):
        name = curves[0].name
        title = "; ".join(filter(None, (name.data.partition(",")[0], name.model, name.branch)))
        file = f"phases-{re.sub(r'-K[0-9]+', '', name.file, count=1)}"
        each = "; ".join(
            f"K = {curve.records['complexity'][0]}: transitions at λ = {places(curve.transitions) or 'none'}"
            for curve in curves
        )
        pictures.append(
            campaign.picture(
                campaign.draw(file, draw_phases, curves),
                alt=f"Learned features over λ and complexity for {title}. {each}",
                title=f"{title}.",
                curves=curves,
            )
        )
    return Section(notes, pictures)


def _diagrams(campaign: Campaign) -> list[list[Curve]]:
    """The curves of each diagram, sorted by complexity."""
    networks: dict[tuple[object, ...], list[Curve]] = {}
    for curve in campaign.curves:
        counted = curve.records[order_parameter(curve.records)].is_not_null().any()
        if counted and curve.records["complexity"][0] is not None:
            networks.setdefault(curve.records.select(NETWORK).row(0), []).append(curve)
    return [
        sorted(curves, key=lambda curve: int(curve.records["complexity"][0]))
        for curves in networks.values()
        if len({curve.records["complexity"][0] for curve in curves}) > 1
    ]
