"""The curvature R of the error landscape at the minima: where it jumps, and what the unit of E makes of it."""

from __future__ import annotations

import numpy as np
import polars as pl
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from spinodal.analysis import SCALES, deep_linear
from spinodal.records import COLUMN
from spinodal.report import panels
from spinodal.report.campaign import Campaign
from spinodal.report.names import capitalised
from spinodal.report.networks import Curve
from spinodal.report.numbers import number
from spinodal.report.page import Picture
from spinodal.report.section import Section, section
from spinodal.report.style import ERROR, FROM_R, SEED, STYLE, ZERO
from spinodal.report.table import Group, Row, Table, columns

PANELS = {
    name: COLUMN[name].latex for name in ("error", "norm", "scalar_curvature", "trace_hessian", "soft_mode")
}
"""Column and label of each panel, from the top."""

SIGNED = ("scalar_curvature", "soft_mode")
"""Those of them in which zero means something."""


@section("curvature", "Curvature of the error landscape", "Curvature", place=60)
def curvature(campaign: Campaign) -> Section | None:
    """Return E, R and the rest of the geometry along the curves on which R was measured."""
    found = campaign.found
    curves = [curve for curve in campaign.curves if len(curve.of(found.curved))]
    if not curves:
        return None
    drawn = [curve for curve in curves if curve.drawn]
    parts = [(drawn, True), ([curve for curve in curves if not curve.drawn], False)]
    onsets = [([curve for curve in part if len(curve.of(found.rescaled))], brief) for part, brief in parts]
    shared = Table(
        "Jumps of single seeds that E and R show, each looked at alone, and how many agree within one grid spacing",
        columns("curve", "of E", "of R", "agree", words=1),
        [Group("", [_shared(curve, found.agreement) for curve in part], brief) for part, brief in parts],
        brief=True,
    )
    scaled = Table(
        "R of the surface z = cE(θ) just before the last jump; λ/λ_sp at which it changes sign",
        columns("curve", *(f"c = {number(c)}" for c in SCALES), words=1),
        [Group("", [_rescaled(curve, found.rescaled) for curve in part], brief) for part, brief in onsets],
        brief=True,
    )
    notes = [
        "The scalar curvature R of the surface z = E(θ) at the same minima. Bands are the transitions that E "
        "shows, triangles those that R shows when it is looked at alone."
    ]
    return Section(notes, [_picture(campaign, curve) for curve in drawn], [shared, scaled])


def _picture(campaign: Campaign, curve: Curve) -> Picture:
    found = campaign.found
    agreed = agreed_jumps(curve.of(found.agreement))
    drawn = curve.records, curve.transitions, curve.of(found.curvature_transitions)
    return campaign.picture(
        campaign.draw(f"{curve.name.file}-curvature", draw_curvature, *drawn),
        alt=f"E, ‖θ‖, R, tr ∇²E and the soft mode against λ for {curve.name}: {agreed}",
        title=f"{curve.name}.",
        caption=f"{capitalised(agreed)}.{curve.strengths_sentence}",
        curves=[curve],
    )


def _shared(curve: Curve, agreement: pl.DataFrame) -> Row:
    found = curve.of(agreement)
    shown = (found[f"location_{name}"].count() for name in ("error", "scalar_curvature"))
    return (str(curve.name), *map(str, shown), str(int(found["agrees"].sum())))


def _rescaled(curve: Curve, rescaled: pl.DataFrame) -> Row:
    found = curve.of(rescaled).select("before", "sign_change").iter_rows()
    return (
        str(curve.name),
        *(f"{number(before, 3)}; {number(change, 3) or 'no'}" for before, change in found),
    )


def agreed_jumps(agreement: pl.DataFrame) -> str:
    """Return how many jumps E and R share, in words, from the rows of one curve in `Findings.agreement`."""
    if agreement.is_empty():
        return "neither E nor R jumps"
    lacking = (("E", "scalar_curvature"), ("R", "error"))
    alone = {own: agreement[f"location_{other}"].null_count() for own, other in lacking}
    others = "".join(f"; {count} in {own} alone" for own, count in alone.items() if count)
    shared = f"{int(agreement['agrees'].sum())}/{len(agreement)}"
    return f"{shared} jumps agree in E and R within one grid spacing{others}"


@rc_context(STYLE)
def draw_curvature(curve: pl.DataFrame, transitions: pl.DataFrame, from_curvature: pl.DataFrame) -> Figure:
    """Draw E, ‖θ‖, R, tr ∇²E and the soft mode of a curve against λ on a log axis.

    Transitions that E shows are bands through all panels. Those that R shows, looked at alone, are triangles on
    its panel.

    Args:
        curve: Records of one curve, with curvature.
        transitions: Those of this curve in E, as `find_transitions` or `compare` returns them.
        from_curvature: Those in R.
    """
    rows = curve.filter(pl.col("control_value") > 0)
    transitions = transitions.drop_nulls("location")
    exact = deep_linear(curve)
    figure, axes = panels.stack(PANELS, 4.8, 8.4)
    for column, panel in axes.items():
        panels.mark(panel, transitions)
        panels.draw_points(panel, rows, column, SEED)
        panels.draw_mean(panel, rows, column, transitions)
        if (error := f"{column}_se") in rows.columns:
            estimated = panels.known(rows, error).filter(pl.col(error) > 0)
            panel.errorbar(estimated["control_value"], estimated[column], estimated[error], **ERROR)
        if COLUMN[column].scale == "symlog":
            _symlog(panel, rows, column)
        if column in SIGNED:
            panel.axhline(0, **ZERO)
    handles = panels.legend(rows, transitions, exact)
    if len(from_curvature):
        panel = axes["scalar_curvature"]
        top = panel.get_xaxis_transform()
        panel.plot(from_curvature["location"], np.ones(len(from_curvature)), transform=top, **FROM_R)
        handles.append(panels.line("jump of $R$", FROM_R))
    panels.scale_control(axes["soft_mode"], rows)
    if exact is not None:
        panels.draw_exact(axes, exact)
    return panels.finish(figure, handles, ncols=4)


def _symlog(panel: Axes, rows: pl.DataFrame, column: str) -> None:
    """Scale what falls over decades and then crosses zero: linear about zero, logarithmic in its upper decades."""
    largest = panels.known(rows, column)[column].abs().max()
    if isinstance(largest, float) and largest > 0:
        panel.set_yscale("symlog", linthresh=10 ** (np.floor(np.log10(largest)) - 1), linscale=0.8)
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
