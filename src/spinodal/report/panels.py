"""What figures share: panels over λ with every seed, their mean, the transitions, what is exact, and a legend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Bool, Float64
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from spinodal.analysis import DeepLinear, evidence, surveyed, trajectory
from spinodal.report import style
from spinodal.report.style import (
    BAND,
    BRANCHES,
    ESTIMATE,
    EXACT,
    HOLLOW,
    KINK,
    MEAN,
    SEED,
    SPINODAL,
    TEST,
    Style,
)

MANY = 1000
"""More markers than this are an image also in a PDF, which else would be slow to open."""


def stack(labels: Mapping[str, str], width: float, height: float) -> tuple[Figure, dict[str, Axes]]:
    """Return a figure of these inches, and its panels by name, one below the other, with labels of vertical axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    panels = figure.subplots(len(labels), sharex=True, squeeze=False)[:, 0]
    for panel, label in zip(panels, labels.values(), strict=True):
        panel.set_ylabel(label)
    return figure, dict(zip(labels, panels, strict=True))


def finish(figure: Figure, handles: Iterable[Artist], ncols: int) -> Figure:
    """Align the labels of a figure, put its legend beneath, and return the figure."""
    figure.align_ylabels()
    if handles := list(handles):
        figure.legend(handles=handles, loc="outside lower center", ncols=ncols)
    return figure


def mark(panel: Axes, transitions: pl.DataFrame, colour: str = style.TRANSITION) -> None:
    """Shade the bracket of each transition, the fainter the fewer seeds show it; a kink is a broken line."""
    for row in transitions.iter_rows(named=True):
        shown, at = row["seeds"] / row["seeds_all"], row["location"]
        if row["order"] == 2:
            panel.axvline(at, **{**KINK, "color": colour}, alpha=shown)
        else:
            band = {**BAND, "facecolor": colour, "alpha": 0.22 * shown}
            panel.axvspan(row["control_low"], row["control_high"], **band)
            panel.axvline(at, color=colour, linewidth=0.8, alpha=shown)


def known(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return rows that are evidence, and in which a column is a number."""
    return rows.filter(evidence(), pl.col(column).is_finite())


def draw_points(panel: Axes, rows: pl.DataFrame, column: str, style: Style) -> None:
    """Draw every row as a point, hollow where it is no evidence."""
    used, left_out = known(rows, column), rows.filter(~evidence(), pl.col(column).is_finite())
    # On a dense grid large markers would be a bar.
    size = style["markersize"] * min(1.0, (45 / max(1, rows["control_value"].n_unique())) ** 0.5)
    style = {**style, "markersize": size, "rasterized": len(rows) > MANY}
    panel.plot(used["control_value"], used[column], **style)
    panel.plot(left_out["control_value"], left_out[column], **{**style, **HOLLOW})


def draw_mean(
    panel: Axes, rows: pl.DataFrame, column: str, transitions: pl.DataFrame, colour: str = style.MEASURED
) -> None:
    """Draw the mean over trajectories as a line, broken where the curve jumps."""
    mean = known(rows, column).group_by("control_value").agg(pl.col(column).mean(), _rows=pl.len())
    # Between points of a grid that few trajectories share, the mean would zigzag from seeds to other seeds.
    mean = mean.sort("control_value").filter(pl.col("_rows") * 2 >= pl.col("_rows").max())
    control, values = mean["control_value"].to_numpy(), mean[column].to_numpy()
    most = transitions.filter(pl.col("seeds") * 2 >= pl.col("seeds_all"), pl.col("order").fill_null(1) != 2)
    for low, high in most.select("control_low", "control_high").iter_rows():
        # Within the bracket some seeds have jumped and others have not: their mean is no state.
        inside = (control > low) & (control < high)
        control, values = control[~inside], values[~inside]
        gap = np.searchsorted(control, high)
        control, values = np.insert(control, gap, high), np.insert(values, gap, np.nan)
    panel.plot(control, values, **{**MEAN, "color": colour})


def draw_each(panel: Axes, rows: pl.DataFrame, column: str, style: Style) -> None:
    """Draw a line through the rows of every trajectory."""
    control, values = [], []
    rows = rows.with_columns(trajectory().alias("_name")).sort("stage", "control_value")
    for part in rows.partition_by("_name", maintain_order=True):
        control += [*part["control_value"], np.nan]
        values += [*part[column], np.nan]
    panel.plot(control, values, **{"linewidth": 0.7, "alpha": 0.6, **style})


def draw_rows(axes: Mapping[str, Axes], rows: pl.DataFrame, transitions: pl.DataFrame) -> dict[str, Style]:
    """Draw columns of the records against λ: every seed, means, and the transitions.

    Where noise ends a branch each trajectory leaves it at another λ, and no mean is a state: down branches are lines.

    Args:
        axes: A panel for each column.
        rows: Of one network, λ > 0.
        transitions: Its own.

    Returns:
        The style of each branch, for `legend`.
    """
    branches = by_branch(rows)
    alone = len(branches) == 1
    styles = {branch: SEED if alone else BRANCHES.get(branch, SEED) for branch in branches}
    for column, panel in axes.items():
        for branch, part in branches.items():
            found = transitions.filter(pl.col("branch").fill_null("") == branch)
            colour = styles[branch]["color"]
            mark(panel, found, style.TRANSITION if alone else colour)
            if column == "accuracy" and alone:
                draw_points(panel, part, "test_accuracy", TEST)
            draw_points(panel, part, column, styles[branch])
            if branch == "down":
                draw_each(panel, known(part, column), column, {"color": colour})
            else:
                draw_mean(panel, part, column, found, colour)
    return styles


def by_branch(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return the rows of each branch of a network, by its name."""
    return {part["branch"][0] or "": part for part in rows.partition_by("branch", maintain_order=True)}


def draw_exact(axes: Mapping[str, Axes], exact: DeepLinear) -> None:
    """Draw the branch on which all is learned that can be, in the panels that theory has values for; mark λ_sp."""
    control, ended = branch_grid(next(iter(axes.values())), exact)
    state = exact.learned_state(control)
    values = {"error": state.error, "accuracy": state.accuracy, "penalty": state.norm_squared}
    values["norm"] = np.sqrt(state.norm_squared)
    if "soft_mode" in axes:
        soft_mode = values["soft_mode"] = exact.soft_mode(control)
        # At depth 2 features end without a jump, and the soft mode of the next takes over.
        soft_mode[1:][np.diff(state.alive.sum(axis=1)) != 0] = np.nan
    if "scalar_curvature" in axes and (surface := exact.geometry(control)) is not None:
        values |= {"scalar_curvature": surface.curvature, "trace_hessian": surface.trace}
    for column in [each for each in values if each in axes]:
        axes[column].plot(control, np.where(ended, np.nan, values[column]), **EXACT)
    mark_spinodals([*axes.values()], exact)


def branch_grid(panel: Axes, exact: DeepLinear) -> tuple[Float64[np.ndarray, " l"], Bool[np.ndarray, " l"]]:
    """Return λ over a panel that exact branches are drawn at, and where they are broken: at each spinodal."""
    low, high = panel.get_xlim()
    inside = [at for at in exact.spinodals if low < at < high]
    control = np.geomspace(low, high, 600)
    if exact.depth > 2:
        # Both sides of each spinodal, and between them nothing: the branch ends there.
        sides = [at * side for at in inside for side in (1 - 1e-12, 1, 1 + 1e-12)]
        control = np.sort(np.append(control, sides))
    return control, np.isin(control, inside)


def mark_spinodals(axes: Sequence[Axes], exact: DeepLinear) -> None:
    """Draw a line at each λ_sp in every panel, with the feature's name above the first."""
    low, high = axes[0].get_xlim()
    for k, at in enumerate(exact.spinodals, start=1):
        if low < at < high:
            for panel in axes:
                panel.axvline(at, **SPINODAL)
            name_above(axes[0], at, k, 1.015)
    axes[0].set_xlim(low, high)


def name_above(panel: Axes, at: float, k: int, height: float) -> None:
    """Write the name of a feature above a panel."""
    where: Style = {"transform": panel.get_xaxis_transform(), "ha": "center", "va": "bottom"}
    panel.text(at, height, f"$c_{{{k}}}$", fontsize="small", **where)


def plain_ticks(axis: Axis, *subs: float) -> None:
    """Label the ticks of a logarithmic axis, at these multiples of powers of ten, without powers."""
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def scale_control(panel: Axes, rows: pl.DataFrame) -> None:
    """Make a log axis of λ, over the whole grid."""
    control = rows["control_value"].to_numpy()
    low, high = (float(control.min()), float(control.max())) if len(control) else (1e-3, 1.0)
    margin = max((high / low) ** 0.03, 1.01)
    panel.set_xscale("log")
    panel.set_xlim(low / margin, high * margin)
    plain_ticks(panel.xaxis, *((1.0, 2.0, 5.0) if high / low < 300 else (1.0,)))
    if high / low < 5:
        panel.xaxis.set_major_locator(MaxNLocator(5))
    panel.xaxis.set_minor_locator(LogLocator(subs=tuple(range(1, 10))))
    panel.set_xlabel(r"strength of the L2 term, $\lambda$")


def legend(
    rows: pl.DataFrame,
    transitions: pl.DataFrame,
    exact: DeepLinear | None,
    test: bool = False,
    branches: Mapping[str, Style] | None = None,
    estimated: bool = False,
) -> list[Artist]:
    """Return handles for what a figure shows.

    Args:
        rows: All that is drawn.
        transitions: All that are drawn.
        exact: What theory says, if it does.
        test: Whether test data are among it.
        branches: Styles of the branches where there are several.
        estimated: Whether estimated places of transitions are among it.
    """
    several, left_out = len(branches or {}) > 1, rows.filter(~evidence())
    kinks = transitions.filter(order=2).height
    grey = {"facecolor": "0.5"}, {"color": "0.5"}
    handles: list[Artist] = []
    if several:
        handles += (line(name, {**each, **SOLID}) for name, each in (branches or {}).items())
    elif len(left_out) < len(rows):
        handles += [line("each seed", SEED), line("mean", MEAN)]
    if test:
        handles.append(line("test", TEST))
    if len(left_out):
        label = "only surveyed" if left_out.select(surveyed().all()).item() else "not relaxed"
        handles.append(line(label, {**SEED, **HOLLOW}))
    if len(transitions) > kinks:
        handles.append(Patch(alpha=0.35, **{**BAND, **(grey[0] if several else {})}, label="transition"))
    if kinks:
        handles.append(line("kink", {**KINK, **(grey[1] if several else {})}))
    if exact is not None:
        handles += [line("exact", EXACT), spinodals(exact.depth)]
    return [*handles, *([line("estimate", ESTIMATE)] if estimated else [])]


SOLID: Style = {"alpha": 1.0, "linestyle": "-", "linewidth": 1.3}
"""What stands for a branch in a legend."""


def line(label: str, style: Mapping[str, Any]) -> Line2D:
    """Return a handle of a legend."""
    return Line2D([], [], **style, label=label)


def spinodals(depth: int, of: str = "(c_k)") -> Line2D:
    """Return the handle of the lines at λ_sp: at depth 2 features end there without a jump."""
    return line(rf"$\lambda_\mathrm{{sp}}{of}$" if depth > 2 else "$c_k/2$", SPINODAL)
