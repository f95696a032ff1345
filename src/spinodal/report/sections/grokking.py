"""Grokking: when networks fit and generalise, what that depends on, and their geometry meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import polars as pl

from spinodal.analysis import CURVE, trained
from spinodal.analysis.findings import Findings
from spinodal.analysis.grokking import BEGUN, FITTED, GENERALISED
from spinodal.analysis.plateau import GEOMETRY, PACE, WHEN
from spinodal.report.campaign import Campaign
from spinodal.report.cells import Cells, Record, measured, share, tabulate, text, times, value
from spinodal.report.grokking_figure import (
    CONDITION,
    Series,
    condition_name,
    draw_grokking,
    draw_times,
    varied,
)
from spinodal.report.names import curve_names
from spinodal.report.numbers import with_error, with_factor
from spinodal.report.section import Section, section
from spinodal.report.table import Group, Table

NOTES = (
    f"Networks trained for a number of steps, not relaxed: fitted means an accuracy of {FITTED} on training data, "
    f"generalised one of {GENERALISED} on test data, and a network has left its plateau half-way from the test "
    "accuracy it had when it fitted to that. Times are geometric means over seeds; between two looks accuracies are "
    "taken to change evenly in the logarithm of steps.",
    "Geometry is that of E where training was, which is no minimum (spinodal probe decides what a plateau is): a soft "
    "mode there ends no phase, and a pace that turns is no sign of a transition by itself, since what decays "
    "exponentially in time, as ‖θ‖ does by the L2 term, has a pace that grows all the while. The turn of ‖θ‖ stands "
    "beside R's for that reason.",
)

ALIKE = tuple(name for name in CURVE if name != "temperature")
"""Columns that are the same for one network on its data."""

SYMBOLS = {"scalar_curvature": "R", "trace_hessian": "tr ∇²E", "norm": "‖θ‖"}

PACES = (
    "Whether geometry changes its pace, d ln|Q| / d ln(steps), when a network leaves the plateau: before, on the "
    f"second half of the plateau, up to where the test accuracy has come {BEGUN:.0%} of the way; during the rise; "
    "after it; and the turn, during less before, which is 0 where Q goes on as before"
)


class Trained(NamedTuple):
    """One network on its data, at every λ and under all noise it was trained with."""

    name: str
    records: pl.DataFrame
    found: pl.DataFrame
    """As `Findings.grokking`."""
    exponents: pl.DataFrame
    """As `Findings.delays`."""
    ratios: pl.DataFrame
    """As `Findings.delays_noise`."""

    @property
    def conditions(self) -> list[tuple[str, Record]]:
        """The name of each condition, and its row."""
        names = varied(self.found.select(CONDITION))
        return [(condition_name(row, names), row) for row in self.found.iter_rows(named=True)]


@section("grokking", "Grokking", place=110)
def grokking(campaign: Campaign) -> Section | None:
    """Return the training curves of every network that was trained for a number of steps, and its times."""
    networks = _networks(campaign.found)
    if not networks:
        return None
    results = {each.name: _result(each) for each in networks}
    pictures = [
        campaign.picture(
            campaign.draw(f"grokking-{place}", draw_grokking, each.records),
            alt=f"Accuracy and geometry against steps: {results[each.name]}",
            title=f"{each.name}.",
            caption=f"{results[each.name]}.",
            jobs_of=each.records["job"].drop_nulls(),
            shows=each.found.select(CURVE).rows(),
        )
        for place, each in enumerate(networks)
    ]
    lines = [f"{name}: {result}" for name, result in results.items()]
    if series := [one for each in networks for one in _series(each)]:
        told = {each.name: ", ".join(_dependences(each)) for each in networks}
        compared = [f"{name}: {line}" for name, line in told.items() if line]
        lines += compared
        pictures.append(
            campaign.picture(
                campaign.draw("grokking-times", draw_times, series),
                alt="; ".join(compared),
                title="When networks fit, leave their plateau and generalise.",
                caption=f"An arrow: not all seeds did in time, or had a plateau to leave. {'; '.join(compared)}.",
            )
        )
    return Section(NOTES, pictures, _tables(networks), lines)


def _networks(found: Findings) -> list[Trained]:
    rows = trained(found.records).sort("task", "samples", "depth", "width", maintain_order=True)
    parts = rows.partition_by(ALIKE, as_dict=True, maintain_order=True)
    if not parts:
        return []
    firsts = pl.concat([part.head(1) for part in parts.values()])
    names = curve_names(firsts.with_columns(temperature=pl.lit(None, pl.Float64)))
    tables = (found.grokking.sort(CONDITION), found.delays, found.delays_noise)
    own = [(table, table.partition_by(ALIKE, as_dict=True, maintain_order=True)) for table in tables]
    return [
        Trained(
            f"{name.data}; {name.model}",
            part,
            *(by_network.get(identity, table.clear()) for table, by_network in own),
        )
        for name, (identity, part) in zip(names, parts.items(), strict=True)
    ]


def _result(network: Trained) -> str:
    """What was found, in a line, with whether R changes its pace when the plateau is left, and ‖θ‖ as a control."""
    lines, turns = [], []
    for label, row in network.conditions:
        fit, generalise = (times(name, "_steps")(row) for name in ("fit", "generalise"))
        lines.append(
            f"{label}: fitted after {fit} steps, generalised after {generalise} "
            f"({row['generalised']} of {row['seeds']} seeds)"
            if row["generalised"]
            else f"{label}: {row['fitted']} of {row['seeds']} seeds fitted, none generalised"
        )
        if row["scalar_curvature_turn_error"] is not None:
            turns.append(f"{label}: {measured('scalar_curvature_turn')(row)} ({measured('norm_turn')(row)})")
    if turns:
        lines.append(
            f"when the plateau is left, d ln R/d ln(steps) (that of ‖θ‖) turns by {', '.join(turns)}"
        )
    return "; ".join(lines)


def _series(network: Trained) -> Iterator[Series]:
    """Against each thing that varies, all else equal."""
    for axis in CONDITION:
        others = [name for name in CONDITION if name != axis]
        for part in network.found.drop_nulls(axis).partition_by(others, maintain_order=True):
            if len(part) > 1:
                names = varied(network.found.select(others))
                some = len(part) < len(network.found)
                label = f", {condition_name(part.row(0, named=True), names)}" if some else ""
                yield Series(axis, network.name + label, part)


def _dependences(network: Trained) -> Iterator[str]:
    for row in network.exponents.iter_rows(named=True):
        for name, verb in (("leave", "leaves its plateau"), ("generalise", "generalises")):
            if row[f"{name}_exponent"] is not None:
                yield f"{verb} after λ^({with_error(row[f'{name}_exponent'], row[f'{name}_exponent_error'])})"
    names = varied(network.found.select(CONDITION))
    for row in network.ratios.iter_rows(named=True):
        if row["leave_factor"] is not None:
            yield (
                f"leaves its plateau {with_factor(row['leave_ratio'], row['leave_factor'])} times as late at "
                f"{condition_name(row, names)} as under the least noise"
            )


TIMES: Cells = (
    ("", text("label")),
    ("fitted at", times("fit", "_steps")),
    ("left the plateau at", times("leave", "_steps")),
    ("generalised at", times("generalise", "_steps")),
    ("delay", times("delay")),
    ("seeds", share("generalised", "seeds")),
    ("E at the end", value("error_end", 3)),
    ("on test data", value("test_error_end", 3)),
    ("that on the plateau", value("test_error_plateau", 3)),
)
ENDS: Cells = (
    ("", text("label")),
    *(
        (f"{name.replace('_', ' ')}, {when}", value(f"{name}_{when}", 3))
        for name in GEOMETRY
        for when in ("plateau", "end")
    ),
)
RATES: Cells = (
    ("", text("label")),
    *(
        column
        for name in PACE
        for column in (
            *((f"{SYMBOLS[name]} {when}", value(f"{name}_pace_{when}", 3)) for when in WHEN),
            ("turn", measured(f"{name}_turn")),
        )
    ),
)


def _tables(networks: Sequence[Trained]) -> list[Table]:
    groups = [
        Group(each.name, [{**row, "label": label} for label, row in each.conditions]) for each in networks
    ]
    return [
        tabulate("When networks fit and when they generalise", TIMES, groups, words=1),
        tabulate("Geometry on the plateau and at the end", ENDS, groups, words=1),
        tabulate(PACES, RATES, groups, words=1),
    ]
