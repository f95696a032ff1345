"""The sections of the page about R."""

from __future__ import annotations

from pathlib import Path

from spinodal.report.commands import again
from spinodal.report.curvature import MEANING, CurvatureReport
from spinodal.report.curvature_sheet import foresight_sheet, rescaling_sheet
from spinodal.report.groups import jobs
from spinodal.report.page import Picture, Section, capitalised
from spinodal.report.table import agreed


def curvature_section(curvature: CurvatureReport, campaign: Path) -> Section:
    """What R says at the same minima.

    Args:
        curvature: What was found.
        campaign: Its folder.
    """
    pictures = [
        Picture(
            each.figure,
            alt=f"E, ‖θ‖, R, tr ∇²E and the soft mode against λ for {each.name}: {agreed(each.agreement)}",
            title=f"{each.name}.",
            caption=capitalised(agreed(each.agreement)) + ".",
            commands=again(campaign, jobs([each.curve])),
        )
        for each in curvature.curves
        if each.figure
    ]
    notes = [
        "The scalar curvature R of the surface z = E(θ) at the same minima. Bands are the transitions that E "
        "shows, triangles those that R shows when it is looked at alone."
    ]
    sheets = [rescaling_sheet(curvature.curves)]
    return Section(
        "curvature", "Curvature", "Curvature of the error landscape", notes, pictures=pictures, sheets=sheets
    )


def foresight_section(curvature: CurvatureReport, figure: Path) -> Section:
    """What each observable says before a jump.

    Args:
        curvature: What was found.
        figure: Without suffix.
    """
    picture = Picture(
        figure,
        alt="How far λ_sp as predicted from each observable is off, curve by curve, for predictions that know the "
        "phase up to several fractions of λ_jump; below, R and the soft mode through the last phase. The table "
        "after the figure has the numbers.",
        caption="Above, markers are transitions; hollow where not every seed predicts one, a cross where none does.",
    )
    notes = [
        "At a jump every function of the minimum jumps. Here each observable has to say where, from what precedes "
        f"the jump alone. In the table: {MEANING}."
    ]
    return Section(
        "foresight",
        "Foresight",
        "What foresees a jump",
        notes,
        pictures=[picture],
        wide=True,
        sheets=[foresight_sheet(curvature.curves)],
    )
