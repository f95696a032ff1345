"""Hysteresis: where the two branches of each network jump, and where its phases have equal 𝓛."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from spinodal import theory
from spinodal.analysis import DeepLinear, Run, deep_linear, pairs, runs
from spinodal.analysis.claims.hysteresis import LOOP, enclosed
from spinodal.analysis.claims.rules import NONE, SEEN
from spinodal.analysis.deviation import deviation
from spinodal.report import panels
from spinodal.report.campaign import Campaign
from spinodal.report.cells import CellOf, Cells, Record, between, measured, off, share, tabulate, text, value
from spinodal.report.networks import Beside, Network, side_by_side
from spinodal.report.numbers import number, signed, span, with_error
from spinodal.report.page import Picture
from spinodal.report.section import Section, section
from spinodal.report.style import BRANCHES, EXACT, STYLE
from spinodal.report.table import Group

AREA = "∮‖θ‖² dλ, up minus down, which is what 𝓛 loses in the jumps of a closed loop"

KINDS = {"confirmed": "hysteresis", "not confirmed": "none", "not decided": "unclear"}
"""Of loops, by whether they enclose an area."""


@section("hysteresis", "Hysteresis and coexistence", "Hysteresis", place=50)
def hysteresis(campaign: Campaign) -> Section | None:
    """Return the way down against the way up of every network that has both, and where its phases coexist."""
    loops, phases = campaign.found.hysteresis, campaign.found.coexistence
    if loops.is_empty():
        return None
    each = {
        network: network.of(loops).partition_by(LOOP, maintain_order=True) for network in campaign.networks
    }
    found = [(network, loop, loop.row(0, named=True)) for network, own in each.items() for loop in own]
    kinds = [_kind(row) for *_, row in found]
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
    areas = [Group("", [{**row, "network": network.name} for network, _, row in found])]
    ways = [
        Group(_title(network, row), loop.drop_nulls("feature").rows(named=True), network.drawn)
        for network, loop, row in found
    ]
    coexist = [
        Group(f"{network.name}; equal 𝓛", network.of(phases).rows(named=True), network.drawn)
        for network in each
    ]
    tables = [
        tabulate("Loops: ∮‖θ‖² dλ of the up branch minus the down branch", LOOPS, areas, words=2),
        tabulate(
            "Where each feature m is lost, and where it is learned again",
            WAYS,
            ways,
            brief=("m", "lost at λ", "λ_sp", "learned again", "noise reaches", "width"),
            empty="none",
        ),
        tabulate(
            "Coexistence: λ at which phases m and m − 1 have equal 𝓛",
            COEXISTENCE,
            coexist,
            brief=("features", "λ measured", "λ_co predicted", "off by", "seeds"),
        ),
    ]
    shared = side_by_side([network for network, own in each.items() if own and network.drawn])
    return Section(
        notes, [_picture(campaign, beside) for beside in shared], tables, [result], [f"area: {AREA}"]
    )


def _picture(campaign: Campaign, beside: Beside) -> Picture:
    loops, phases = campaign.found.hysteresis, campaign.found.coexistence
    drawn = [
        Loops(depth, network.records, network.of(loops), network.of(phases))
        for network, depth in zip(beside.networks, beside.depths, strict=True)
    ]
    areas = [map(_area, each.loops.unique(LOOP, maintain_order=True).rows(named=True)) for each in drawn]
    found = beside.caption(["; ".join(dict.fromkeys(each)) for each in areas])
    return campaign.picture(
        campaign.draw(f"{beside.file}-loop", draw_loops, drawn),
        alt=f"‖θ‖² and 𝓛 against λ on the way up and down, for {beside.title} {found}",
        title=beside.title,
        caption=found,
        curves=beside.curves,
        wide=len(drawn) > 1,
    )


def _kind(row: Record) -> str:
    return "" if row["area"] is None else KINDS[enclosed(row).decision]


def _errors(name: str, exact: str = "") -> CellOf:
    """Return by how many errors a number is off what is exact, or off zero."""

    def make(row: Record) -> str:
        known = row[name], row[f"{name}_error"], row[exact] if exact else 0.0
        return "" if None in (known[0], known[2]) else signed(deviation(*known), 1)

    return make


def _area(row: Record) -> str:
    if row["area"] is None:
        return "branches without a λ in common"
    area, errors = (make(row) for make in (measured("area"), _errors("area")))
    return f"area {area}, {errors} errors: {_kind(row)}"


def _noise(row: Record) -> str:
    """Return with which noise the way down was perturbed."""
    noise = row["perturbation"]
    return "noise unknown" if noise is None else f"noise {number(noise)}" if noise else "no noise"


def _title(network: Network, row: Record) -> str:
    return f"{network.name}; λ {span(row['control_low'], row['control_high'])}; {_noise(row)}; {_area(row)}"


LOOPS: Cells = (
    ("network", text("network")),
    ("way down", _noise),
    ("λ", between()),
    ("area", measured("area")),
    ("in errors", _errors("area")),
    ("hysteresis", lambda row: _kind(row) or "no λ in common"),
    ("runs", text("runs")),
)


def _again(row: Record) -> str:
    some = "" if row["relearned"] == row["runs"] else f" ({row['relearned']}/{row['runs']})"
    return (
        with_error(row["control_down"], row["control_down_error"]) + some if row["relearned"] else "not again"
    )


def _spread(row: Record) -> str:
    spread = row["control_down_spread"]
    return number(0.0 if spread is not None and spread < 1e-12 else spread, 2)


def _reached(row: Record) -> str:
    """Return where the noise must reach, a mean over as many draws as there are runs."""
    if row["control_reach"] is not None:
        return with_error(row["control_reach"], row["control_reach_error"])
    if row["reach_share"] is None:
        return "not computed" if row["foretold"] and row["control_spinodal"] is not None else ""
    return "not so far" if row["perturbation"] else "never"


def _off(row: Record) -> str:
    down, reach = row["control_down"], row["control_reach"]
    return "" if None in (down, reach) else signed(100 * (down / reach - 1), 1, " %")


WAYS: Cells = (
    ("m", text("feature")),
    ("lost at λ", measured("control_up")),
    ("λ_sp", value("control_spinodal", 5)),
    ("learned again", _again),
    ("spread", _spread),
    ("noise reaches", _reached),
    ("off by", _off),
    ("in errors", off("reach_deviation")),
    ("width", measured("control_width")),
    ("width in errors", _errors("control_width")),
    ("runs", share("lost", "runs")),
)


def _off_exact(row: Record) -> str:
    at, exact = row["control_coexistence"], row["control_exact"]
    return "" if None in (at, exact) else f"{number(100 * (at / exact - 1), 1)} %"


def _either(row: Record) -> str:
    known = row["control_coexistence"] is not None
    return f"{number(row['error_learned'])} | {number(row['error_left'])}" if known else ""


COEXISTENCE: Cells = (
    ("features", lambda row: f"{row['features']} | {row['features'] - 1}"),
    ("λ measured", lambda row: measured("control_coexistence")(row) or "not followed there"),
    ("λ_co predicted", value("control_exact", 8)),
    ("off by", _off_exact),
    ("in errors", _errors("control_coexistence", "control_exact")),
    ("E on either side", _either),
    ("seeds", share("seeds", "seeds_all")),
)

LINE: dict[str, Any] = {"color": "#009E73", "linewidth": 1.0, "linestyle": (0, (5, 1.5, 1, 1.5))}
"""At λ_co."""
CIRCLE: dict[str, Any] = {"marker": "o", "markersize": 5.0, "markerfacecolor": "none", "linestyle": "none"}
EQUAL: dict[str, Any] = {**CIRCLE, "color": "#009E73", "zorder": 5}
SHADE: dict[str, Any] = {"color": "#E69F00", "linewidth": 0}
REACH: dict[str, Any] = {"facecolor": BRANCHES["down"]["color"], "alpha": 0.16, "linewidth": 0}


class Loops(NamedTuple):
    """What is drawn of one network."""

    title: str
    """Above its panels."""
    records: pl.DataFrame
    """Of its branches."""
    loops: pl.DataFrame
    """As `Findings.hysteresis`."""
    phases: pl.DataFrame
    """As `Findings.coexistence`."""


@rc_context(STYLE)
def draw_loops(networks: Sequence[Loops]) -> Figure:
    """Draw the ways of every run of some networks, up and down, against λ on a log axis, a column per network.

    Above ‖θ‖², whose area between the ways is shaded run by run; below 𝓛, with circles where phases were found to
    have equal 𝓛. What is exact is drawn where the theory applies, and where the noise of the way down must reach.

    Args:
        networks: At least one. Their panels share the axes of ‖θ‖² and 𝓛.
    """
    figure = Figure(figsize=(1.4 + 3.4 * len(networks), 5.4), layout="constrained")
    grid = figure.subplots(2, len(networks), squeeze=False, sharex="col", sharey="row")
    for panel, label in zip(grid[:, 0], (r"$\Vert\theta\Vert^2$", r"loss $\mathcal{L}$"), strict=True):
        panel.set_ylabel(label)
    columns: list[list[Axes]] = [list(axes) for axes in grid.T]
    exact = [_ways(axes, network) for axes, network in zip(columns, networks, strict=True)]
    handles: dict[str, Artist] = {}
    for axes, network, theirs in zip(columns, networks, exact, strict=True):
        if theirs is not None:
            _exact(axes, theirs)
        _reaches(axes, network)
        handles |= {str(each.get_label()): each for each in _legend(network, theirs)}
    return panels.finish(figure, handles.values(), ncols=4 if len(networks) == 1 else len(handles))


def _ways(axes: Sequence[Axes], network: Loops) -> DeepLinear | None:
    """Draw what was measured, and return the exact theory of it."""
    rows = network.records.filter(pl.col("control_value") > 0)
    known = list(pairs(rows))
    found = [run for pair in known for run in runs(pair)]
    axes[0].set_title(network.title, pad=16)
    for run in found:
        _run(axes, run, 0.5 / len(found))
    panels.scale_control(axes[-1], rows)
    return next((each for pair in known if (each := deep_linear(pair.up.records)) is not None), None)


def _run(axes: Sequence[Axes], run: Run, shade: float) -> None:
    for branch, way in (("up", run.up), ("down", run.down)):
        style = {**BRANCHES[branch], "markersize": 2.4}
        for panel, values in zip(axes, (way.penalty, way.rest + way.control * way.penalty), strict=True):
            panel.plot(way.control, values, **style)
            panel.plot(way.control, values, color=style["color"], linewidth=0.7, alpha=0.5)
    control, above, below = np.intersect1d(run.up.control, run.down.control, return_indices=True)
    up, down = run.up.penalty[above], run.down.penalty[below]
    axes[0].fill_between(control, up, down, alpha=max(0.03, shade), **SHADE)


def _exact(axes: Sequence[Axes], exact: DeepLinear) -> None:
    """Draw the phases, and where each ends and is as good as the next."""
    control, _ = panels.branch_grid(axes[0], exact)
    heights = [panel.get_ylim() for panel in axes]
    for state in theory.phases(control, exact.strengths, exact.depth, exact.variances):
        held = state.minimum | (exact.depth > 2)
        for panel, values in zip(axes, (state.norm_squared, state.loss), strict=True):
            panel.plot(control, np.where(held, values, np.nan), **EXACT)
    for panel, height in zip(axes, heights, strict=True):
        panel.set_ylim(height)
    panels.mark_spinodals(axes, exact)
    low, high = axes[0].get_xlim()
    for at in exact.coexistences if exact.depth > 2 else ():
        if low < at < high:
            for panel in axes:
                panel.axvline(at, **LINE)


def _reaches(axes: Sequence[Axes], network: Loops) -> None:
    """Draw where noise must reach, and coexistence as measured: both phases have this 𝓛 there."""
    reached = network.loops.select("control_reach", "control_reach_spread").drop_nulls()
    for at, spread in reached.unique(maintain_order=True).iter_rows():
        for panel in axes:
            panel.axvspan(at - spread, at + spread, **REACH)
    found = network.phases.drop_nulls("control_coexistence")
    axes[1].plot(found["control_coexistence"], found["loss"], **EQUAL)


def _legend(network: Loops, exact: DeepLinear | None) -> Iterator[Artist]:
    for branch in ("up", "down"):
        yield panels.line(branch, {**BRANCHES[branch], "alpha": 1.0, "linestyle": "-"})
    yield Patch(alpha=0.5, **SHADE, label="area")
    if network.phases["control_coexistence"].is_not_null().any():
        yield panels.line(r"equal $\mathcal{L}$", EQUAL)
    if exact is not None:
        yield panels.line("exact phases", EXACT)
        yield panels.spinodals(exact.depth)
        if exact.depth > 2:
            yield panels.line(r"$\lambda_\mathrm{co}(c_k)$", LINE)
    if network.loops["control_reach"].is_not_null().any():
        yield Patch(**REACH, label="noise reaches")
