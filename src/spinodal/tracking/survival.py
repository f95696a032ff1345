"""First passage times as a curve: which part of the replicas is still where it was put."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from scipy.stats import CensoredData, ecdf

from spinodal.analysis import held

HELD = "escape/time"
"""The axis of survival: since the noise began."""

SURVIVAL = "escape/survival"

MOMENTS = 64
"""Points of a curve."""


def survival(rows: pl.DataFrame, name: str = SURVIVAL) -> list[dict[str, Any]]:
    """Kaplan and Meier's estimate, thinned, from 1 at time 0.

    Args:
        rows: Records of replicas that were held under the same noise; others are left out.
        name: Of the metric.

    Returns:
        Rows of `HELD` and the metric.
    """
    rows = held(rows)
    if rows.is_empty():
        return []
    left, at = rows["escaped"].to_numpy(), rows["escape_time"].to_numpy()
    estimate = ecdf(CensoredData(uncensored=at[left], right=at[~left])).sf
    kept = np.unique(np.linspace(0, len(estimate.quantiles) - 1, MOMENTS).round().astype(int))
    times, fractions = estimate.quantiles[kept].tolist(), estimate.probabilities[kept].tolist()
    return [
        {HELD: time, name: fraction} for time, fraction in zip([0.0, *times], [1.0, *fractions], strict=True)
    ]
