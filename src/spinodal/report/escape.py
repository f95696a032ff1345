"""What the report says of escape from metastable phases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from spinodal.analysis import HOLD, arrhenius_laws, escape_times, held
from spinodal.report.drawing import Drawings
from spinodal.report.escape_figure import draw_escape
from spinodal.report.names import curve_names, with_error
from spinodal.report.sheet import Row, Sheet

DRAWN = 12
"""Holds that are drawn."""


@dataclass(frozen=True, eq=False)
class Hold:
    """One phase at one λ, held at different temperatures."""

    name: str
    file: str
    records: pl.DataFrame
    times: pl.DataFrame
    """As `escape_times` returns them."""
    law: dict[str, Any] | None
    """As `arrhenius_laws` returns it; None if there is none."""
    figure: Path | None = None
    """Without suffix."""

    @property
    def told(self) -> str:
        """What was found, in a line."""
        if self.law is None:
            gone, all_ = self.times["escaped"].sum(), self.times["replicas"].sum()
            return f"{gone:,} of {all_:,} replicas escaped"
        barrier = with_error(self.law["barrier"] or np.nan, self.law["barrier_error"])
        told = f"ΔV = {barrier} from ln τ{_corrected(self.law)} against 1/T"
        exact = self.law["barrier_exact"]
        if exact is None:
            return told
        part, error = (_part(self.law, each) for each in ("barrier", "barrier_error"))
        ratio = with_error(self.law["kramers_ratio"] or np.nan, self.law["kramers_ratio_error"])
        return f"{told}, {part:.3f} ± {error:.3f} of the exact {exact:.5g}; τ is {ratio} times Kramers'"


def make_holds(records: pl.DataFrame, folder: Path, drawings: Drawings) -> list[Hold]:
    """Find and draw the escape times of a campaign.

    Args:
        records: of it; rows that were not held are left out.
        folder: for figures and tables.
        drawings: draws them.
    """
    rows = held(records)
    if rows.is_empty():
        return []
    times = escape_times(rows)
    laws = arrhenius_laws(rows, times)
    times.write_csv(folder / "escape_times.csv")
    laws.write_csv(folder / "arrhenius.csv")
    identities = times.select(HOLD).unique(maintain_order=True)
    holds: list[Hold] = []
    for identity in identities.partition_by(HOLD):
        name = curve_names(identity)[0]
        own, own_times, law = (_of(table, identity) for table in (rows, times, laws))
        first = own.row(0, named=True)
        start = "relaxed minimum" if first["start_phase"] is None else f"phase {first['start_phase']}"
        noise = "" if first["batch"] is None else "minibatches, "
        place = f"{start} at λ = {first['l2']:g}, {noise}η = {first['time_step']:g}"
        hold = Hold(
            f"{name.data}; {name.model}; {place}",
            f"{name.file}-{len(holds)}",
            own,
            own_times,
            law.row(0, named=True) if len(law) else None,
        )
        if len(holds) < DRAWN:
            figure = drawings.add(folder / hold.file, draw_escape, own, own_times, hold.law, hold.name)
            hold = replace(hold, figure=figure)
        holds.append(hold)
    return holds


def law_sheet(holds: list[Hold]) -> Sheet:
    """The barriers, measured and exact."""
    header = ("slope of ln τ", "d/2", "ΔV measured", "ΔV exact", "ratio", "τ / Kramers", "χ²", "points")
    rows: list[Row] = []
    for hold in holds:
        law = hold.law
        if law is None:
            continue
        exact = law["barrier_exact"] is not None
        rows.append(
            (
                hold.name,
                with_error(law["slope"] or 0, law["slope_error"]),
                f"{law['power']:g}",
                with_error(law["barrier"] or 0, law["barrier_error"]),
                f"{law['barrier_exact']:.5g}" if exact else "",
                f"{_part(law, 'barrier'):.3f} ± {_part(law, 'barrier_error'):.3f}" if exact else "",
                with_error(law["kramers_ratio"] or 0, law["kramers_ratio_error"]) if exact else "",
                f"{law['chi_squared']:.1f}",
                f"{law['temperatures']}",
            )
        )
    return Sheet("Arrhenius laws, τ ∝ T^(d/2) exp(ΔV/T)", ("held", *header), [("", rows)], words=1)


def time_sheet(holds: list[Hold]) -> Sheet:
    """Mean escape times, temperature by temperature."""
    header = ("T", "ΔV/T", "replicas", "escaped", "τ", "95 %", "τ Kramers", "Weibull shape", "p exponential")
    bodies: list[tuple[str, list[Row]]] = []
    for hold in holds:
        barrier = hold.law and hold.law["barrier_exact"]
        rows: list[Row] = []
        for row in hold.times.iter_rows(named=True):
            known = row["weibull_shape"] is not None
            rows.append(
                (
                    _strength(row) + ("" if row["evidence"] else "*"),
                    f"{barrier / row['temperature']:.2f}" if barrier and row["temperature"] else "",
                    f"{row['replicas']}",
                    f"{row['escaped']}",
                    f"{row['mean_time']:.4g}",
                    f"{row['mean_time_low']:.4g} – {row['mean_time_high']:.4g}",
                    "" if row["mean_time_exact"] is None else f"{row['mean_time_exact']:.4g}",
                    with_error(row["weibull_shape"], row["weibull_shape_error"]) if known else "",
                    f"{row['exponential_p']:.2g}" if known else "",
                )
            )
        bodies.append((hold.name, rows))
    return Sheet("Mean escape times (* left too fast, or too few, to count)", header, bodies)


def _strength(row: dict[str, Any]) -> str:
    """T; of minibatches B, and T as measured."""
    if row["batch"] is None:
        return f"{row['temperature']:.4g}"
    told = f"B = {row['batch']}"
    return (
        told
        if row["temperature"] is None
        else f"{told}: {with_error(row['temperature'], row['temperature_error'])}"
    )


def _of(table: pl.DataFrame, identity: pl.DataFrame) -> pl.DataFrame:
    return table.join(identity, on=HOLD, how="semi", nulls_equal=True)


def _part(law: dict[str, Any], name: str) -> float:
    return (law[name] or np.nan) / (law["barrier_exact"] or np.nan)


def _corrected(law: dict[str, Any]) -> str:
    return f" − {law['power']:g} ln T" if law["power"] else ""
