"""How noise closes hysteresis: the onset of learning on the way up and on the way down, temperature by temperature."""

from __future__ import annotations

import numpy as np
import polars as pl

from spinodal import theory
from spinodal.analysis.curves import CURVE, evidence, order_parameter
from spinodal.analysis.deep_linear import landscape

NETWORK = tuple(name for name in CURVE if name not in ("branch", "temperature"))
"""Columns that the loops of one network share, whatever their temperature."""

WAYS = ("up", "down")
"""Branches of a loop."""

_COLUMNS = {
    **dict.fromkeys(
        ("temperature", *(f"control_{way}{end}" for way in WAYS for end in ("", "_error", "_exact"))),
        pl.Float64,
    ),
    "seeds": pl.Int64,
}


def onset_under_noise(records: pl.DataFrame) -> pl.DataFrame:
    """Find where learning ends on the way up and begins on the way down, in loops whose stages were held under noise.

    Args:
        records: Of any campaign; other rows are left out.

    Returns:
        The columns of `NETWORK`, `temperature`, and `control_up` and `control_down`, geometric means over seeds, each
        with its standard error, to which half the grid's spacing is added in quadrature, and with the λ by which half
        of the replicas must have left by Kramers' rates (`_exact`; null where there is no theory).
    """
    loops = records.filter(pl.col("hold_time").is_not_null())
    keys = (*NETWORK, "temperature")
    rows = []
    for identity, part in loops.partition_by(keys, as_dict=True, maintain_order=True).items():
        branches = {way: part.filter(branch=way) for way in WAYS}
        onsets = {way: _onsets(branch) for way, branch in branches.items()}
        rows.append(
            dict(zip(keys, identity, strict=True))
            | {"seeds": min(len(each) for each in onsets.values())}
            | {
                name: value
                for way, onset in onsets.items()
                if len(onset)
                for name, value in _mean(way, onset).items()
            }
            | {f"control_{way}_exact": _expected(branch) for way, branch in branches.items()}
        )
    schema = {name: records.schema[name] for name in NETWORK} | _COLUMNS
    return pl.DataFrame(rows, schema=schema).sort(keys, nulls_last=True)


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
    logs = np.log(onsets.to_numpy())
    middle = logs.mean(axis=1)
    spread = middle.std(ddof=1) if len(middle) > 1 else 0.0
    # Seeds share their grid, and so what it leaves open: that does not average out.
    spacing = 0.5 * float(np.diff(logs, axis=1).mean())
    mean = float(np.exp(middle.mean()))
    error = mean * float(np.hypot(spread / np.sqrt(len(middle)), spacing))
    return {f"control_{way}": mean, f"control_{way}_error": error}


def _expected(branch: pl.DataFrame) -> float | None:
    """λ at which half of the replicas of one feature have left, stage after stage, by Kramers' rates."""
    network = None if branch.is_empty() else landscape(branch.row(0, named=True))
    if network is None or len(network.strengths) != 1:
        return None
    start = int(branch["branch"][0] == "up")
    first = branch.filter(pl.col("seed") == branch["seed"][0]).sort("stage")
    passed, before = 0.0, float(first["control_value"][0])
    for control, hold_time, temperature in first.select(
        "control_value", "hold_time", "temperature"
    ).iter_rows():
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
