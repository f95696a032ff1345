"""Replicas that came to no end: those that diverged, whose rows are no evidence, and those that failed otherwise."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from spinodal.analysis.diverged import diverged, held_together, known
from spinodal.campaign import NOT_FINITE, read_attempts, read_packs

SCHEMA = {
    "point": pl.String,
    "seed": pl.Int64,
    "control_value": pl.Float64,
    "why": pl.String,
    "diverged": pl.Boolean,
}


def without_diverged(campaign: Path, records: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Leave out what is no state of a network, and name the replicas that were given up.

    Args:
        campaign: Its folder.
        records: As they were read.

    Returns:
        The rows of the records that are states, with null for what is no number; and a row per point given up, by seed
        and λ: `point`, `seed`, `control_value` where that happened, or the first it was asked for, `why`, and whether
        it `diverged`.
    """
    gone = diverged(records)
    failed = _failed(campaign, records)
    at = pl.col("control_value").round_sig_figs(4)
    why = pl.format("E or ‖θ‖ beyond all bounds at λ = {}, stage {}", at, "stage")
    large = gone.join(failed, on="point", how="anti").select(
        "point", "seed", "control_value", why=why, diverged=pl.lit(True)
    )
    table = pl.concat([failed, large]).sort("seed", "control_value", "point")
    never = pl.lit(None, gone.schema["stage"]).alias("stage")
    ended = table.filter("diverged").join(gone, on="point", how="anti")
    ended = ended.select("point", "seed", never, "control_value")
    return known(held_together(records, pl.concat([gone, ended]))), table


def _failed(campaign: Path, records: pl.DataFrame) -> pl.DataFrame:
    """Points that the last attempt at them gave up."""
    failures: dict[str, str] = {}
    for attempt in read_attempts(campaign):
        for point in attempt.points:
            failures.pop(point, None)
        failures |= {point: failure.error for point, failure in attempt.failed.items()}
    whole = records.group_by("point").agg(pl.col("stage").n_unique() >= pl.col("stages").max())
    for point in whole.filter("stage")["point"]:
        failures.pop(point, None)
    packs = read_packs(campaign) if failures else ()
    asked = {point: (each.seed, each.path[0]) for pack in packs for point, each in pack.points.items()}
    rows = [
        (point, *asked.get(point, (None, None)), why, why.startswith(NOT_FINITE))
        for point, why in failures.items()
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def given_up_results(given_up: pl.DataFrame, points: int) -> list[str]:
    """Return how many replicas diverged or failed, of the points that were tried, in a line each; no line for none."""
    counts = {
        "diverged: their rows are no evidence, and not drawn": given_up["diverged"].sum(),
        "failed": (~given_up["diverged"]).sum(),
    }
    return [f"{count} of {max(points, count)} replicas {what}" for what, count in counts.items() if count]
