"""Transitions whose places theory predicts from the noise, and which sections of their own compare with that."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from spinodal.analysis.curves import CURVE
from spinodal.analysis.loops import pairs, runs
from spinodal.analysis.relearning import foretold
from spinodal.analysis.thermal import onset_under_noise

ELSEWHERE: Mapping[str, str] = {"see hysteresis": "hysteresis", "see noise": "noise"}
"""What `status` is then, and the section of the page."""


def told_elsewhere(compared: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    """Mark the transitions without a predicted place of their own that another comparison is about.

    On the way down of a loop it is the noise at the start of each stage that decides where features are learned again
    (`hysteresis`), in loops under noise it is Kramers' rates (`onset_under_noise`).

    Args:
        compared: As `compare` returns it.
        table: Records of branches.

    Returns:
        The same with one of `ELSEWHERE` as `status` of these.
    """
    see_hysteresis, see_noise = ELSEWHERE
    downs = [
        pair.down.select(CURVE).head(1).with_columns(_elsewhere=pl.lit(see_hysteresis))
        for pair in pairs(table.filter(pl.col("hold_time").is_null()))
        if (known := runs(pair)) and foretold(pair, known)
    ]
    predicted = pl.any_horizontal(pl.col("l2_up_exact", "l2_down_exact").is_not_null())
    under_noise = onset_under_noise(table).filter(predicted).select("curve", "temperature")
    noisy = table.select(CURVE).unique().join(under_noise, on=["curve", "temperature"], how="semi")
    marks = pl.concat([noisy.with_columns(_elsewhere=pl.lit(see_noise)), *downs])
    marked = compared.join(marks, on=CURVE, how="left", nulls_equal=True, maintain_order="left")
    return marked.with_columns(status=pl.coalesce("status", "_elsewhere")).drop("_elsewhere")
