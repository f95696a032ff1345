"""What theory predicts for a task before anything is trained: a table for the terminal, and its phase diagram."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float64
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from spinodal import theory
from spinodal.report.names import CurveName, curve_names
from spinodal.report.prediction_figure import draw_prediction
from spinodal.report.style import save


@dataclass(frozen=True)
class Prediction:
    """A task and a network, as far as the transitions depend on them."""

    name: CurveName
    strengths: Float64[np.ndarray, " k"]
    """c_k as measured, strongest first."""
    variances: Float64[np.ndarray, " k"]
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
    """Print the table and the notes; draw the phase diagram, if there is one, into the folder, and say where it is.

    Args:
        prediction: Of one task and network.
        notes: To be printed below the table, a line each.
        folder: Made if need be; not touched if the network is out of reach.

    Raises:
        OSError: If it cannot be written to.
    """
    console = Console(highlight=False)
    console.print(f"[bold]{prediction.name.data}; {prediction.name.model}[/]")
    console.print(prediction_table(prediction))
    if prediction.network is not None:
        path = folder / prediction.name.file
        folder.mkdir(parents=True, exist_ok=True)
        save(draw_prediction(prediction.name, prediction.network, prediction.zero_error), path)
        notes = [*notes, *_turning(prediction.network), f"{path}.png (and .pdf)"]
    for note in notes:
        console.print(note, soft_wrap=True, markup=False)


def prediction_table(prediction: Prediction) -> Table:
    """One row per feature, strongest first; no wider than 80 columns."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for column in ("feature", "c", "σ"):
        table.add_column(column, justify="right", no_wrap=True)
    depth = None if prediction.network is None else prediction.network.depth
    if depth is not None:
        for column in ("λ_sp", "λ_co", "order", "ΔV at λ_co"):
            table.add_column(column, justify="right", no_wrap=True)
    for k, (c, sigma) in enumerate(zip(prediction.strengths, prediction.variances, strict=True), start=1):
        cells = [str(k), f"{c:.4g}", f"{sigma:.4g}"]
        if depth is not None:
            edge, equal = float(theory.spinodal(c, depth, sigma)), float(theory.coexistence(c, depth, sigma))
            barrier = float(theory.barriers(equal, c, depth, sigma).from_unlearned)
            order = "second" if depth == 2 else "first"
            cells += [f"{edge:.6g}", f"{equal:.6g}", order, "none" if depth == 2 else f"{barrier:.4g}"]
        table.add_row(*cells)
    return table


def _turning(network: theory.DeepLinear) -> list[str]:
    """Which phases end before their spinodal, which only unequal variances bring about."""
    if network.depth == 2:
        return []
    l2 = np.outer(network.spinodals, np.linspace(0.01, 1 - 1e-9, 200)).ravel()
    phases = theory.phases(l2, network.strengths, network.depth, network.variances)
    turned = [str(m) for m, phase in enumerate(phases) if not phase.minimum[phase.exists].all()]
    if not turned:
        return []
    return [
        f"phase {', '.join(turned)}: no minimum where dotted in the figure; with variances this unequal it turns "
        "towards a stronger feature before its spinodal"
    ]
