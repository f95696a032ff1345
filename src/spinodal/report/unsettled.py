"""What a campaign does not say yet: rows that are no minima, points and jobs that did not come to their end."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from spinodal.analysis import CURVE, evidence, surveyed

_RELAXED = pl.col("stationary").fill_null(False)

KINDS = {
    "not stationary": ~_RELAXED,
    "saddles": _RELAXED & ~pl.col("minimum").fill_null(True),
    "only surveyed": _RELAXED & surveyed(),
    "stationary, not looked at whether minima": _RELAXED & pl.col("minimum").is_null() & ~surveyed(),
}
"""Rows of which more could be known; the first three are no evidence."""


def counted(records: pl.DataFrame) -> dict[str, int]:
    """How many rows of each kind there are, without those of which there are none."""
    counts = records.select(which.sum().alias(kind) for kind, which in KINDS.items()).row(0, named=True)
    return {kind: count for kind, count in counts.items() if count}


def unrelaxed(records: pl.DataFrame) -> pl.DataFrame:
    """Which curves have such rows.

    Args:
        records: Of the campaign.

    Returns:
        A row per curve that has any: the columns of `CURVE`, a count for each of `KINDS`, all `rows`, and of
        those that are no evidence `control_low`, `control_high` and the largest `grad_max`.
    """
    table = records.group_by(CURVE).agg(
        *(which.sum().alias(kind) for kind, which in KINDS.items()),
        pl.len().alias("rows"),
        control_low=pl.col("control_value").filter(~evidence()).min(),
        control_high=pl.col("control_value").filter(~evidence()).max(),
        grad_max=pl.col("grad_max").filter(~evidence()).max(),
    )
    return table.filter(pl.any_horizontal(pl.col(kind) > 0 for kind in KINDS)).sort(CURVE)


def unfinished(campaign: Path, records: pl.DataFrame) -> pl.DataFrame:
    """Which jobs have points that lack stages, or have recorded nothing at all.

    They are running, or were stopped, or have failed: the records do not tell.

    Args:
        campaign: Its folder.
        records: Its rows.

    Returns:
        A row per such job: `job`, its `points` so far, how many of them are `finished`, how many `stages` the
        last of the others has done, `of` how many (null until it is known) and the `control_value` it has come to.
    """
    points = (
        records.sort("stage")
        .group_by("job", "point")
        .agg(
            done=pl.col("stage").n_unique(),
            of=pl.col("stages").max(),
            control_value=pl.col("control_value").last(),
        )
    )
    whole = (pl.col("done") >= pl.col("of")).fill_null(False)
    jobs = points.group_by("job").agg(
        points=pl.len(),
        finished=whole.sum(),
        stages=pl.col("done").filter(~whole).min(),
        of=pl.col("of").filter(~whole).max(),
        control_value=pl.col("control_value").filter(~whole).first(),
    )
    started, recorded = (
        {path.stem for path in (campaign / "records").glob(f"*.{suffix}")} for suffix in ("yaml", "parquet")
    )
    silent = pl.DataFrame({"job": sorted(started - recorded)}, schema={"job": pl.String})
    silent = silent.with_columns(points=pl.lit(0, pl.UInt32), finished=pl.lit(0, pl.UInt32))
    return pl.concat([jobs.filter(pl.col("finished") < pl.col("points")), silent], how="diagonal").sort("job")
