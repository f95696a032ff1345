"""The tables that a person reads on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.table import Table

from spinodal.analysis.elsewhere import ELSEWHERE
from spinodal.report.names import CurveName, with_error
from spinodal.report.sheet import ORDERS, agrees, sides, signed

HEADER = ("#", "order", "λ", "exact", "off by", "jump in E", "features", "seeds")


def transition_table(name: CurveName, strengths: Sequence[float], transitions: pl.DataFrame) -> Table:
    """One row per transition of a curve; no wider than 80 columns.

    Args:
        name: Of the curve.
        strengths: c_k, as measured.
        transitions: As `compare` returns them.
    """
    title = f"[bold]{name}[/]"
    if strengths:
        title += "\nc = " + ", ".join(f"{value:.3g}" for value in strengths)
    table = Table(
        title=title, title_justify="left", title_style="", box=SIMPLE_HEAD, padding=0, pad_edge=False
    )
    # The same places in every table, so that curves can be compared by eye.
    for column, width in zip(HEADER, (2, 5, 17, 9, 8, 15, 8, 5), strict=True):
        table.add_column(column, min_width=width, no_wrap=True)
    for row in transitions.sort(pl.coalesce("location", "l2_exact", "l2_estimate")).iter_rows(named=True):
        table.add_row(*_cells(row))
    if transitions.is_empty():
        table.add_row("", "", "no transition")
    return table


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    exact = "" if row["l2_exact"] is None else f"{row['l2_exact']:.4g}"
    estimate = "" if row["l2_estimate"] is None else f"≈ {row['l2_estimate']:.4g}"
    if row["status"] == "missing":
        return "", "", "[red]not found[/]", exact or estimate
    verdict: dict[str | None, str] = {
        None: "",
        "unexpected": "[red]none near[/]",
        **{status: f"see {section}" for status, section in ELSEWHERE.items()},
        "matched": estimate or (f"{exact} ✓" if row["inside"] else f"{exact} [red]✗[/]"),
    }
    off_by = row["deviation_percent"]
    size = "" if row["jump"] is None else with_error(row["jump"], row["jump_error"])
    return (
        str(row["index"]),
        ORDERS[row["order"]] if agrees(row) else f"[red]{ORDERS[row['order']]}[/]",
        with_error(row["location"], row["location_error"]) + ("*" if row["unrelaxed"] else ""),
        verdict[row["status"]],
        "" if off_by is None else signed(off_by, 2) + " %",
        size if row["kink"] is None else f"kink {row['kink']:.3g}",
        sides(row, "learned_features", ".2g"),
        f"{row['seeds']}/{row['seeds_all']}",
    )


FORESEEN = {
    "soft_mode": "soft mode",
    "scalar_curvature": "R",
    "trace_hessian": "tr ∇²E",
    "norm": "‖θ‖",
    "error": "E",
}
"""Columns of the table of predictions."""


def foresight_table(name: CurveName, agreement: pl.DataFrame, foreseen: pl.DataFrame) -> Table:
    """How many jumps E and R share, and how far predictions are off, in per cent; no wider than 80 columns.

    Args:
        name: Of the curve.
        agreement: Of this curve, as `analysis.agreement` returns it.
        foreseen: Of this curve and one cut-off, as `analysis.foresight` returns it.
    """
    colour = "green" if agreement["agrees"].all() else "red"
    title = f"[bold]{name}[/]\n[{colour if len(agreement) else 'default'}]{agreed(agreement)}[/]"
    table = Table(
        title=title, title_justify="left", title_style="", box=SIMPLE_HEAD, padding=0, pad_edge=False
    )
    for column, width in zip(("#", *FORESEEN.values()), (2, 13, 13, 13, 13, 13), strict=True):
        table.add_column(column, min_width=width)
    for index in foreseen["index"].unique().sort():
        here = {row["observable"]: row for row in foreseen.filter(index=index).iter_rows(named=True)}
        table.add_row(str(index), *(off(here.get(observable)) for observable in FORESEEN))
    if foreseen.is_empty():
        table.add_row("", "no jump of an up branch to foresee")
    return table


def rescaling_table(rescaled: Mapping[CurveName, pl.DataFrame]) -> Table:
    """R before the onset of learning and where it changes sign, for each unit of E.

    Args:
        rescaled: Of each curve, as `analysis.rescaled` returns it.
    """
    scales = next(iter(rescaled.values()))["scale"]
    table = Table(box=SIMPLE_HEAD, padding=0, pad_edge=False, title_justify="left", title_style="")
    table.title = "[bold]R of z = cE(θ) just before the last jump; λ/λ_sp at which it changes sign[/]"
    table.add_column("", ratio=1)
    for scale in scales:
        table.add_column(f"c = {scale:g}", min_width=13, no_wrap=True)
    for name, here in rescaled.items():
        cells = [
            f"{row['before']:.3g}; " + ("no" if row["sign_change"] is None else f"{row['sign_change']:.3f}")
            for row in here.iter_rows(named=True)
        ]
        table.add_row(str(name), *cells)
    return table


def agreed(agreement: pl.DataFrame) -> str:
    """How many jumps E and R share, in a line.

    Args:
        agreement: Of one curve, as `analysis.agreement` returns it.
    """
    if agreement.is_empty():
        return "neither E nor R jumps"
    alone = {
        f"{own} alone": agreement.filter(pl.col(f"location_{other}").is_null()).height
        for own, other in (("E", "scalar_curvature"), ("R", "error"))
    }
    told = "".join(f"; {count} in {where}" for where, count in alone.items() if count)
    return f"{int(agreement['agrees'].sum())}/{len(agreement)} jumps agree in E and R within one grid spacing{told}"


def off(row: dict[str, Any] | None) -> str:
    """How far a prediction is off, in per cent.

    Args:
        row: Of the table that `analysis.foresight` returns; None where there is none.
    """
    if row is None:
        return ""
    if not row["seeds"]:
        return "none"
    some = "" if row["seeds"] == row["seeds_all"] else f" ({row['seeds']}/{row['seeds_all']})"
    error = row["deviation_error"] or 0.0
    decimals = 0 if max(error, abs(row["deviation"])) >= 100 else 1
    spread = f" ± {error:.{decimals}f}" if error >= 0.05 else ""
    return f"{row['deviation']:+.{decimals}f}{spread}{some}"
