"""Branches: order parameters of every network against λ, a column for each of several networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spinodal.analysis import DeepLinear, deep_linear, surveyed
from spinodal.records import COLUMN
from spinodal.report import panels
from spinodal.report.campaign import Campaign, report_command
from spinodal.report.names import places
from spinodal.report.networks import Beside, Network, side_by_side
from spinodal.report.page import Picture
from spinodal.report.section import Section, section
from spinodal.report.style import ESTIMATE, STYLE

PANELS = {
    "error": f"error {COLUMN['error'].latex}",
    "accuracy": COLUMN["accuracy"].latex,
    "penalty": COLUMN["norm"].latex[:-1] + "^2$",
}
"""Column and label of each panel, from the top."""

RESIDUAL = {"residual": r"$|E - E_\mathrm{exact}|$"}
"""The panel beneath, where E lies on the exact one."""

ROUNDING = 1e-17
"""Smaller residuals are drawn as this."""


@section("branches", "Branches", place=30)
def branches(campaign: Campaign) -> Section | None:
    """Return a figure for each network that is drawn."""
    if not campaign.networks:
        return None
    notes = [
        "Every point is a minimum of 𝓛 at which a network came to rest; hollow points did not, or are only surveyed, "
        "and are no evidence. A band is the bracket of a transition, the fainter the fewer seeds show it."
    ]
    remarks = []
    drawn, number = campaign.drawn, len(campaign.networks)
    if len(drawn) < number:
        others = f"{report_command(campaign.folder)} --curve '*name*'"
        told = f"{len(drawn)} of {number} networks are drawn, some of every family; all are in the tables"
        notes.append(f"{told}. Any of them: {others}.")
        remarks.append(f"{told} of {campaign.page.name}. {others} draws others")
    return Section(notes, [_picture(campaign, each) for each in side_by_side(drawn)], remarks=remarks)


def _picture(campaign: Campaign, beside: Beside) -> Picture:
    columns = [
        Column(network.records, network.transitions, depth)
        for network, depth in zip(beside.networks, beside.depths, strict=True)
    ]
    found = beside.caption([_transitions(network) for network in beside.networks])
    return campaign.picture(
        campaign.draw(beside.file, draw_branches, columns),
        alt=f"E, accuracy and ‖θ‖² against λ for {'; '.join(str(each.name) for each in beside.networks)}. {found}",
        title=beside.title,
        caption=found,
        curves=beside.curves,
        wide=len(columns) > 1,
    )


def _transitions(network: Network) -> str:
    """Return where the transitions are, in words."""
    parts = []
    for curve in network.curves:
        kinks = pl.col("order").fill_null(1) == 2
        found = [
            f"{verb} at λ = {at}"
            for verb, kind in (("jumps", ~kinks), ("has a kink", kinks))
            if (at := places(curve.transitions.filter(kind)))
        ]
        if not found:
            only = curve.records.select(surveyed().all()).item()
            found = ["is only surveyed" if only else "shows no transition"]
        parts.append(f"{curve.name.branch or 'this curve'} {' and '.join(found)}")
    return "; ".join(parts)


class Column(NamedTuple):
    """A network in the figure."""

    records: pl.DataFrame
    """Of one curve, or of several that differ only in their branches."""
    transitions: pl.DataFrame
    """Theirs, as `Findings.transitions`."""
    title: str
    """Above its panels; empty where the network is alone."""


@rc_context(STYLE)
def draw_branches(columns: Sequence[Column]) -> Figure:
    """Draw E, accuracy and ‖θ‖² of networks against λ on a log axis, and how far E is from the exact one.

    Every trajectory is a set of points, hollow where a row is no evidence. Their mean is a line, broken where the curve
    jumps. The exact branch and its spinodals are there only if the theory applies; where it is an estimate, the
    estimated places of transitions are.

    Args:
        columns: The networks, from the left.
    """
    exact = [_theory(each.records) for each in columns]
    labels = PANELS | (RESIDUAL if any(exact) else {})
    width = 4.8 if len(columns) == 1 else 1.0 + 3.6 * len(columns)
    figure = Figure(figsize=(width, 6.6 + 1.2 * ("residual" in labels)), layout="constrained")
    grid = figure.subplots(len(labels), len(columns), sharex="col", sharey="row", squeeze=False)
    for panel, label in zip(grid[:, 0], labels.values(), strict=True):
        panel.set_ylabel(label)
    handles: dict[Any, Any] = {}
    for axes, column, theory in zip(grid.T, columns, exact, strict=True):
        axes[0].set_title(column.title, pad=14)
        for handle in _column(dict(zip(labels, axes, strict=True)), column, theory):
            handles.setdefault(handle.get_label(), handle)
    return panels.finish(figure, handles.values(), ncols=4 + 2 * (len(columns) > 1))


def _column(axes: dict[str, Axes], column: Column, exact: DeepLinear | None) -> list[Any]:
    """Draw one network; return the handles of its legend."""
    rows = column.records.filter(pl.col("control_value") > 0)
    found = column.transitions.drop_nulls("location")  # what was missed has no place here
    styles = panels.draw_rows({name: axes[name] for name in PANELS}, rows, found)
    *_, lowest = axes.values()
    panels.scale_control(lowest, rows)
    if exact is not None:
        panels.draw_exact(axes, exact)
        for branch, part in panels.by_branch(rows).items():
            if deep_linear(part) is not None:  # on the way down it may be another phase that is followed
                _residual(lowest, part, exact, styles[branch])
    estimates = column.transitions["control_estimate"].drop_nulls()
    for panel in axes.values():
        for at in estimates:
            panel.axvline(at, **ESTIMATE)
    test = len(styles) == 1 and rows["test_accuracy"].is_not_null().any()
    return panels.legend(rows, found, exact, test, styles, len(estimates) > 0)


def _theory(curve: pl.DataFrame) -> DeepLinear | None:
    """Return that of the first branch it speaks of."""
    parts = curve.partition_by("branch", maintain_order=True)
    return next((exact for part in parts if (exact := deep_linear(part)) is not None), None)


def _residual(panel: Axes, rows: pl.DataFrame, exact: DeepLinear, style: dict[str, Any]) -> None:
    """Draw how far E of every minimum is from that of the branch on which all is learned that can be."""
    used = panels.known(rows, "error")
    control = used["control_value"].to_numpy()
    residual = np.abs(used["error"].to_numpy() - exact.learned_state(control).error)
    panel.set_yscale("log")
    panel.plot(control, np.maximum(residual, ROUNDING), **style)
