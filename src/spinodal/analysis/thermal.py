"""How noise closes hysteresis: the onset of learning on the way up and on the way down, temperature by temperature."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from spinodal import theory
from spinodal.analysis.curves import QUIET, curve_but, evidence, order_parameter, per_group
from spinodal.analysis.deep_linear import landscape
from spinodal.analysis.deviation import standard_error

NETWORK = curve_but("branch", "temperature")
"""Columns that the loops of one network share, whatever their temperature."""

WAYS = ("up", "down")
"""Branches of a loop."""

_COLUMNS = (*(f"control_{way}{end}" for way in WAYS for end in ("", "_error", "_exact")), "seeds")


def onset_under_noise(records: pl.DataFrame) -> pl.DataFrame:
    """Find where learning ends on the way up and begins on the way down, in loops whose stages were held under noise.

    Returns:
        The columns of `NETWORK`, `temperature`, and `control_up` and `control_down`, geometric means over seeds, each
        with its standard error, to which half the grid's spacing is added in quadrature, and with the λ by which half
        of the replicas must have left by Kramers' rates (`_exact`; null where there is no theory).
    """

    def find(part: pl.DataFrame) -> dict[str, Any]:
        branches = {way: part.filter(branch=way) for way in WAYS}
        onsets = {way: _onsets(branch) for way, branch in branches.items()}
        row: dict[str, Any] = {"seeds": min(map(len, onsets.values()))}
        for way, branch in branches.items():
            row |= _mean(way, onsets[way]) | {f"control_{way}_exact": _expected(branch)}
        return row

    keys = (*NETWORK, "temperature")
    return per_group(records.filter(~QUIET), keys, _COLUMNS, find).sort(keys, nulls_last=True)


def _onsets(branch: pl.DataFrame) -> pl.DataFrame:
    """Of each seed the largest λ with a feature alive, and the next above; seeds without both are left out."""
    if branch.is_empty():
        return pl.DataFrame(schema={"alive": pl.Float64, "dead": pl.Float64})
    control, features = pl.col("control_value"), pl.col(order_parameter(branch))
    alive = control.filter(features > 0).max()
    dead = control.filter(features == 0, control > alive).min()
    seeds = branch.filter(evidence()).group_by("seed", maintain_order=True).agg(alive=alive, dead=dead)
    return seeds.select("alive", "dead").drop_nulls()


def _mean(way: str, onsets: pl.DataFrame) -> dict[str, float]:
    if onsets.is_empty():
        return {}
    logs = np.log(onsets.to_numpy())
    middle = logs.mean(axis=1)
    # Seeds share their grid, and so what it leaves open: that does not average out.
    spacing = 0.5 * float(np.diff(logs, axis=1).mean())
    mean = float(np.exp(middle.mean()))
    error = mean * float(np.hypot(standard_error(middle), spacing))
    return {f"control_{way}": mean, f"control_{way}_error": error}


def _expected(branch: pl.DataFrame) -> float | None:
    """λ at which half of the replicas of one feature have left, stage after stage, by Kramers' rates."""
    network = None if branch.is_empty() else landscape(branch.row(0, named=True))
    if network is None or len(network.strengths) != 1:
        return None
    start = int(branch["branch"][0] == "up")
    first = branch.filter(pl.col("seed") == branch["seed"][0]).sort("stage")
    passed, before = 0.0, float(first["control_value"][0])
    stages = first.select("control_value", "hold_time", "temperature")
    for control, hold_time, temperature in stages.iter_rows():
        ways = network.escapes(control, start)
        if ways is None or temperature is None:
            return None
        if ways:
            passed += float(hold_time / theory.escape_time(ways, temperature))
        # No way out of the learned phase means that there is no such phase.
        if passed >= np.log(2) or (start == 1 and not ways):
            return float(np.sqrt(control * before))
        before = control
    return None
