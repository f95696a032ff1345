"""A network on the plateau of grokking: its geometry there, when it leaves and at the end, and whether 𝓛 rests."""

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

LOOKS = 4
"""On a plateau with fewer looks nothing is seen to fall."""

PLATEAU = (
    *(f"{name}_{when}" for name in GEOMETRY for when in ("plateau", "end")),
    *("error_end", "test_error_plateau", "test_error_end"),
    *(f"{name}_pace_{when}" for name in PACE for when in WHEN),
)
"""Columns of geometry, beside the turns of `PACE`."""

FOUND = (*PLATEAU, *(f"{name}_turn" for name in PACE), "loss_fall", "loss_falls")
"""Columns of what is found on one plateau."""


def on_the_plateau(own: pl.DataFrame, mark: Mapping[str, Any]) -> dict[str, float | bool]:
    """Find what happens to a network between fitting and generalising; nothing if it did not do both.

    Args:
        own: Records of one trajectory, sorted by steps.
        mark: Its row of `milestones`.

    Returns:
        Of `FOUND`: what `GEOMETRY` and the test error were in the middle of the plateau (in the logarithm of steps)
        and at the end; the pace d ln|Q|/d ln(steps) of each Q of `PACE` before, during and after the rise (`WHEN`);
        and its `_turn`, the pace during less that before: 0 if nothing happens to Q when the network leaves the
        plateau; `loss_fall`, the part by which 𝓛 falls on the second half of the plateau, and `loss_falls`, whether it
        does so at every look.
    """
    if mark["fit_steps"] is None or mark["generalise_steps"] is None:
        return {}
    return {**_places(own, mark), **_paces(own, mark), **_loss(own, mark)}


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


def _loss(own: pl.DataFrame, mark: Mapping[str, Any]) -> dict[str, float | bool]:
    looks = own.filter(pl.col("trained_steps").is_between(mark["fit_steps"], mark["generalise_steps"]))
    loss = looks["loss"].to_numpy()
    # Fitting goes on for a while: what happens on the plateau is what happens on its second half.
    loss = loss[len(loss) // 2 :]
    if len(loss) < LOOKS:
        return {}
    return {"loss_fall": float(1 - loss[-1] / loss[0]), "loss_falls": bool((np.diff(loss) < 0).all())}
