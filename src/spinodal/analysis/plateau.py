"""The geometry of networks on the plateau of grokking, when they leave it, and at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

GEOMETRY = ("norm", "scalar_curvature", "soft_mode", "learned_features")
"""What is compared between the plateau and the end."""

PACE = ("scalar_curvature", "trace_hessian", "norm")
"""What is followed in pace with the steps: how much it changes with the logarithm of steps."""

WHEN = ("before", "during", "after")
"""The second half of the plateau, up to where the test accuracy begins to rise; the rise; from there to the end."""

PLATEAU: dict[str, pl.DataType | type[pl.DataType]] = {
    **{f"{name}_{when}": pl.Float64 for name in GEOMETRY for when in ("plateau", "end")},
    **dict.fromkeys(("error_end", "test_error_plateau", "test_error_end"), pl.Float64),
    **{f"{name}_pace_{when}": pl.Float64 for name in PACE for when in WHEN},
    **{f"{name}_turn{error}": pl.Float64 for name in PACE for error in ("", "_error")},
}
"""Columns of what is found."""


def on_the_plateau(records: pl.DataFrame, marks: pl.DataFrame) -> dict[str, float | None]:
    """Means over trajectories that fitted and generalised.

    Args:
        records: theirs, and others.
        marks: as `milestones` returns them.

    Returns:
        Of `PLATEAU`: what `GEOMETRY` and the test error were in the middle of the plateau (in the logarithm of steps)
        and at the end; the pace d ln|Q|/d ln(steps) of each Q of `PACE` before, during and after the rise (`WHEN`);
        and its `_turn`, the pace during less that before, with standard error: 0 if nothing happens to Q when the
        network leaves the plateau.
    """
    found: dict[str, list[float]] = {}
    for mark in marks.iter_rows(named=True):
        own = records.filter(pl.col("point") == mark["point"]).sort("trained_steps")
        for name, value in (_places(own, mark) | _paces(own, mark)).items():
            found.setdefault(name, []).append(value)
    means: dict[str, float | None] = {name: float(np.mean(values)) for name, values in found.items()}
    for name in PACE:
        turns = found.get(f"{name}_turn", ())
        if len(turns) > 1:
            means[f"{name}_turn_error"] = float(np.std(turns, ddof=1) / len(turns) ** 0.5)
    return means


def _places(own: pl.DataFrame, mark: Mapping[str, Any]) -> dict[str, float]:
    """At the look nearest to √(fit · generalise) steps, and at the last."""
    middle = np.sqrt(mark["fit_steps"] * mark["generalise_steps"])
    found: dict[str, float] = {}
    for name in (*GEOMETRY, "error", "test_error"):
        measured = own.drop_nulls(name)
        if measured.is_empty():
            continue
        plateau = int(np.abs(np.log(measured["trained_steps"].to_numpy() / middle)).argmin())
        if name != "error":
            found[f"{name}_plateau"] = float(measured[name][plateau])
        found[f"{name}_end"] = float(measured[name][-1])
    return found


def _paces(own: pl.DataFrame, mark: Mapping[str, Any]) -> dict[str, float]:
    """Of what was measured along the way, where there is a plateau and a rise."""
    begin, end = mark["begin_steps"], mark["generalise_steps"]
    if begin is None or not mark["fit_steps"] < begin < end < mark["last_steps"]:
        return {}
    half = np.sqrt(mark["fit_steps"] * begin)
    times = np.log([half, begin, end, mark["last_steps"]])
    found: dict[str, float] = {}
    for name in PACE:
        measured = own.drop_nulls(name).filter(pl.col(name) != 0)
        if measured.is_empty():
            continue
        logs = np.interp(
            times, np.log(measured["trained_steps"].to_numpy()), np.log(np.abs(measured[name].to_numpy()))
        )
        paces = np.diff(logs) / np.diff(times)
        found |= {f"{name}_pace_{when}": float(pace) for when, pace in zip(WHEN, paces, strict=True)}
        found[f"{name}_turn"] = float(paces[1] - paces[0])
    return found
