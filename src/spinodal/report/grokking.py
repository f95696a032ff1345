"""What was found of grokking: when networks fit and generalise, what that depends on, and their geometry meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from spinodal.analysis import CURVE, grokking, l2_exponents, noise_ratios, trained
from spinodal.report.drawing import Drawings
from spinodal.report.grokking_figure import Series, draw_grokking, draw_times, told_condition, varied
from spinodal.report.names import curve_names, with_error

ALIKE = tuple(name for name in CURVE if name != "temperature")
"""Columns that are the same for one network on its data."""

CONDITION = ("l2", "temperature", "batch")
"""What it is trained under."""


@dataclass(frozen=True, eq=False)
class Grokking:
    """One network on its data, at every λ and under all noise it was trained with."""

    name: str
    found: pl.DataFrame
    """As `analysis.grokking` returns it."""
    exponents: pl.DataFrame
    """As `l2_exponents` returns it."""
    ratios: pl.DataFrame
    """As `noise_ratios` returns it."""
    jobs: frozenset[str]
    """That trained it."""
    figure: Path
    """Without suffix."""

    @property
    def conditions(self) -> list[tuple[str, dict[str, Any]]]:
        """What is said of each, and its row."""
        names = varied(self.found.select(CONDITION))
        return [(told_condition(row, names), row) for row in self.found.iter_rows(named=True)]

    @property
    def told(self) -> str:
        """What was found, in a line."""
        lines = [f"{label}: {_told(row)}" for label, row in self.conditions]
        return "; ".join([*lines, *([self.turned] if self.turned else [])])

    @property
    def turned(self) -> str:
        """Whether the curvature changes its pace when the plateau is left, and ‖θ‖ as a control."""
        turns = [
            f"{label}: {with_error(row['scalar_curvature_turn'], row['scalar_curvature_turn_error'])} "
            f"({with_error(row['norm_turn'], row['norm_turn_error'])})"
            for label, row in self.conditions
            if row["scalar_curvature_turn_error"] is not None
        ]
        return (
            f"when the plateau is left, d ln R/d ln(steps) (that of ‖θ‖) turns by {', '.join(turns)}"
            if turns
            else ""
        )


@dataclass(frozen=True, eq=False)
class Times:
    """When they fit, leave their plateau and generalise, against what that depends on."""

    figure: Path
    """Without suffix."""
    told: str
    name: str = "When networks fit, leave their plateau and generalise"


def make_grokking(records: pl.DataFrame, folder: Path, drawings: Drawings) -> list[Grokking]:
    """Find and draw grokking, network by network.

    Args:
        records: of the campaign; rows of networks that were relaxed are left out.
        folder: for figures and the table.
        drawings: draws them.
    """
    rows = trained(records)
    if rows.is_empty():
        return []
    found, exponents, ratios = grokking(rows), l2_exponents(rows), noise_ratios(rows)
    for file, table in {"grokking": found, "delays": exponents, "delays_noise": ratios}.items():
        table.write_csv(folder / f"{file}.csv")
    parts = rows.sort("task", "samples", "depth", "width", maintain_order=True).partition_by(
        ALIKE, maintain_order=True
    )
    identities = [part.select(CURVE).head(1) for part in parts]
    names = curve_names(pl.concat(identities).with_columns(temperature=pl.lit(None, pl.Float64)))
    made = []
    for number, (part, identity, name) in enumerate(zip(parts, identities, names, strict=True)):
        title = f"{name.data}; {name.model}"
        figure = drawings.add(folder / f"grokking-{number}", draw_grokking, part, title)
        own, own_exponents, own_ratios = (
            table.join(identity, on=ALIKE, how="semi", nulls_equal=True)
            for table in (found.sort(CONDITION), exponents, ratios)
        )
        jobs = frozenset(part["job"].drop_nulls())
        made.append(Grokking(title, own, own_exponents, own_ratios, jobs, figure))
    return made


def make_times(networks: Sequence[Grokking], folder: Path, drawings: Drawings) -> Times | None:
    """Draw what times depend on; None if they were measured under one condition only.

    Args:
        networks: what was found.
        folder: for the figure.
        drawings: draws it.
    """
    series = [each for network in networks for each in _series(network)]
    if not series:
        return None
    found = {each.name: ", ".join(_dependences(each)) for each in networks}
    told = [f"{name}: {lines}" for name, lines in found.items() if lines]
    return Times(drawings.add(folder / "grokking-times", draw_times, series), "; ".join(told))


def steps_told(row: Mapping[str, Any], name: str) -> str:
    """As in 1.06e+03 ×/÷ 1.22.

    Args:
        row: of `analysis.grokking`.
        name: fit, leave, generalise or delay.
    """
    value, factor = row[f"{name}_steps" if name != "delay" else name], row[f"{name}_factor"]
    if value is None:
        return ""
    return f"{value:.3g}" + ("" if factor is None else f" ×/÷ {factor:.2f}")


def _told(row: Mapping[str, Any]) -> str:
    if not row["generalised"]:
        return f"{row['fitted']} of {row['seeds']} seeds fitted, none generalised"
    return (
        f"fitted after {steps_told(row, 'fit')} steps, generalised after {steps_told(row, 'generalise')} "
        f"({row['generalised']} of {row['seeds']} seeds)"
    )


def _series(network: Grokking) -> Iterator[Series]:
    """Against each thing that varies, all else equal."""
    for axis in CONDITION:
        others = [name for name in CONDITION if name != axis]
        for part in network.found.drop_nulls(axis).partition_by(others, maintain_order=True):
            if len(part) > 1:
                others_vary = [
                    name for name in varied(network.found.select(others)) if len(network.found) > len(part)
                ]
                label = told_condition(part.row(0, named=True), others_vary) if others_vary else ""
                yield Series(axis, ", ".join(filter(None, [network.name, label])), part)


def _dependences(network: Grokking) -> Iterator[str]:
    for row in network.exponents.iter_rows(named=True):
        for name, verb in (("leave", "leaves its plateau"), ("generalise", "generalises")):
            if row[f"{name}_exponent"] is not None:
                yield f"{verb} after λ^({row[f'{name}_exponent']:.2f} ± {row[f'{name}_exponent_error']:.2f})"
    names = varied(network.found.select(CONDITION))
    for row in network.ratios.iter_rows(named=True):
        if row["leave_factor"] is not None:
            yield (
                f"leaves its plateau {row['leave_ratio']:.2f} ×/÷ {row['leave_factor']:.2f} times as late at "
                f"{told_condition(row, names)} as under the least noise"
            )
