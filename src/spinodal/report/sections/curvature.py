"""The curvature R of the error landscape at the minima: where it jumps, and what the unit of E makes of it."""

from __future__ import annotations

import polars as pl

from spinodal.analysis import SCALES
from spinodal.report.campaign import Campaign
from spinodal.report.curvature_figure import draw_curvature
from spinodal.report.names import capitalised
from spinodal.report.networks import Curve
from spinodal.report.numbers import listed, number
from spinodal.report.page import Picture
from spinodal.report.section import Section, section
from spinodal.report.table import Group, Row, Table, columns


@section("curvature", "Curvature of the error landscape", "Curvature", place=60)
def curvature(campaign: Campaign) -> Section | None:
    """Return E, R and the rest of the geometry along the curves on which R was measured."""
    found = campaign.found
    curves = [curve for curve in campaign.curves if len(curve.of(found.curved))]
    if not curves:
        return None
    drawn = [curve for network in campaign.drawn for curve in network.curves if curve in curves]
    notes = [
        "The scalar curvature R of the surface z = E(θ) at the same minima. Bands are the transitions that E "
        "shows, triangles those that R shows when it is looked at alone."
    ]
    parts = [(drawn, True), ([curve for curve in curves if curve not in drawn], False)]
    shared = Table(
        "Jumps of single seeds that E and R show, each looked at alone, and how many agree within one grid spacing",
        columns("curve", "of E", "of R", "agree", words=1),
        [Group("", [_shared(curve, found.agreement) for curve in part], brief) for part, brief in parts],
        brief=True,
    )
    onsets = [([curve for curve in part if len(curve.of(found.rescaled))], brief) for part, brief in parts]
    scaled = Table(
        "R of the surface z = cE(θ) just before the last jump; λ/λ_sp at which it changes sign",
        columns("curve", *(f"c = {number(c)}" for c in SCALES), words=1),
        [Group("", [_rescaled(curve, found.rescaled) for curve in part], brief) for part, brief in onsets],
        brief=True,
    )
    return Section(notes, [_picture(campaign, curve) for curve in drawn], [shared, scaled])


def _picture(campaign: Campaign, curve: Curve) -> Picture:
    agreed = agreed_jumps(curve.of(campaign.found.agreement))
    from_curvature = curve.of(campaign.found.curvature_transitions)
    name = f"{curve.name.file}-curvature"
    return campaign.picture(
        campaign.draw(name, draw_curvature, curve.records, curve.transitions, from_curvature),
        alt=f"E, ‖θ‖, R, tr ∇²E and the soft mode against λ for {curve.name}: {agreed}",
        title=f"{curve.name}.",
        caption=f"{capitalised(agreed)}."
        + (f" Strengths {listed(curve.strengths)}." if curve.strengths else ""),
        curves=[curve],
    )


def _shared(curve: Curve, agreement: pl.DataFrame) -> Row:
    found = curve.of(agreement)
    shown = (found[f"location_{name}"].count() for name in ("error", "scalar_curvature"))
    return (str(curve.name), *map(str, shown), str(int(found["agrees"].sum())))


def _rescaled(curve: Curve, rescaled: pl.DataFrame) -> Row:
    cells = (
        f"{number(before, 3)}; {number(change, 3) or 'no'}"
        for before, change in curve.of(rescaled).select("before", "sign_change").iter_rows()
    )
    return (str(curve.name), *cells)


def agreed_jumps(agreement: pl.DataFrame) -> str:
    """Return how many jumps E and R share, in words.

    Args:
        agreement: Of one curve, as `Findings.agreement`.
    """
    if agreement.is_empty():
        return "neither E nor R jumps"
    alone = {
        f"{own} alone": agreement.filter(pl.col(f"location_{other}").is_null()).height
        for own, other in (("E", "scalar_curvature"), ("R", "error"))
    }
    others = "".join(f"; {count} in {where}" for where, count in alone.items() if count)
    shared = f"{int(agreement['agrees'].sum())}/{len(agreement)}"
    return f"{shared} jumps agree in E and R within one grid spacing{others}"
