"""What the figures of a curve share: panels over λ with every seed, their mean, and the transitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Bool, Float64
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from spinodal.analysis import DeepLinear, evidence, surveyed, trajectory
from spinodal.report.style import (
    BAND,
    ESTIMATE,
    EXACT,
    HOLLOW,
    MEAN,
    MEASURED,
    SEED,
    SPINODAL,
    TEST,
    TRANSITION,
)

KINK: dict[str, Any] = {"color": TRANSITION, "linewidth": 0.9, "linestyle": (0, (5, 1.5))}

MANY = 1000
"""More markers than this are an image also in a PDF, which else would be slow to open."""


def mark(panel: Axes, transitions: pl.DataFrame, colour: str = TRANSITION) -> None:
    """Shade the bracket of each transition, the fainter the fewer seeds show it; a kink is a broken line."""
    for row in transitions.iter_rows(named=True):
        shown = row["seeds"] / row["seeds_all"]
        if row["order"] == 2:
            panel.axvline(row["location"], **{**KINK, "color": colour}, alpha=shown)
            continue
        panel.axvspan(
            row["control_low"], row["control_high"], alpha=0.22 * shown, **{**BAND, "facecolor": colour}
        )
        panel.axvline(row["location"], color=colour, linewidth=0.8, alpha=shown)


def draw_points(panel: Axes, rows: pl.DataFrame, column: str, style: dict[str, Any]) -> None:
    """Every row a point, hollow where it is no evidence."""
    used = rows.filter(evidence(), pl.col(column).is_finite())
    left_out = rows.filter(~evidence(), pl.col(column).is_finite())
    # On a dense grid large markers would be a bar.
    style = {
        **style,
        "markersize": style["markersize"] * min(1.0, (45 / max(1, rows["control_value"].n_unique())) ** 0.5),
        "rasterized": len(rows) > MANY,
    }
    panel.plot(used["control_value"], used[column], **style)
    panel.plot(left_out["control_value"], left_out[column], **{**style, **HOLLOW})


def draw_mean(
    panel: Axes, rows: pl.DataFrame, column: str, transitions: pl.DataFrame, colour: str = MEASURED
) -> None:
    """The mean over trajectories as a line, broken where the curve jumps."""
    used = rows.filter(evidence(), pl.col(column).is_finite())
    mean = used.group_by("control_value").agg(pl.col(column).mean(), _rows=pl.len()).sort("control_value")
    # Between points of a grid that few trajectories share, the mean would zigzag from seeds to other seeds.
    mean = mean.filter(pl.col("_rows") * 2 >= pl.col("_rows").max())
    control, values = mean["control_value"].to_numpy(), mean[column].to_numpy()
    most = transitions.filter(pl.col("seeds") * 2 >= pl.col("seeds_all"), pl.col("order").fill_null(1) != 2)
    for low, high in most.select("control_low", "control_high").iter_rows():
        # Within the bracket some seeds have jumped and others have not: their mean is no state.
        inside = (control > low) & (control < high)
        control, values = control[~inside], values[~inside]
        gap = np.searchsorted(control, high)
        control, values = np.insert(control, gap, high), np.insert(values, gap, np.nan)
    panel.plot(control, values, **{**MEAN, "color": colour})


def draw_each(panel: Axes, rows: pl.DataFrame, column: str, colour: str) -> None:
    """A line for every trajectory: where noise ends a branch, each leaves it at another λ, and no mean is a state."""
    used = rows.filter(evidence(), pl.col(column).is_finite()).with_columns(trajectory().alias("_name"))
    control, values = [], []
    for part in used.sort("stage", "control_value").partition_by("_name", maintain_order=True):
        control += [*part["control_value"], np.nan]
        values += [*part[column], np.nan]
    panel.plot(control, values, color=colour, linewidth=0.7, alpha=0.6)


def branch_grid(panel: Axes, exact: DeepLinear) -> tuple[Float64[np.ndarray, " l"], Bool[np.ndarray, " l"]]:
    """λ over a panel that exact branches are drawn at, and where they are broken: at each spinodal."""
    low, high = panel.get_xlim()
    inside = [at for at in exact.spinodals if low < at < high]
    control = np.geomspace(low, high, 600)
    if exact.depth > 2:
        # Both sides of each spinodal, and between them nothing: the branch ends there.
        control = np.sort(
            np.append(control, [at * side for at in inside for side in (1 - 1e-12, 1, 1 + 1e-12)])
        )
    return control, np.isin(control, inside)


def mark_spinodals(axes: Sequence[Axes], exact: DeepLinear) -> None:
    """A line at each λ_sp in every panel, with the feature's name above the first."""
    low, high = axes[0].get_xlim()
    above = axes[0].get_xaxis_transform()
    for k, at in enumerate(exact.spinodals, start=1):
        if low < at < high:
            for panel in axes:
                panel.axvline(at, **SPINODAL)
            axes[0].text(
                at, 1.015, f"$c_{{{k}}}$", transform=above, ha="center", va="bottom", fontsize="small"
            )
    axes[0].set_xlim(low, high)


def scale_control(panel: Axes, rows: pl.DataFrame) -> None:
    """A log axis of λ, over the whole grid."""
    control = rows["control_value"].to_numpy()
    low, high = (float(control.min()), float(control.max())) if len(control) else (1e-3, 1.0)
    margin = max((high / low) ** 0.03, 1.01)
    panel.set_xscale("log")
    panel.set_xlim(low / margin, high * margin)
    if high / low < 5:
        panel.xaxis.set_major_locator(MaxNLocator(5))
    else:
        panel.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 300 else (1.0,)))
    panel.xaxis.set_minor_locator(LogLocator(subs=tuple(range(1, 10))))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.set_xlabel(r"strength of the L2 term, $\lambda$")


def legend(
    rows: pl.DataFrame,
    transitions: pl.DataFrame,
    exact: DeepLinear | None,
    test: bool = False,
    branches: Mapping[str, dict[str, Any]] | None = None,
    estimated: bool = False,
) -> list[Artist]:
    """Handles for what a figure shows.

    Args:
        rows: All that is drawn.
        transitions: All that are drawn.
        exact: What theory says, if it does.
        test: Whether test data are among it.
        branches: Styles of the branches where there are several.
        estimated: Whether estimated places of transitions are among it.
    """
    several, left_out = len(branches or {}) > 1, rows.filter(~evidence())
    handles: list[Artist] = (
        [
            Line2D([], [], **{**style, "alpha": 1.0, "linestyle": "-", "linewidth": 1.3}, label=branch)
            for branch, style in (branches or {}).items()
        ]
        if several
        else [Line2D([], [], **SEED, label="each seed"), Line2D([], [], **MEAN, label="mean")]
        if len(left_out) < len(rows)
        else []
    )
    if test:
        handles.append(Line2D([], [], **TEST, label="test"))
    if len(left_out):
        label = "only surveyed" if left_out.select(surveyed().all()).item() else "not relaxed"
        handles.append(Line2D([], [], **{**SEED, **HOLLOW}, label=label))
    kinks = transitions.filter(order=2)
    if len(transitions) > len(kinks):
        band = {**BAND, "facecolor": "0.5"} if several else BAND
        handles.append(Patch(alpha=0.35, **band, label="transition"))
    if len(kinks):
        handles.append(Line2D([], [], **{**KINK, **({"color": "0.5"} if several else {})}, label="kink"))
    if exact is not None:
        handles.append(Line2D([], [], **EXACT, label="exact"))
        handles.append(
            Line2D([], [], **SPINODAL, label=r"$\lambda_\mathrm{sp}(c_k)$" if exact.depth > 2 else "$c_k/2$")
        )
    if estimated:
        handles.append(Line2D([], [], **ESTIMATE, label="estimate"))
    return handles
