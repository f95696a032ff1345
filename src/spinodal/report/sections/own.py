"""Observables of a user's own: the numbers in the records that the schema does not have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl
from matplotlib import rc_context
from matplotlib.figure import Figure

from spinodal.analysis import evidence
from spinodal.analysis.curves import own_observables
from spinodal.report import panels
from spinodal.report.campaign import Campaign
from spinodal.report.networks import Curve, Network
from spinodal.report.numbers import number, with_error
from spinodal.report.page import Picture
from spinodal.report.section import Section, section
from spinodal.report.style import STYLE
from spinodal.report.table import Group, Row, Table, columns


@section("own", "Own observables", place=75)
def own(campaign: Campaign) -> Section | None:
    """Return a panel for each own observable of every network that is drawn, and its values where E jumps."""
    observables = own_observables(campaign.found.branches)
    if not observables:
        return None
    pictures = [
        _picture(campaign, network, measured)
        for network in campaign.drawn
        if (measured := own_observables(network.records))
    ]
    groups = [
        Group(str(curve.name), [*_rows(curve, observables)], curve.drawn)
        for curve in campaign.curves
        if own_observables(curve.records)
    ]
    caption = "Own observables: at the first and the last λ, mean over seeds, and before → after each transition of E"
    return Section(
        pictures=pictures,
        tables=[Table(caption, columns("", "λ", *observables, words=1), groups, brief=True)],
    )


def _picture(campaign: Campaign, network: Network, measured: Sequence[str]) -> Picture:
    name, listed = network.name, ", ".join(measured)
    return campaign.picture(
        campaign.draw(f"{name.file}-own", draw_own, network.records, network.transitions, measured),
        alt=f"{listed} against λ for {name}",
        title=f"{name.data}; {name.model}.",
        caption=f"{listed} at every minimum. Bands are the transitions that E shows.",
        curves=network.curves,
    )


def _rows(curve: Curve, observables: Sequence[str]) -> Iterator[Row]:
    """Yield the places of one curve, by λ."""
    places = curve.records.filter(evidence()).partition_by("control_value", as_dict=True)
    ends = {"first λ": min(places, default=None), "last λ": max(places, default=None)}
    first, last = (
        [(name, number(at[0]), *(_mean(places[at][each]) for each in observables))] if at else []
        for name, at in ends.items()
    )
    yield from first
    for row in curve.transitions.drop_nulls("location").sort("location").iter_rows(named=True):
        both = ([number(row[f"{name}_{side}"]) for side in ("before", "after")] for name in observables)
        values = (" → ".join(pair) if any(pair) else "" for pair in both)
        yield (f"transition {row['index']}", with_error(row["location"], row["location_error"]), *values)
    yield from last


def _mean(values: pl.Series) -> str:
    mean, spread, count = values.mean(), values.std(), values.count()
    return with_error(mean, spread / count**0.5 if spread is not None else None)  # type: ignore[arg-type]


@rc_context(STYLE)
def draw_own(rows: pl.DataFrame, transitions: pl.DataFrame, observables: Sequence[str]) -> Figure:
    """Draw observables of the branches of a network against λ on a log axis, a panel each.

    Args:
        rows: Records of one network.
        transitions: Its transitions in E, as `Findings.transitions`.
        observables: Columns of the records.
    """
    rows, transitions = rows.filter(pl.col("control_value") > 0), transitions.drop_nulls("location")
    labels = dict(zip(observables, observables, strict=True))
    figure, axes = panels.stack(labels, 4.8, 1.4 + 1.9 * len(observables))
    for panel in axes.values():
        panel.yaxis.label.set_parse_math(False)
    styles = panels.draw_rows(axes, rows, transitions)
    panels.scale_control(axes[observables[-1]], rows)
    return panels.finish(figure, panels.legend(rows, transitions, None, branches=styles), ncols=4)
