"""Hysteresis: where the two branches of each network jump, and where its phases have equal 𝓛."""

from __future__ import annotations

from typing import Any

import polars as pl

from spinodal.analysis.claims.hysteresis import LOOP, enclosed
from spinodal.analysis.claims.rules import NONE, SEEN
from spinodal.analysis.deviation import deviation
from spinodal.report.beside import Beside, side_by_side
from spinodal.report.campaign import Campaign
from spinodal.report.hysteresis_figure import Loops, draw_loops
from spinodal.report.networks import Network
from spinodal.report.numbers import number, signed, span, with_error
from spinodal.report.page import Picture
from spinodal.report.section import Section, section
from spinodal.report.table import Group, Row, Table, columns

AREA = "∮‖θ‖² dλ, up minus down, which is what 𝓛 loses in the jumps of a closed loop"

KINDS = {"confirmed": "hysteresis", "not confirmed": "none", "not decided": "unclear"}
"""Of loops, by whether they enclose an area."""

WAYS = columns(
    *("m", "lost at λ", "λ_sp", "learned again", "spread", "noise reaches", "off by", "in errors"),
    *("width", "width in errors", "runs"),
    brief=("m", "lost at λ", "λ_sp", "learned again", "noise reaches", "width"),
)
COEXISTENCE = columns(
    *("features", "λ measured", "λ_co predicted", "off by", "in errors", "E on either side", "seeds"),
    brief=("features", "λ measured", "λ_co predicted", "off by", "seeds"),
)


@section("hysteresis", "Hysteresis and coexistence", "Hysteresis", place=50)
def hysteresis(campaign: Campaign) -> Section | None:
    """Return the way down against the way up of every network that has both, and where its phases coexist."""
    loops, phases = campaign.found.hysteresis, campaign.found.coexistence
    if loops.is_empty():
        return None
    each = [(network, _loops(network, loops)) for network in campaign.networks]
    found = [(network, loop) for network, own in each for loop in own]
    kinds = [_kind(loop.row(0, named=True)) for _, loop in found]
    result = (
        f"{kinds.count('hysteresis')} of {len(kinds)} loops enclose an area of at least {SEEN:g} standard errors, "
        f"{kinds.count('none')} none within {NONE:g}"
    )
    notes = [f"{result}. The area is {AREA}."]
    if loops["perturbation"].fill_null(0).gt(0).any():
        notes.append(
            "On the way down every stage starts with noise on every parameter, of the standard deviation given; "
            "without noise λ = 0 is the lower spinodal of a network with two hidden layers or more. What noise "
            "reaches, for a deep linear network, is where it gets past the saddle before it fades, which depends on "
            "the draw of the noise: the mean, ± its standard deviation for as many draws as there are runs. "
            "Deviations are in both errors, of measured and predicted λ, in quadrature."
        )
    if phases["control_coexistence"].is_not_null().any():
        notes.append(
            "Phases coexist where they have equal 𝓛. Between rows 𝓛 is interpolated with its exact slope, d𝓛/dλ = ‖θ‖²."
        )
    header = columns("network", "way down", "λ", "area", "in errors", "hysteresis", "runs", words=2)
    ways = [Group(_title(network, loop), _ways(loop), network.drawn) for network, loop in found]
    coexist = [
        Group(f"{each.name}; equal 𝓛", _coexisting(each.of(phases)), each.drawn) for each in campaign.networks
    ]
    tables = [
        Table(
            "Loops: ∮‖θ‖² dλ of the up branch minus the down branch",
            header,
            [Group("", [_loop(network, loop.row(0, named=True)) for network, loop in found])],
        ),
        Table("Where each feature m is lost, and where it is learned again", WAYS, ways, True, "none"),
        Table("Coexistence: λ at which phases m and m − 1 have equal 𝓛", COEXISTENCE, coexist, brief=True),
    ]
    shared = side_by_side([network for network, own in each if own and network.drawn])
    pictures = [_picture(campaign, beside) for beside in shared]
    return Section(notes, pictures, tables, [result], [f"area: {AREA}"])


def _loops(network: Network, loops: pl.DataFrame) -> list[pl.DataFrame]:
    return network.of(loops).partition_by(LOOP, maintain_order=True)


def _picture(campaign: Campaign, beside: Beside) -> Picture:
    loops, phases = campaign.found.hysteresis, campaign.found.coexistence
    drawn = [
        Loops(depth, network.records, network.of(loops), network.of(phases))
        for network, depth in zip(beside.networks, beside.depths, strict=True)
    ]
    areas = [
        dict.fromkeys(map(_area, each.loops.unique(LOOP, maintain_order=True).rows(named=True)))
        for each in drawn
    ]
    found = beside.caption(["; ".join(each) for each in areas])
    return campaign.picture(
        campaign.draw(f"{beside.file}-loop", draw_loops, drawn),
        alt=f"‖θ‖² and 𝓛 against λ on the way up and down, for {beside.title} {found}",
        title=beside.title,
        caption=found,
        curves=beside.curves,
        wide=len(drawn) > 1,
    )


def _kind(row: dict[str, Any]) -> str:
    return "" if row["area"] is None else KINDS[enclosed(row).decision]


def _area(row: dict[str, Any]) -> str:
    if row["area"] is None:
        return "branches without a λ in common"
    area, errors = with_error(row["area"], row["area_error"]), deviation(row["area"], row["area_error"], 0.0)
    return f"area {area}, {signed(errors, 1)} errors: {_kind(row)}"


def _noise(row: dict[str, Any]) -> str:
    """With which noise the way down was perturbed."""
    noise = row["perturbation"]
    return "noise unknown" if noise is None else f"noise {number(noise)}" if noise else "no noise"


def _loop(network: Network, row: dict[str, Any]) -> Row:
    cells = ["", "", "no λ in common"]
    if row["area"] is not None:
        errors = signed(deviation(row["area"], row["area_error"], 0.0), 1)
        cells = [with_error(row["area"], row["area_error"]), errors, _kind(row)]
    return (
        str(network.name),
        _noise(row),
        span(row["control_low"], row["control_high"]),
        *cells,
        str(row["runs"]),
    )


def _title(network: Network, loop: pl.DataFrame) -> str:
    row = loop.row(0, named=True)
    return f"{network.name}; λ {span(row['control_low'], row['control_high'])}; {_noise(row)}; {_area(row)}"


def _ways(loop: pl.DataFrame) -> list[Row]:
    return [_way(row) for row in loop.drop_nulls("feature").iter_rows(named=True)]


def _way(row: dict[str, Any]) -> Row:
    spread, down, reach, width = (
        row[name] for name in ("control_down_spread", "control_down", "control_reach", "control_width")
    )
    some = "" if row["relearned"] == row["runs"] else f" ({row['relearned']}/{row['runs']})"
    return (
        str(row["feature"]),
        with_error(row["control_up"], row["control_up_error"]),
        number(row["control_spinodal"], 5),
        with_error(down, row["control_down_error"]) + some if row["relearned"] else "not again",
        number(0.0 if spread is not None and spread < 1e-12 else spread, 2),
        _reached(row),
        "" if None in (down, reach) else signed(100 * (down / reach - 1), 1, " %"),
        signed(row["reach_deviation"], 1),
        with_error(width, row["control_width_error"]),
        "" if width is None else signed(deviation(width, row["control_width_error"], 0.0), 1),
        f"{row['lost']}/{row['runs']}",
    )


def _reached(row: dict[str, Any]) -> str:
    """Where the noise must reach, a mean over as many draws as there are runs."""
    if row["control_reach"] is not None:
        return with_error(row["control_reach"], row["control_reach_error"])
    if row["reach_share"] is None:
        return "not computed" if row["foretold"] and row["control_spinodal"] is not None else ""
    return "not so far" if row["perturbation"] else "never"


def _coexisting(phases: pl.DataFrame) -> list[Row]:
    rows: list[Row] = []
    for row in phases.iter_rows(named=True):
        at, error, exact = (row[f"control_{name}"] for name in ("coexistence", "coexistence_error", "exact"))
        compared = None not in (at, exact)
        rows.append(
            (
                f"{row['features']} | {row['features'] - 1}",
                "not followed there" if at is None else with_error(at, error),
                number(exact, 8),
                f"{number(100 * (at / exact - 1), 1)} %" if compared else "",
                signed(deviation(at, error, exact), 1) if compared else "",
                "" if at is None else f"{number(row['error_learned'])} | {number(row['error_left'])}",
                f"{row['seeds']}/{row['seeds_all']}",
            )
        )
    return rows
