"""The section of the page about hysteresis and coexistence."""

from __future__ import annotations

from pathlib import Path

from spinodal.report.commands import again
from spinodal.report.groups import jobs
from spinodal.report.hysteresis import AREA, HysteresisReport, Loops
from spinodal.report.hysteresis_sheet import coexistence_sheet, counted, loops_sheet, ways_sheet
from spinodal.report.hysteresis_table import area_told
from spinodal.report.page import Picture, Section, capitalised


def hysteresis_section(hysteresis: HysteresisReport, campaign: Path) -> Section:
    """Where the two branches of each network jump, and where its phases are equally good.

    Args:
        hysteresis: What was found.
        campaign: Its folder.
    """
    networks = hysteresis.networks
    notes = [f"{capitalised(counted(networks))}. {AREA.replace('area:', 'The area is')}."]
    if any(network.loops["perturbation"].fill_null(0).gt(0).any() for network in networks):
        notes.append(
            "On the way down every stage starts with noise on every parameter, of the standard deviation told; without "
            "noise λ = 0 is the lower spinodal of a network with two hidden layers or more. What noise reaches, for a "
            "deep linear network, is where it gets past the saddle before it fades, which depends on the draw of the "
            "noise: the mean, ± its standard deviation for as many draws as there are runs. Deviations are in both "
            "errors, of measured and predicted λ, in quadrature."
        )
    if any(network.coexistence["l2_coexistence"].is_not_null().any() for network in networks):
        notes.append(
            "Phases coexist where they have equal 𝓛. Between rows 𝓛 is interpolated with its exact slope, d𝓛/dλ = ‖θ‖²."
        )
    pictures = [
        Picture(
            each.figure,
            alt=f"‖θ‖² and 𝓛 against λ on the way up and down, for {each.group.name}. Areas: {_areas(each)}.",
            title=f"{each.group.name.data}; {each.group.name.model}.",
            caption=f"Area {_areas(each)}.",
            commands=again(campaign, jobs(each.group.curves)),
        )
        for each in hysteresis.drawn
        if each.figure
    ]
    sheets = [loops_sheet(networks), ways_sheet(networks), coexistence_sheet(networks)]
    return Section(
        "hysteresis", "Hysteresis", "Hysteresis and coexistence", notes, pictures=pictures, sheets=sheets
    )


def _areas(network: Loops) -> str:
    told = [area_told(loop.row(0, named=True)) for loop in network.each]
    return "; ".join(dict.fromkeys(told))
