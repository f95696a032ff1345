"""Replicas that ran away: what their rows hold is no state of a network, and evidence of nothing."""

from __future__ import annotations

import polars as pl

LARGEST = 1e12
"""E and ‖θ‖² beyond which a replica has diverged: float64 knows no minimum there, to max |∇𝓛| = 1e-8."""


def known(table: pl.DataFrame) -> pl.DataFrame:
    """The records without infinite values and NaN: what is no number is not known, and null."""
    floats = [name for name, dtype in table.schema.items() if dtype.is_float()]
    return table.with_columns(pl.when(pl.col(name).is_finite()).then(pl.col(name)) for name in floats)


def diverged(table: pl.DataFrame) -> pl.DataFrame:
    """Find the replicas whose E or ‖θ‖ is no number, or beyond `LARGEST`, at some stage.

    Returns:
        A row per such trajectory: `point`, `seed`, and `stage` and `control_value` of the first such row.
    """
    error, norm = pl.col("error"), pl.col("norm")
    sane = (error.is_finite() & (error.abs() < LARGEST)).fill_null(True)
    sane &= (norm.is_finite() & (norm**2 < LARGEST)).fill_null(True)
    rows = table.filter(~sane).sort("seed", "point", "stage")
    return rows.group_by("point", maintain_order=True).agg(pl.col("seed", "stage", "control_value").first())


def held_together(table: pl.DataFrame, gone: pl.DataFrame) -> pl.DataFrame:
    """The rows that are states of a network: of replicas that diverge, those of the stages that relaxed before.

    Args:
        table: Records.
        gone: As `diverged` returns them; `stage` is null where the last that was recorded was still a number.
    """
    first = gone.select("point", pl.col("stage").alias("_gone"), pl.lit(False).alias("_stays"))
    rows = table.join(first, on="point", how="left", maintain_order="left")
    before = pl.col("stationary").fill_null(False) & (pl.col("stage") < pl.col("_gone")).fill_null(True)
    return rows.filter(pl.col("_stays").fill_null(True) | before).drop("_gone", "_stays")
