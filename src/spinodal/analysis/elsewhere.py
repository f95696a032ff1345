"""Transitions whose places theory predicts from the noise, and which sections of their own compare with that."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from spinodal.analysis.branches import Records, branches_of
from spinodal.analysis.curves import CURVE, QUIET
from spinodal.analysis.loops import pairs, runs
from spinodal.analysis.relearning import foretold

ELSEWHERE: Mapping[str, str] = {"see hysteresis": "hysteresis", "see noise": "noise"}
"""What `status` is then, and the section of the page."""


def told_elsewhere(compared: pl.DataFrame, table: Records, onsets: pl.DataFrame) -> pl.DataFrame:
    """Mark the transitions without a predicted place of their own that another comparison is about.

    On the way down of a loop it is the noise at the start of each stage that decides where features are learned again
    (`hysteresis`), in loops under noise it is Kramers' rates (`onset_under_noise`).

    Args:
        compared: As `compare` returns it.
        table: Records, or their branches.
        onsets: As `onset_under_noise` returns them.

    Returns:
        The first with one of `ELSEWHERE` as `status` of these.
    """
    see_hysteresis, see_noise = ELSEWHERE
    branches = branches_of(table)
    predicted = pl.any_horizontal(pl.col("control_up_exact", "control_down_exact").is_not_null())
    under_noise = onsets.filter(predicted).select("curve", "temperature").rows()
    marks = {
        identity: see_noise
        for identity, curve in branches.items()
        if (curve.names["curve"], curve.names["temperature"]) in under_noise
    }
    for pair in pairs(branches.filter(QUIET)):
        if (known := runs(pair)) and foretold(pair, known):
            marks[pair.down.identity] = see_hysteresis
    schema = compared.select(*CURVE, _elsewhere="status").schema
    marked = compared.join(
        pl.DataFrame([(*identity, mark) for identity, mark in marks.items()], schema, orient="row"),
        on=CURVE,
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )
    return marked.with_columns(status=pl.coalesce("status", "_elsewhere")).drop("_elsewhere")
