"""How transitions move along one axis of the network or its data, everything else the same."""

from __future__ import annotations

import math
from collections.abc import Iterator

import polars as pl

from spinodal.analysis.branches import Records, branches_of
from spinodal.analysis.curves import CURVE, of_curves, results
from spinodal.analysis.ends import jumped_by

AXES = ("depth", "width", "samples")
"""Columns that a transition may depend on."""

FEWEST = 3
"""So many values of an axis show a dependence."""

_BESIDES = ("error_name", "noise", "perturbation")
"""Columns outside `CURVE` that tell networks or data apart."""


def dependence(table: pl.DataFrame, transitions: pl.DataFrame) -> pl.DataFrame:
    """Line the transitions of up branches up along each axis on which networks differ in nothing else.

    What is the same is told by the columns of the records. Where two curves have the same value of an axis they
    differ in something that no column tells, and that family is left out.

    Returns:
        One row per axis and transition: `axis`, `value`, `family` (a number: what shares it differs in the axis
        alone), `from_onset` (0 for the last transition of its curve, 1 for the one before, …), and the columns of
        `transitions`.
    """
    networks = table.filter(pl.col("branch") == "up").select(*CURVE, *_BESIDES).unique(maintain_order=True)
    place = pl.coalesce("location", "control_exact", "control_estimate")
    ranked = transitions.with_columns(
        from_onset=place.rank("ordinal", descending=True).over(CURVE).cast(pl.Int64) - 1
    )
    parts = [
        of_curves(ranked, family).with_columns(
            axis=pl.lit(axis), value=pl.col(axis).cast(pl.Int64), family=pl.lit(number, pl.Int64)
        )
        for number, (axis, family) in enumerate(_families(networks))
    ]
    added = {"axis": pl.String, "value": pl.Int64, "family": pl.Int64}
    empty = ranked.clear().with_columns(**{name: pl.lit(None, dtype) for name, dtype in added.items()})
    return pl.concat([empty, *parts]).sort("family", "value", "from_onset")


def seed_jumps(table: Records, found: pl.DataFrame) -> pl.DataFrame:
    """Find the jump of each seed at some transitions.

    Args:
        table: Records, or their branches for E.
        found: As `dependence` returns it.

    Returns:
        One row per seed that jumps within the bracket of a transition: `family`, `value`, `from_onset`, `location` and
        the jump in E there, as `find_transitions` has it.
    """
    branches = branches_of(table)
    rows = []
    known = found.drop_nulls("location").select(
        *CURVE, "family", "value", "from_onset", "control_low", "control_high"
    )
    for row in known.iter_rows(named=True):
        for group in branches.followed[tuple(row[name] for name in CURVE)]:
            for jump in group:
                if row["control_low"] <= math.exp(jump.place) <= row["control_high"]:
                    rows.append(
                        row | {"location": math.exp(jump.place), "jump": jumped_by([jump]).each.item()}
                    )
    return results(rows, (), ("family", "value", "from_onset", "location", "jump"))


def _families(networks: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for axis in AXES:
        same = [name for name in networks.columns if name not in (axis, "curve")]
        for family in networks.drop_nulls(axis).partition_by(same, maintain_order=True):
            if len(family) == family[axis].n_unique() >= FEWEST:
                yield axis, family
