"""Phase diagrams of every network that was run at more than one complexity: λ against K, learned features as colour."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float64
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator

from spinodal.analysis import evidence, expected, order_parameter
from spinodal.report import panels
from spinodal.report.campaign import Campaign
from spinodal.report.names import places
from spinodal.report.networks import FAMILY, Curve, spread
from spinodal.report.page import Picture
from spinodal.report.section import Section, section
from spinodal.report.style import STYLE

NETWORK = ("task", "network", "activation", "bias", "depth", "width", "branch")
"""Curves that share these differ in the complexity of their data."""

DIAGRAMS, EXAMPLES = 6, 3
"""So many are all drawn; of more, so many examples."""

NOTHING = "0.88"
"""Colour of λ where no seed has come to rest."""

SPINODAL: dict[str, Any] = {"color": "black", "linewidth": 1.1}
RIM: dict[str, Any] = {"color": "white", "linewidth": 2.3}
"""Under a spinodal, so that it is seen on every colour."""


@section("phases", "Phase diagram", place=20)
def phases(campaign: Campaign) -> Section | None:
    """Return the phase diagrams of networks whose complexity varies, and whose learned features were counted."""
    diagrams = _diagrams(campaign)
    if not diagrams:
        return None
    families = [curves[0].key(FAMILY) for curves in diagrams]
    shown = range(len(diagrams)) if len(diagrams) <= DIAGRAMS else spread(families, EXAMPLES)
    notes = [
        "Which phase each λ leads to: how many features are learned, mean over seeds, rounded. Lines are the exact "
        "spinodals of the strengths measured on the data, where theory applies."
    ]
    if len(shown) < len(diagrams):
        notes.append(f"{len(shown)} of {len(diagrams)} networks are drawn, some of every family.")
    return Section(notes, [_picture(campaign, diagrams[place]) for place in shown])


def _diagrams(campaign: Campaign) -> list[list[Curve]]:
    """Return the curves of each diagram, sorted by complexity."""
    networks: dict[tuple[object, ...], list[Curve]] = {}
    for curve in campaign.curves:
        counted = curve.records[order_parameter(curve.records)]
        if curve.complexity is not None and counted.null_count() < len(counted):
            networks.setdefault(curve.key(NETWORK), []).append(curve)
    return [
        sorted(curves, key=lambda curve: curve.complexity)
        for curves in networks.values()
        if len({curve.complexity for curve in curves}) > 1
    ]


def _picture(campaign: Campaign, curves: Sequence[Curve]) -> Picture:
    name = curves[0].name
    title = "; ".join(filter(None, (name.data.partition(",")[0], name.model, name.branch)))
    found = (
        f"K = {each.complexity}: transitions at λ = {places(each.transitions) or 'none'}" for each in curves
    )
    return campaign.picture(
        campaign.draw(f"phases-{re.sub(r'-K[0-9]+', '', name.file, count=1)}", draw_phases, curves),
        alt=f"Learned features over λ and complexity for {title}. {'; '.join(found)}",
        title=f"{title}.",
        curves=curves,
    )


@rc_context(STYLE)
def draw_phases(curves: Sequence[Curve]) -> Figure:
    """Draw which phase each λ leads to, a column per complexity, with the predicted spinodals over it.

    The colour is that of the mean over seeds, rounded: where they disagree, the edge between two phases is where
    half of them have changed.

    Args:
        curves: Of one network and branch, sorted by complexity.
    """
    tables = [_phases(curve) for curve in curves]
    most = max(int(np.ceil(table["features"].max() or 0)) for table in tables)  # type: ignore[arg-type]
    colours = ListedColormap(colormaps["viridis"](np.linspace(0.92, 0, most + 1))).with_extremes(bad=NOTHING)
    norm = BoundaryNorm(np.arange(most + 2) - 0.5, most + 1)
    figure = Figure(figsize=(4.8, 4.4), layout="constrained")
    panel: Axes = figure.subplots()
    predicted = [expected(curve.records) for curve in curves]
    for place, (table, theirs) in enumerate(zip(tables, predicted, strict=True)):
        ends = _edges(table["control_value"].to_numpy())
        features = np.ma.masked_invalid(table["features"].cast(pl.Float64).fill_null(np.nan).to_numpy())
        panel.pcolormesh([place - 0.46, place + 0.46], ends, features[:, None], cmap=colours, norm=norm)
        for style in () if theirs is None else (RIM, SPINODAL):
            panel.hlines(theirs.spinodals, place - 0.46, place + 0.46, **style)  # type: ignore[union-attr]
    _scale(panel, curves)
    ticks = range(0, most + 1, 1 + most // 12)
    bar = figure.colorbar(ScalarMappable(norm, colours), ax=panel, ticks=ticks, pad=0.02, aspect=30)
    bar.set_label("learned features")
    bar.ax.tick_params(length=0)
    bar.minorticks_off()
    handles: list[Any] = []
    if any(each is not None for each in predicted):
        handles.append(panels.line(r"predicted $\lambda_\mathrm{sp}$", SPINODAL))
    if any(table["features"].is_null().any() for table in tables):
        handles.append(Patch(color=NOTHING, label="not relaxed"))
    return panels.finish(figure, handles, ncols=2)


def _phases(curve: Curve) -> pl.DataFrame:
    """Return λ and the mean number of learned features of the seeds that came to rest; null where none did."""
    features = pl.col(order_parameter(curve.records)).filter(evidence()).mean().alias("features")
    rows = curve.records.filter(pl.col("control_value") > 0)
    return rows.group_by("control_value").agg(features).sort("control_value")


def _edges(control: Float64[np.ndarray, " l"]) -> Float64[np.ndarray, " e"]:
    """Return what is between the points of a grid, in ln λ, and as far beyond its ends."""
    if len(control) == 1:
        return np.array([0.97 * control[0], 1.03 * control[0]])
    middle = np.sqrt(control[1:] * control[:-1])
    ends = control[0] ** 2 / middle[0], control[-1] ** 2 / middle[-1]
    return np.array([ends[0], *middle, ends[1]])


def _scale(panel: Axes, curves: Sequence[Curve]) -> None:
    control = pl.concat([curve.records["control_value"] for curve in curves])
    control = control.filter(control > 0)
    panel.set_yscale("log")
    panel.set_ylim(float(control.min()) / 1.02, float(control.max()) * 1.02)  # type: ignore[arg-type]
    panels.plain_ticks(panel.yaxis, 1.0, 2.0, 5.0)
    panel.yaxis.set_minor_locator(LogLocator(subs=tuple(range(1, 10))))
    panel.set_ylabel(r"strength of the L2 term, $\lambda$")
    panel.set_xlim(-0.5, len(curves) - 0.5)
    panel.set_xticks(range(len(curves)), [str(curve.complexity) for curve in curves])
    panel.set_xlabel("complexity $K$")
    panel.tick_params(axis="x", length=0)
