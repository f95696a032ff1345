"""What the delay of grokking depends on: λ, and noise."""

from __future__ import annotations

import numpy as np
import polars as pl

from spinodal.analysis.curves import curve_but
from spinodal.analysis.grokking import NETWORK, TIMES, geometric, milestones

_ALIKE = tuple(name for name in NETWORK if name != "l2")
_QUIET = (*curve_but("temperature"), "l2")


def l2_exponents(records: pl.DataFrame) -> pl.DataFrame:
    """How times fall with λ: the slope of ln(steps) against ln λ, −1 for a drift at the pace of the L2 term.

    Args:
        records: of any campaign.

    Returns:
        The columns of `NETWORK` but λ, for networks trained at two λ > 0 or more; for each of `TIMES` its `_exponent`
        by least squares over all seeds, with standard error, null where it did not happen to all of the so many
        `trajectories`.
    """
    rows = []
    for part in milestones(records).partition_by(_ALIKE, maintain_order=True):
        part = part.filter(pl.col("l2") > 0)
        if part["l2"].n_unique() < 2:
            continue
        row = part.select(_ALIKE).row(0, named=True) | {"trajectories": len(part)}
        for name in TIMES:
            row[f"{name}_exponent"], row[f"{name}_exponent_error"] = _slope(
                part["l2"].log().to_numpy(), part[f"{name}_steps"].log().to_numpy()
            )
        rows.append(row)
    schema = {name: records.schema[name] for name in _ALIKE} | {"trajectories": pl.Int64()}
    for name in TIMES:
        schema |= {f"{name}_exponent": pl.Float64(), f"{name}_exponent_error": pl.Float64()}
    return pl.DataFrame(rows, schema=schema)


def noise_ratios(records: pl.DataFrame) -> pl.DataFrame:
    """How much longer networks take under noise than the same seeds do under the least of it.

    Args:
        records: of any campaign.

    Returns:
        The columns of `NETWORK`, for networks trained under two strengths of noise or more, but the least: the lowest
        T, or the largest B. For each of `TIMES` its `_ratio`, a geometric mean, with the `_factor` that its
        error (as of `grokking`) multiplies or divides it by, over so many seeds (`_pairs`) for which it happened both
        times.
    """
    rows = []
    marks = milestones(records).with_columns(
        noise=pl.coalesce("temperature", 1 / pl.col("batch")).fill_null(0.0)
    )
    for part in marks.partition_by(_QUIET, maintain_order=True):
        quiet = part.filter(pl.col("noise") == part["noise"].min())
        loud = part.filter(pl.col("noise") > part["noise"].min())
        for own in loud.sort("noise").partition_by("noise", maintain_order=True):
            row = own.select(NETWORK).row(0, named=True)
            pairs = own.join(quiet, on="seed", suffix="_quiet")
            for name in TIMES:
                both = pairs.drop_nulls([f"{name}_steps", f"{name}_steps_quiet"])
                row[f"{name}_pairs"] = len(both)
                looks = both.select(f"{name}_look", f"{name}_look_quiet").to_numpy()
                row[f"{name}_ratio"], row[f"{name}_factor"] = geometric(
                    (both[f"{name}_steps"] / both[f"{name}_steps_quiet"]).to_numpy(),
                    float(np.hypot(*looks.mean(axis=0))) if len(both) else 0.0,
                )
            rows.append(row)
    schema = {name: records.schema[name] for name in NETWORK}
    for name in TIMES:
        schema |= {f"{name}_pairs": pl.Int64(), f"{name}_ratio": pl.Float64(), f"{name}_factor": pl.Float64()}
    return pl.DataFrame(rows, schema=schema)


def _slope(x: np.ndarray, y: np.ndarray) -> tuple[float | None, float | None]:
    """By least squares, with standard error; None where there are too few, or not all."""
    if len(x) < 3 or not np.isfinite(y).all():
        return None, None
    (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
    return float(slope), float(covariance[0, 0] ** 0.5)
