"""Loops and coexistence in words and numbers, and as the tables that a person reads on the terminal."""

from __future__ import annotations

from typing import Any

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.table import Table

from spinodal.analysis.deviation import deviation
from spinodal.analysis.verdicts.hysteresis import NARROW
from spinodal.analysis.verdicts.verdict import NONE, SEEN
from spinodal.report.names import CurveName, with_error
from spinodal.report.sheet import signed

CLEAR = SEEN
"""A loop whose area is so many errors from zero is one; within `NONE` it is none, if a narrow one would be seen."""


def area_told(row: dict[str, Any]) -> str:
    """The area of a loop, and whether there is one.

    Args:
        row: Of the table of loops.
    """
    if row["area"] is None:
        return "branches without a λ in common"
    errors = signed(in_errors(row["area"], row["area_error"]), 1)
    return f"{area_measured(row)}, {errors} errors: {verdict_on(row)}"


def area_measured(row: dict[str, Any]) -> str:
    """The area of a loop with its error, however small."""
    area, error = row["area"], row["area_error"]
    tiny = 0 < error < 1e-5 and abs(area) < 1e-4
    return signless(f"{area:.0e} ± {error:.0e}".replace("e-0", "e-") if tiny else with_error(area, error))


def verdict_on(row: dict[str, Any]) -> str:
    """Whether a loop encloses an area."""
    errors = abs(in_errors(row["area"], row["area_error"]))
    seen = row["area_up"] is not None and NARROW * row["area_up"] >= SEEN * row["area_error"]
    return "hysteresis" if errors >= CLEAR else "none" if errors <= NONE and seen else "unclear"


def in_errors(value: float, error: float) -> float:
    """How many stated errors from zero."""
    return float(deviation(value, error, 0.0))


def signless(text: str) -> str:
    """A number with a true minus, which may stand in front only."""
    return text.replace("-", "−", 1) if text.startswith("-") else text


def measured(row: dict[str, Any], name: str) -> str:
    """A measured λ with its error, and of how many runs where that is not all."""
    if row[name] is None:
        return ""
    return with_error(row[name], row[f"{name}_error"])


def came_back(row: dict[str, Any]) -> str:
    """Where a feature is learned again, or that it is not."""
    if not row["relearned"]:
        return "not again"
    some = "" if row["relearned"] == row["runs"] else f" ({row['relearned']}/{row['runs']})"
    return measured(row, "l2_down") + some


def reached(row: dict[str, Any]) -> str:
    """Where the noise must reach, a mean over as many draws as there are runs."""
    if row["l2_reach"] is not None:
        return with_error(row["l2_reach"], row["l2_reach_error"])
    if row["reach_share"] is None:
        return "not computed" if row["foretold"] and row["l2_spinodal"] is not None else ""
    return "not so far" if row["perturbation"] else "never"


def noise_told(row: dict[str, Any]) -> str:
    """With which noise the way down was perturbed."""
    match row["perturbation"]:
        case None:
            return "noise not told"
        case 0.0:
            return "no noise"
        case noise:
            return f"noise {noise:g}"


def loop_table(name: CurveName, loop: pl.DataFrame) -> Table:
    """One loop, transition by transition; no wider than 80 columns.

    Args:
        name: Of its branches.
        loop: Its rows, as `analysis.hysteresis` returns them.
    """
    first = loop.row(0, named=True)
    span = f"λ {first['l2_low']:.4g} – {first['l2_high']:.4g}, {noise_told(first)}, {first['runs']} runs"
    table = _table(f"[bold]{name}[/]\n{span}\narea {area_told(first)}")
    header = ("m", "lost at λ", "λ_sp", "learned again", "noise reaches", "width")
    for column, size in zip(header, (2, 15, 7, 18, 16, 15), strict=True):
        table.add_column(column, min_width=size, no_wrap=True)
    for row in loop.drop_nulls("feature").sort("feature", descending=True).iter_rows(named=True):
        exact = "" if row["l2_spinodal"] is None else f"{row['l2_spinodal']:.4g}"
        cells = (measured(row, "l2_up"), exact, came_back(row), reached(row), measured(row, "l2_width"))
        table.add_row(str(row["feature"]), *cells)
    if first["feature"] is None:
        table.add_row("", "no transition")
    return table


def coexistence_table(name: CurveName, phases: pl.DataFrame) -> Table:
    """Where the phases of a network have equal 𝓛; no wider than 80 columns.

    Args:
        name: Of its branches.
        phases: As `analysis.coexistence` returns them.
    """
    table = _table(f"[bold]{name}[/]\nphases m and m − 1 have equal 𝓛")
    header = ("m", "λ measured", "exact λ_co", "off by", "seeds")
    for column, size in zip(header, (2, 20, 12, 10, 5), strict=True):
        table.add_column(column, min_width=size, no_wrap=True)
    for row in phases.iter_rows(named=True):
        at = precisely(row["l2_coexistence"], row["l2_coexistence_error"])
        exact = "" if row["l2_exact"] is None else f"{row['l2_exact']:.8g}"
        cells = (at, exact, off_by(row["l2_coexistence"], row["l2_exact"]))
        table.add_row(str(row["features"]), *cells, f"{row['seeds']}/{row['seeds_all']}")
    return table


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", title_style="", box=SIMPLE_HEAD, padding=0, pad_edge=False
    )


def precisely(value: float | None, error: float | None) -> str:
    """A λ of eight digits with its error."""
    if value is None or error is None:
        return "not followed there"
    return f"{value:.8g} ± {error:.0e}".replace("e-0", "e-")


def off_by(value: float | None, exact: float | None) -> str:
    """In per cent, with as many digits as it takes."""
    if value is None or exact is None:
        return ""
    return signless(f"{100 * (value / exact - 1):+.1g} %".replace("e-0", "e-"))
