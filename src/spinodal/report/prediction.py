"""What theory predicts for a task before anything is trained: a table for the terminal, and its phase diagram."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Bool, Float64
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from spinodal import theory
from spinodal.report import panels
from spinodal.report.names import CurveName, curve_names
from spinodal.report.style import SPINODAL, STYLE, save

Strengths = Float64[np.ndarray, " k"]

GLOBAL: dict[str, Any] = {"linewidth": 2.6, "solid_capstyle": "butt"}
METASTABLE: dict[str, Any] = {"linewidth": 1.0}
UNSTABLE: dict[str, Any] = {"linewidth": 0.9, "linestyle": (0, (1, 1.5))}
COEXISTENCE: dict[str, Any] = {"color": "black", "linewidth": 0.6}

FARTHEST = 1e-4
"""Features that die below this fraction of the onset's λ are left of the figure."""

NAMED = 12
"""So many features have their names above the figure."""


@dataclass(frozen=True)
class Prediction:
    """A task and a network, as far as the transitions depend on them."""

    name: CurveName
    strengths: Strengths
    """c_k as measured, strongest first."""
    variances: Strengths
    """σ_k as measured."""
    zero_error: float
    """E₀ of the zero function."""
    network: theory.DeepLinear | None
    """What the theory needs to know; None outside its scope."""


def name_of(facts: Mapping[str, Any], complexity: int) -> CurveName:
    """Return what the report calls a task and a network too, whose facts are those of `theory.scope`."""
    identity = {name: facts[name] for name in ("task", "activation", "depth", "width", "bias")}
    identity["network"] = (facts.get("network") or "").rpartition(".")[2] or None
    return curve_names(pl.DataFrame([{**identity, "complexity": complexity, "branch": ""}]))[0]


def tell(prediction: Prediction, notes: list[str], folder: Path) -> None:
    """Print the table and the notes; draw the phase diagram, if there is one, into the folder, and name its files.

    Args:
        prediction: Of one task and network.
        notes: To be printed below the table, a line each.
        folder: Made if need be; not touched if the network is out of reach.

    Raises:
        OSError: If it cannot be written to.
    """
    console, name, network = Console(highlight=False), prediction.name, prediction.network
    console.print(f"[bold]{name.data}; {name.model}[/]")
    console.print(prediction_table(prediction))
    if network is not None:
        path = folder / name.file
        folder.mkdir(parents=True, exist_ok=True)
        save(draw_prediction(name, network, prediction.zero_error), path)
        notes = [*notes, *_turning(network), f"{path}.png (and .pdf)"]
    for note in notes:
        console.print(note, soft_wrap=True, markup=False)


def prediction_table(prediction: Prediction) -> Table:
    """Return a row per feature, strongest first; no wider than 80 columns."""
    depth = None if prediction.network is None else prediction.network.depth
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    titles = ("feature", "c", "σ", *(() if depth is None else ("λ_sp", "λ_co", "order", "ΔV at λ_co")))
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    for k, (c, sigma) in enumerate(zip(prediction.strengths, prediction.variances, strict=True), start=1):
        cells = [str(k), f"{c:.4g}", f"{sigma:.4g}"]
        if depth is not None:
            edge, equal = float(theory.spinodal(c, depth, sigma)), float(theory.coexistence(c, depth, sigma))
            barrier = float(theory.barriers(equal, c, depth, sigma).from_unlearned)
            order = ("second", "none") if depth == 2 else ("first", f"{barrier:.4g}")
            cells += [f"{edge:.6g}", f"{equal:.6g}", *order]
        table.add_row(*cells)
    return table


def _turning(network: theory.DeepLinear) -> Iterator[str]:
    """Name the phases that end before their spinodal, which only unequal variances bring about."""
    l2 = np.outer(network.spinodals, np.linspace(0.01, 1 - 1e-9, 200)).ravel()
    phases = theory.phases(l2, network.strengths, network.depth, network.variances)
    turned = [str(m) for m, phase in enumerate(phases) if not phase.minimum[phase.exists].all()]
    if turned and network.depth > 2:
        yield (
            f"phase {', '.join(turned)}: no minimum where dotted in the figure; with variances this unequal it turns "
            "towards a stronger feature before its spinodal"
        )


@rc_context(STYLE)
def draw_prediction(name: CurveName, network: theory.DeepLinear, zero_error: float) -> Figure:
    """Draw extent, E and ‖θ‖² of the phases m = 0 … K against λ on a log axis.

    A phase is drawn thick where it is the global minimum, thin where it is another minimum, dotted where it is
    stationary but no minimum.

    Args:
        name: Of task and network.
        network: with the task; the title has whether it is exact or an estimate.
        zero_error: E₀ of the zero function.
    """
    depth, edges, equal = network.depth, network.spinodals, network.coexistences
    l2 = _grid(edges, equal)
    features = (network.strengths, depth, network.variances, zero_error)
    phases, best = theory.phases(l2, *features), theory.global_minimum(l2, *features)
    labels = {"extent": "phase $m$", "error": "error $E$", "norm_squared": r"$\Vert\theta\Vert^2$"}
    figure, axes = panels.stack(labels, 4.8, 6.2)
    kind = "exact" if network.exact else "estimate"
    figure.suptitle(f"{name.data}\n{name.model}: {kind}", linespacing=1.05)
    colours = colormaps["viridis"](np.linspace(0.92, 0, len(phases)))
    for m, (phase, colour) in enumerate(zip(phases, colours, strict=True)):
        for column, panel in axes.items():
            values = np.where(phase.exists, m, np.nan) if column == "extent" else getattr(phase, column)
            _draw(panel, phase, values, best.learned == m, colour)
    axes["extent"].set_ylim(-0.6, len(phases) - 0.4)
    axes["extent"].set_yticks(range(0, len(phases), 1 + len(phases) // 12))
    panels.scale_control(axes["norm_squared"], pl.DataFrame({"control_value": l2}))
    _mark([*axes.values()], edges, equal, depth)
    turning = any((phase.exists & ~phase.minimum).any() for phase in phases)
    return panels.finish(figure, _legend(depth, turning), ncols=5)


def _grid(edges: Strengths, equal: Strengths) -> Float64[np.ndarray, " l"]:
    """Return λ around all transitions, with both sides of each: phases end there."""
    low, high = max(0.5 * equal.min(), FARTHEST * edges.max()), 1.5 * edges.max()
    sides = np.outer([1 - 1e-12, 1 + 1e-12], np.concatenate([edges, equal])).ravel()
    return np.sort(np.concatenate([np.geomspace(low, high, 600), sides[sides > low]]))


def _draw(
    panel: Axes,
    phase: theory.State,
    values: Float64[np.ndarray, " l"],
    chosen: Bool[np.ndarray, " l"],
    colour: Any,
) -> None:
    for where, style in (
        (phase.exists & ~phase.minimum, UNSTABLE),
        (phase.minimum & ~chosen, METASTABLE),
        (phase.exists & chosen, GLOBAL),
    ):
        panel.plot(phase.l2, np.where(where, values, np.nan), color=colour, **style)


def _mark(axes: Sequence[Axes], edges: Strengths, equal: Strengths, depth: int) -> None:
    """Draw lines at every λ_sp and λ_co, with the feature's name above its spinodal."""
    low, high = axes[0].get_xlim()
    for k, (edge, at) in enumerate(zip(edges, equal, strict=True), start=1):
        for panel in axes:
            panel.axvline(edge, zorder=0, **SPINODAL)
            if depth > 2:
                panel.axvline(at, zorder=0, **COEXISTENCE)
        if low < edge < high and len(edges) <= NAMED:
            panels.name_above(axes[0], edge, k, 1.03)
    axes[0].set_xlim(low, high)


def _legend(depth: int, turning: bool) -> Iterator[Line2D]:
    yield panels.line("global minimum", {"color": "0.4", **GLOBAL})
    if depth > 2:
        yield panels.line("metastable", {"color": "0.4", **METASTABLE})
    if turning:
        yield panels.line("saddle", {"color": "0.4", **UNSTABLE})
    yield panels.spinodals(depth, of="")
    if depth > 2:
        yield panels.line(r"$\lambda_\mathrm{co}$", COEXISTENCE)
