"""One figure per curve: order parameters against λ, transitions, and the exact branch where it applies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from spinodal.analysis import DeepLinear, deep_linear, evidence
from spinodal.report.names import CurveName
from spinodal.report.style import BAND, EXACT, HOLLOW, MEAN, SEED, SPINODAL, STYLE, TEST, TRANSITION

PANELS = {"error": "error $E$", "accuracy": "accuracy", "norm_squared": r"$\Vert\theta\Vert^2$"}
"""Column and label of each panel, from the top."""


def draw_curve(curve: pl.DataFrame, transitions: pl.DataFrame, name: CurveName) -> Figure:
    """Draw E, accuracy and ‖θ‖² of a curve against λ on a log axis.

    Every trajectory is a set of points, hollow where a row is no evidence. Their mean is a line, broken
    where the curve jumps. The exact branch and its spinodals are there only if the theory applies.

    Args:
        curve: Records of one curve.
        transitions: Those of this curve, as `find_transitions` or `compare` returns them.
        name: Of the curve.
    """
    rows = curve.filter(pl.col("l2") > 0).with_columns(norm_squared=pl.col("norm") ** 2)
    transitions = transitions.drop_nulls("location")  # what was missed has no place here
    exact = deep_linear(curve)
    with rc_context(STYLE):
        figure = Figure(figsize=(4.8, 6.6), layout="constrained")
        axes: list[Axes] = list(figure.subplots(len(PANELS), sharex=True))
        figure.suptitle(_title(name, rows), linespacing=1.05)
        for panel, (column, label) in zip(axes, PANELS.items(), strict=True):
            panel.set_ylabel(label)
            _mark(panel, transitions)
            if column == "accuracy":
                _points(panel, rows, "test_accuracy", TEST)
            _points(panel, rows, column, SEED)
            _mean(panel, rows, column, transitions)
        _scale(axes[-1], rows)
        if exact is not None:
            _exact(axes, exact)
        figure.align_ylabels()
        figure.legend(handles=_legend(rows, transitions, exact), loc="outside lower center", ncols=4)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG and as PDF; the same figure makes the same files.

    Args:
        figure: As `draw_curve` returns it.
        path: Of both, without suffix.
    """
    with rc_context(STYLE):
        figure.savefig(f"{path}.png")
        figure.savefig(f"{path}.pdf", metadata={"CreationDate": None})


def _mark(panel: Axes, transitions: pl.DataFrame) -> None:
    for row in transitions.iter_rows(named=True):
        shown = row["seeds"] / row["seeds_all"]
        panel.axvspan(row["l2_low"], row["l2_high"], alpha=0.22 * shown, **BAND)
        panel.axvline(row["location"], color=TRANSITION, linewidth=0.8, alpha=shown)


def _points(panel: Axes, rows: pl.DataFrame, column: str, style: dict[str, Any]) -> None:
    used = rows.filter(evidence(), pl.col(column).is_finite())
    left_out = rows.filter(~evidence(), pl.col(column).is_finite())
    # On a dense grid large markers would be a bar.
    style = {
        **style,
        "markersize": style["markersize"] * min(1.0, (45 / max(1, rows["l2"].n_unique())) ** 0.5),
    }
    panel.plot(used["l2"], used[column], **style)
    panel.plot(left_out["l2"], left_out[column], **{**style, **HOLLOW})


def _mean(panel: Axes, rows: pl.DataFrame, column: str, transitions: pl.DataFrame) -> None:
    used = rows.filter(evidence(), pl.col(column).is_finite())
    mean = used.group_by("l2").agg(pl.col(column).mean(), pl.len()).sort("l2")
    # Between points of a grid that few trajectories share, the mean would zigzag from seeds to other seeds.
    mean = mean.filter(pl.col("len") * 2 >= pl.col("len").max())
    l2, values = mean["l2"].to_numpy(), mean[column].to_numpy()
    most = transitions.filter(pl.col("seeds") * 2 >= pl.col("seeds_all"))
    for low, high in most.select("l2_low", "l2_high").iter_rows():
        # Within the bracket some seeds have jumped and others have not: their mean is no state.
        inside = (l2 > low) & (l2 < high)
        l2, values = l2[~inside], values[~inside]
        gap = np.searchsorted(l2, high)
        l2, values = np.insert(l2, gap, high), np.insert(values, gap, np.nan)
    panel.plot(l2, values, **MEAN)


def _exact(axes: list[Axes], exact: DeepLinear) -> None:
    low, high = axes[0].get_xlim()
    inside = {k: at for k, at in enumerate(exact.spinodals, start=1) if low < at < high}
    l2 = np.geomspace(low, high, 600)
    if exact.depth > 2:
        # Both sides of each spinodal, and between them nothing: the branch ends there.
        l2 = np.sort(
            np.append(l2, [at * side for at in inside.values() for side in (1 - 1e-12, 1, 1 + 1e-12)])
        )
    state = exact.learned_state(l2)
    values = {"error": state.error, "accuracy": state.accuracy, "norm_squared": state.norm_squared}
    ended = np.isin(l2, list(inside.values()))
    for panel, column in zip(axes, PANELS, strict=True):
        panel.plot(l2, np.where(ended, np.nan, values[column]), **EXACT)
        for at in inside.values():
            panel.axvline(at, **SPINODAL)
    for k, at in inside.items():
        above = axes[0].get_xaxis_transform()
        axes[0].text(at, 1.015, f"$c_{{{k}}}$", transform=above, ha="center", va="bottom", fontsize="small")
    axes[0].set_xlim(low, high)


def _title(name: CurveName, rows: pl.DataFrame) -> str:
    """What the curve is, with the strengths of its features as measured."""
    title = f"{name.data}\n{name.model}, {name.branch}"
    measured = rows["strengths"].drop_nulls()
    if measured.is_empty():
        return title
    values = [f"{value:.3g}" for value in measured[0]]
    shown = values if len(values) <= 9 else [*values[:8], "…"]
    return f"{title}\n$c_k = $ {', '.join(shown)}"


def _scale(panel: Axes, rows: pl.DataFrame) -> None:
    l2 = rows["l2"].to_numpy()
    low, high = (float(l2.min()), float(l2.max())) if len(l2) else (1e-3, 1.0)
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


def _legend(rows: pl.DataFrame, transitions: pl.DataFrame, exact: DeepLinear | None) -> list[Artist]:
    handles: list[Artist] = [
        Line2D([], [], **SEED, label="each seed"),
        Line2D([], [], **MEAN, label="mean"),
    ]
    if rows["test_accuracy"].is_not_null().any():
        handles.append(Line2D([], [], **TEST, label="test"))
    if rows.select((~evidence()).any()).item():
        handles.append(Line2D([], [], **{**SEED, **HOLLOW}, label="not relaxed"))
    if not transitions.is_empty():
        handles.append(Patch(alpha=0.35, **BAND, label="transition"))
    if exact is not None:
        handles.append(Line2D([], [], **EXACT, label="exact"))
        handles.append(
            Line2D([], [], **SPINODAL, label=r"$\lambda_\mathrm{sp}(c_k)$" if exact.depth > 2 else "$c_k/2$")
        )
    return handles
