"""How noise closes hysteresis: the onset of learning on the way up and on the way down, temperature by temperature."""

from __future__ import annotations

import numpy as np
import polars as pl
from jaxtyping import Float64

from spinodal import theory
from spinodal.analysis.curves import CURVE, evidence
from spinodal.analysis.deep_linear import landscape

NETWORK = tuple(name for name in CURVE if name not in ("branch", "temperature"))
"""Columns that the loops of one network share, whatever their temperature."""

_COLUMNS = {
    "temperature": pl.Float64,
    **{
        name: pl.Float64
        for way in ("up", "down")
        for name in (f"l2_{way}", f"l2_{way}_error", f"l2_{way}_exact")
    },
    "seeds": pl.Int64,
}


def onset_under_noise(records: pl.DataFrame) -> pl.DataFrame:
    """Where learning ends on the way up and begins on the way down, in loops whose every stage was held under noise.

    Args:
        records: of any campaign; other rows are left out.

    Returns:
        The columns of `NETWORK`, `temperature`, and `l2_up` and `l2_down`, geometric means over seeds, each with its
        standard error, to which half the grid's spacing is added in quadrature, and with the λ by which half of the
        replicas must have left by Kramers' rates (`_exact`; null where theory says nothing).
    """
    rows = []
    loops = records.filter(pl.col("hold_time").is_not_null())
    for part in loops.partition_by((*NETWORK, "temperature"), maintain_order=True):
        onsets = {way: _onsets(part.filter(pl.col("branch") == way)) for way in ("up", "down")}
        row = part.select(*NETWORK, "temperature").row(0, named=True)
        row["seeds"] = min(len(each) for each in onsets.values())
        for way, found in onsets.items():
            if len(found):
                mean, error = _mean(found)
                row |= {f"l2_{way}": mean, f"l2_{way}_error": error}
            row[f"l2_{way}_exact"] = _expected(part.filter(pl.col("branch") == way))
        rows.append(row)
    schema = {name: records.schema[name] for name in NETWORK} | _COLUMNS
    return pl.DataFrame(rows, schema=schema).sort((*NETWORK, "temperature"), nulls_last=True)


def _onsets(branch: pl.DataFrame) -> Float64[np.ndarray, "s 2"]:
    """Of each seed the largest λ with a feature alive, and the next above; seeds without both are left out."""
    found = []
    for part in branch.filter(evidence()).partition_by("seed"):
        alive = part.filter(pl.col("learned_features") > 0)["l2"].to_numpy()
        dead = part.filter(pl.col("learned_features") == 0)["l2"].to_numpy()
        above = dead[dead > alive.max(initial=0)]
        if len(alive) and len(above):
            found.append((alive.max(), above.min()))
    return np.array(found).reshape(-1, 2)


def _mean(brackets: Float64[np.ndarray, "s 2"]) -> tuple[float, float]:
    logs = np.log(brackets)
    middle = logs.mean(axis=1)
    spread = middle.std(ddof=1) if len(middle) > 1 else 0.0
    # Seeds share their grid, and so what it leaves open: that does not average out.
    spacing = 0.5 * float(np.diff(logs, axis=1).mean())
    mean = float(np.exp(middle.mean()))
    return mean, mean * float(np.hypot(spread / np.sqrt(len(middle)), spacing))


def _expected(branch: pl.DataFrame) -> float | None:
    """λ at which half of the replicas of one feature have left, stage after stage, by Kramers' rates."""
    network = None if branch.is_empty() else landscape(branch.row(0, named=True))
    if network is None or len(network.strengths) != 1:
        return None
    start = int(branch["branch"][0] == "up")
    first = branch.filter(pl.col("seed") == branch["seed"][0]).sort("stage")
    passed, before = 0.0, float(first["l2"][0])
    for l2, hold_time, temperature in first.select("l2", "hold_time", "temperature").iter_rows():
        ways = network.escapes(l2, start)
        if ways is None or temperature is None:
            return None
        if ways:
            passed += float(hold_time / theory.escape_time(ways, temperature))
        # No way out of the learned phase means that there is no such phase.
        if passed >= np.log(2) or (start == 1 and not ways):
            return float(np.sqrt(l2 * before))
        before = l2
    return None
