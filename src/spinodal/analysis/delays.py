"""What the delay of grokking depends on: λ, and noise."""

from __future__ import annotations

import numpy as np
import polars as pl

from spinodal.analysis.curves import curve_but
from spinodal.analysis.grokking import NETWORK, TIMES, geometric

_ALIKE = tuple(name for name in NETWORK if name != "control_value")
_QUIET = (*curve_but("temperature"), "control_value")


def control_exponents(marks: pl.DataFrame) -> pl.DataFrame:
    """Find how times fall with λ: the slope of ln(steps) against ln λ, −1 for a drift at the pace of the L2 term.

    Args:
        marks: As `milestones` returns them.

    Returns:
        The columns of `NETWORK` but λ, for networks trained at two λ > 0 or more; for each of `TIMES` its `_exponent`
        by least squares over all seeds, with standard error, null where it did not happen to all of the so many
        `trajectories`.
    """
    rows = []
    parts = marks.filter(pl.col("control_value") > 0).partition_by(_ALIKE, as_dict=True, maintain_order=True)
    for identity, part in parts.items():
        if part["control_value"].n_unique() < 2:
            continue
        row = dict(zip(_ALIKE, identity, strict=True)) | {"trajectories": len(part)}
        for name in TIMES:
            row |= _slope(
                name, part["control_value"].log().to_numpy(), part[f"{name}_steps"].log().to_numpy()
            )
        rows.append(row)
    exponents = [f"{name}_exponent{error}" for name in TIMES for error in ("", "_error")]
    schema = {name: marks.schema[name] for name in _ALIKE} | {"trajectories": pl.Int64()}
    return pl.DataFrame(rows, schema=schema | dict.fromkeys(exponents, pl.Float64()))


def _slope(name: str, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """By least squares, with standard error; none where there are too few, or not all."""
    if len(x) < 3 or not np.isfinite(y).all():
        return {}
    (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
    return {f"{name}_exponent": float(slope), f"{name}_exponent_error": float(covariance[0, 0] ** 0.5)}


def noise_ratios(marks: pl.DataFrame) -> pl.DataFrame:
    """Find how much longer networks take under noise than the same seeds do under the least of it.

    Args:
        marks: As `milestones` returns them.

    Returns:
        The columns of `NETWORK`, for networks trained under two strengths of noise or more, but the least: the lowest
        T, or the largest B. For each of `TIMES` its `_ratio`, a geometric mean, with its `_factor` (as of `geometric`),
        over so many seeds (`_pairs`) for which it happened both times.
    """
    noise = pl.coalesce("temperature", 1 / pl.col("batch")).fill_null(0.0)
    least = pl.col("noise") == pl.col("noise").min().over(_QUIET)
    order = pl.int_range(pl.len()).min().over(_QUIET)
    marks = marks.with_columns(noise=noise).with_columns(least=least, order=order).sort("order", "noise")
    pairs = marks.filter(~pl.col("least")).join(
        marks.filter("least"),
        on=(*_QUIET, "seed"),
        how="left",
        nulls_equal=True,
        suffix="_quiet",
        maintain_order="left",
    )
    rows = []
    for identity, part in pairs.partition_by(NETWORK, as_dict=True, maintain_order=True).items():
        row = dict(zip(NETWORK, identity, strict=True))
        for name in TIMES:
            ratio = part[f"{name}_steps"] / part[f"{name}_steps_quiet"]
            row[f"{name}_pairs"] = len(ratio.drop_nulls())
            row[f"{name}_ratio"], row[f"{name}_factor"] = geometric(
                ratio, part[f"{name}_look"], part[f"{name}_look_quiet"]
            )
        rows.append(row)
    schema = {name: marks.schema[name] for name in NETWORK}
    for name in TIMES:
        schema |= {f"{name}_pairs": pl.Int64(), f"{name}_ratio": pl.Float64(), f"{name}_factor": pl.Float64()}
    return pl.DataFrame(rows, schema=schema)
