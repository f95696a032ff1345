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
from spinodal.report.figure import draw_rows
from spinodal.report.networks import Curve
from spinodal.report.numbers import number, with_error
from spinodal.report.section import Section, section
from spinodal.report.style import STYLE
from spinodal.report.table import Group, Row, Table, columns


@section("own", "Own observables", place=75)
def own(campaign: Campaign) -> Section | None:
    """Return a panel for each own observable of every network that is drawn, and its values where E jumps."""
    observables = own_observables(campaign.found.branches)
    if not observables:
        return None
    pictures = []
    for network in campaign.drawn:
        measured = own_observables(network.records)
        if measured:
            listed = ", ".join(measured)
            figure = campaign.draw(
                f"{network.name.file}-own", draw_own, network.records, network.transitions, measured
            )
            pictures.append(
                campaign.picture(
                    figure,
                    alt=f"{listed} against λ for {network.name}",
                    title=f"{network.name.data}; {network.name.model}.",
                    caption=f"{listed} at every minimum. Bands are the transitions that E shows.",
                    curves=network.curves,
                )
            )
    table = Table(
        "Own observables: at the first and the last λ, mean over seeds, and before → after each transition of E",
        columns("", "λ", *observables, words=1),
        [
            Group(str(curve.name), [*_rows(curve, observables)], network.drawn)
            for network in campaign.networks
            for curve in network.curves
            if own_observables(curve.records)
        ],
        brief=True,
    )
    return Section(pictures=pictures, tables=[table])


def draw_own(rows: pl.DataFrame, transitions: pl.DataFrame, observables: Sequence[str]) -> Figure:
    """Draw observables of the branches of a network against λ on a log axis, a panel each.

    Args:
        rows: Records of one network.
        transitions: Its transitions in E, as `Findings.transitions`.
        observables: Columns of the records.
    """
    rows, transitions = rows.filter(pl.col("control_value") > 0), transitions.drop_nulls("location")
    with rc_context(STYLE):
        figure = Figure(figsize=(4.8, 1.4 + 1.9 * len(observables)), layout="constrained")
        axes = dict(
            zip(
                observables,
                figure.subplots(len(observables), sharex=True, squeeze=False)[:, 0],
                strict=True,
            )
        )
        for name, panel in axes.items():
            panel.set_ylabel(name, parse_math=False)
        styles = draw_rows(axes, rows, transitions)
        panels.scale_control(axes[observables[-1]], rows)
        figure.align_ylabels()
        figure.legend(
            handles=panels.legend(rows, transitions, None, branches=styles),
            loc="outside lower center",
            ncols=4,
        )
    return figure


def _rows(curve: Curve, observables: Sequence[str]) -> Iterator[Row]:
    """The places of one curve, by λ."""
    rows = curve.records.filter(evidence())
    ends = rows.group_by("control_value").agg(
        *(pl.col(name).mean() for name in observables),
        *((pl.col(name).std() / pl.col(name).count().sqrt()).alias(f"_{name}_error") for name in observables),
    )

    def end(name: str, row: dict[str, float]) -> Row:
        values = (with_error(row[each], row[f"_{each}_error"]) for each in observables)
        return (name, number(row["control_value"]), *values)

    places = ends.sort("control_value").rows(named=True)
    yield from (end("first λ", row) for row in places[:1])
    for row in curve.transitions.drop_nulls("location").sort("location").iter_rows(named=True):
        sides = ([number(row[f"{name}_{side}"]) for side in ("before", "after")] for name in observables)
        values = (f"{before} → {after}" if before or after else "" for before, after in sides)
        yield (f"transition {row['index']}", with_error(row["location"], row["location_error"]), *values)
    yield from (end("last λ", row) for row in places[-1:])
