"""Survey: where E seems to jump on rows that are no evidence, and where exactly relaxed rows bear it out."""

from __future__ import annotations

from typing import Any

import polars as pl
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from spinodal.analysis import evidence
from spinodal.records import COLUMN
from spinodal.report import panels
from spinodal.report.campaign import Campaign
from spinodal.report.cells import Cells, Record, between, share, sides, tabulate
from spinodal.report.networks import Curve
from spinodal.report.page import Picture
from spinodal.report.section import Section, section
from spinodal.report.style import BAND, ERROR, HOLLOW, SEED, STYLE, TRANSITION
from spinodal.report.table import Cell, Group

REFINE = "the same command with protocol.refine=3 relaxes exactly on both sides of each jump"

PANELS = {
    "error": f"error {COLUMN['error'].latex}",
    "rank": "rank of the outputs",
    "scalar_curvature": f"curvature {COLUMN['scalar_curvature'].latex}",
}
"""Column and label of each panel, from the top; those of which nothing is known are left out."""

PLACES = {True: ("$E$ seems to jump", TRANSITION), False: ("the rank alone changes", "0.5")}
"""Label and colour of a place, by whether E seems to jump there."""


@section("survey", "What the survey suggests", "Survey", place=35)
def survey(campaign: Campaign) -> Section | None:
    """Return the places where E seems to jump in a survey, or the rank changes, curve by curve."""
    found = campaign.found.survey
    surveyed = [curve for curve in campaign.curves if (curve.records["criterion"] == "flow").any()]
    if not surveyed:
        return None
    open_ = found["transition"].null_count() > 0
    notes = [
        "Nothing here is evidence: rows of a survey are nearly at rest, and whether they are minima was not looked at."
    ]
    if open_:
        notes.append(f"What they suggest is to be tested: {REFINE}.")
    groups = [Group(str(each.name), each.of(found).rows(named=True), each.drawn) for each in surveyed]
    table = tabulate("Where the survey suggests a transition", COLUMNS, groups, brief=None, empty="none")
    pictures = [_picture(campaign, each, each.of(found)) for each in surveyed if each.drawn]
    result = f"survey, no evidence: {suggested(found)}"
    return Section(notes, pictures, [table], [result], [REFINE] if open_ else [])


def suggested(places: pl.DataFrame) -> str:
    """Return what a survey suggests, in words, from places as in `Findings.survey`."""
    jumps = places.filter("jumps")
    by_one = jumps.filter(pl.col("rank_before") - pl.col("rank_after") == 1).height
    words = f"E seems to jump at {len(jumps)} places, and rank falls by one at {by_one} of them"
    if others := len(places) - len(jumps):
        words += f"; rank changes at {others} more, where a finer grid decides whether E jumps"
    return f"{words}; exactly relaxed rows show {places['transition'].count() or 'none'} of these"


def _picture(campaign: Campaign, curve: Curve, places: pl.DataFrame) -> Picture:
    words = suggested(places)
    return campaign.picture(
        campaign.draw(f"{curve.name.file}-survey", draw_survey, curve.records, places),
        alt=f"E and the rank of the outputs against λ for {curve.name}, no evidence: {words}",
        title=f"{curve.name}.",
        caption=f"No evidence: {words}.",
        curves=[curve],
    )


def _decided(row: Record) -> Cell:
    if row["transition"] is None:
        return Cell("apparent" if row["jumps"] else "not on this grid", "open")
    return Cell(f"relaxed exactly, # {row['transition']}", "good")


COLUMNS: Cells = (
    ("λ between", between()),
    ("E", sides("", 3)),
    ("accuracy", sides("accuracy_", 3)),
    ("rank", sides("rank_", 3)),
    ("seeds", share("seeds", "seeds_all")),
    ("jump of E", _decided),
)


@rc_context(STYLE)
def draw_survey(curve: pl.DataFrame, places: pl.DataFrame) -> Figure:
    """Draw E and the rank of a curve, and R with its error if it was measured, against λ on a log axis.

    Args:
        curve: Records of one curve, with rows of a survey.
        places: Those of this curve, as `Findings.survey`; each is a band, the fainter the fewer seeds show it.
    """
    rows = curve.filter(pl.col("control_value") > 0)
    middle = (pl.col("control_low") * pl.col("control_high")).sqrt()
    marked = places.with_columns(location=middle, order=pl.lit(1))
    labels = {name: label for name, label in PANELS.items() if rows[name].is_not_null().any()}
    figure, axes = panels.stack(labels, 4.8, 0.8 + 1.9 * len(labels))
    for column, panel in axes.items():
        for jumps, (_, colour) in PLACES.items():
            panels.mark(panel, marked.filter(jumps=jumps), colour)
        panels.draw_each(panel, rows, column, {"color": SEED["color"], "zorder": 1})
        if (error := f"{column}_se") in rows.columns:
            panel.errorbar(rows["control_value"], rows[column], rows[error], **ERROR)
        panels.draw_points(panel, rows, column, SEED)
    panels.scale_control(panel, rows)
    handles: list[Any] = [panels.line("only surveyed", {**SEED, **HOLLOW})]
    if rows.filter(evidence()).height:
        handles.append(panels.line("relaxed exactly", SEED))
    for jumps, (label, colour) in PLACES.items():
        if jumps in places["jumps"]:
            handles.append(Patch(alpha=0.35, **{**BAND, "facecolor": colour}, label=label))
    return panels.finish(figure, handles, ncols=2 + (len(handles) == 3))
