"""First passage times as a curve: which part of the replicas is still where it was put."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from spinodal.analysis import held
from spinodal.analysis.holding_times import survival as fractions_left

HELD = "escape/time"
"""The axis of survival: since the noise began."""

SURVIVAL = "escape/survival"

MOMENTS = 64
"""Points of a curve."""


def survival(rows: pl.DataFrame, name: str = SURVIVAL) -> list[dict[str, Any]]:
    """Return Kaplan and Meier's estimate, thinned, from 1 at time 0.

    Args:
        rows: Records of replicas that were held under the same noise; others are left out.
        name: Of the metric.

    Returns:
        Rows of `HELD` and the metric.
    """
    rows = held(rows)
    if rows.is_empty():
        return []
    times, fractions = fractions_left(rows["escape_time"].to_numpy(), rows["escaped"].to_numpy())
    kept = np.unique(np.append(0, np.linspace(1, len(times) - 1, MOMENTS).round().astype(int)))
    return [{HELD: float(times[place]), name: float(fractions[place])} for place in kept]
