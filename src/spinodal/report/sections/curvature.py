"""The curvature R of the error landscape at the minima: where it jumps, and what the unit of E makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from spinodal.report.campaign import Campaign
from spinodal.report.curvature_figure import draw_curvature
from spinodal.report.names import capitalised
from spinodal.report.networks import Curve
from spinodal.report.numbers import listed, number
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
    pictures = []
    for curve in drawn:
        agreed = agreed_jumps(curve.of(found.agreement))
        from_curvature = curve.of(found.curvature_transitions)
        figure = campaign.draw(
            f"{curve.name.file}-curvature", draw_curvature, curve.records, curve.transitions, from_curvature
        )
        pictures.append(
            campaign.picture(
                figure,
                alt=f"E, ‖θ‖, R, tr ∇²E and the soft mode against λ for {curve.name}: {agreed}",
                title=f"{curve.name}.",
                caption=capitalised(agreed)
                + "."
                + (f" Strengths {listed(curve.strengths)}." if curve.strengths else ""),
                curves=[curve],
            )
        )
    others = [curve for curve in curves if curve not in drawn]

    def groups(rows: Iterator[Row], more: Iterator[Row]) -> list[Group]:
        return [Group("", [*rows]), Group("", [*more], brief=False)]

    shared = Table(
        "Jumps of single seeds that E and R show, each looked at alone, and how many agree within one grid spacing",
        columns("curve", "of E", "of R", "agree", words=1),
        groups(_shared(drawn, found.agreement), _shared(others, found.agreement)),
        brief=True,
    )
    scaled = Table(
        "R of the surface z = cE(θ) just before the last jump; λ/λ_sp at which it changes sign",
        columns("curve", *(f"c = {number(c)}" for c in found.rescaled["scale"].unique().sort()), words=1),
        groups(_rescaled(drawn, found.rescaled), _rescaled(others, found.rescaled)),
        brief=True,
    )
    return Section(notes, pictures, [shared, scaled])


def _shared(curves: Sequence[Curve], agreement: pl.DataFrame) -> Iterator[Row]:
    for curve in curves:
        found = curve.of(agreement)
        shown = (found[f"location_{name}"].count() for name in ("error", "scalar_curvature"))
        yield (str(curve.name), *map(str, shown), str(int(found["agrees"].sum())))


def _rescaled(curves: Sequence[Curve], rescaled: pl.DataFrame) -> Iterator[Row]:
    for curve in curves:
        found = curve.of(rescaled)
        if len(found):
            cells = (
                f"{number(before, 3)}; {number(change, 3) or 'no'}"
                for before, change in found.select("before", "sign_change").iter_rows()
            )
            yield (str(curve.name), *cells)


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
