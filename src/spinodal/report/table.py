"""The tables of transitions that a person reads on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.table import Table

from spinodal.report.names import CurveName, with_error

HEADER = ("#", "λ between", "exact λ_sp", "jump in E", "accuracy", "features", "seeds")


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
    for column, width in zip(HEADER, (2, 17, 10, 15, 13, 8, 5), strict=True):
        table.add_column(column, min_width=width, no_wrap=True)
    for row in transitions.sort(pl.coalesce("location", "l2_exact")).iter_rows(named=True):
        table.add_row(*_cells(row))
    if transitions.is_empty():
        table.add_row("", "no jump")
    return table


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    exact = "" if row["l2_exact"] is None else f"{row['l2_exact']:.4g}"
    if row["status"] == "missing":
        return "", "[red]not found[/]", exact
    verdict = {
        None: "",
        "unexpected": "[red]none near[/]",
        "matched": f"{exact} ✓" if row["inside"] else f"{exact} [red]✗[/]",
    }
    return (
        str(row["index"]),
        f"{row['l2_low']:.4g} – {row['l2_high']:.4g}" + ("*" if row["unrelaxed"] else ""),
        verdict[row["status"]],
        with_error(row["jump"], row["jump_error"]),
        _sides(row, "accuracy", ".3f"),
        _sides(row, "learned_features", ".2g"),
        f"{row['seeds']}/{row['seeds_all']}",
    )


def _sides(row: dict[str, Any], name: str, form: str) -> str:
    before, after = row[f"{name}_before"], row[f"{name}_after"]
    return "" if before is None or after is None else f"{before:{form}} → {after:{form}}"
