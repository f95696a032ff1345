"""The trajectories of a curve as arrays: what of them is evidence, in the order of their paths."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float64, Int

from spinodal.analysis.curves import evidence, trajectory

_ABOUT = ("error", "norm", "perturbation", "hold_time", "seed")
"""Columns that are looked at where the table has them."""


class Path(NamedTuple):
    """One trajectory: its rows that say something about an observable, in the order of its path.

    They are `evidence`, have λ > 0 and a finite value; of a λ seen twice the later one.
    """

    name: str
    l2: Float64[np.ndarray, " l"]
    values: Float64[np.ndarray, " l"]
    """The observable."""
    errors: Float64[np.ndarray, " l"] | None
    """Its standard errors; None where the records have no column for them."""
    alongside: Float64[np.ndarray, " a l"]
    """Further columns; NaN where there is nothing."""
    left_out: Float64[np.ndarray, " o"]
    """λ of the rows that are no evidence."""
    seed: Hashable
    """Whose trajectory it is: what is of one seed counts once."""
    error: Float64[np.ndarray, " l"]
    """E; NaN where there is none."""
    size: Float64[np.ndarray, " l"]
    """‖θ‖²; likewise."""
    kicked: bool
    """Whether noise moved it, at the start of each stage or all along: it may leave a branch before that ends."""

    def unrelaxed(self, low: float, high: float) -> int:
        """How many rows between two λ are no evidence."""
        return int(np.count_nonzero((self.left_out > low) & (self.left_out < high)))


def paths(curve: pl.DataFrame, observable: str, alongside: Sequence[str] = ()) -> list[Path]:
    """The trajectories of a curve, in the order of the table.

    Args:
        curve: Records of one curve.
        observable: Column that is looked at.
        alongside: Further columns.
    """
    return [path for group in paths_of(curve, (), observable, alongside).values() for path in group]


def paths_of(
    table: pl.DataFrame, curve: Sequence[str], observable: str, alongside: Sequence[str] = ()
) -> dict[tuple[Any, ...], list[Path]]:
    """The same of many curves at once: by the values of the columns that make a curve, in the order of the table.

    Args:
        table: Records.
        curve: The columns that are the same in all rows of a curve.
        observable: Column that is looked at.
        alongside: Further columns.
    """
    columns = ["l2", observable, *alongside]
    known = f"{observable}_se" in table.columns
    if known:
        columns.append(f"{observable}_se")
    own = [*curve, "_name"]
    about = {name: pl.col(name) if name in table.columns else pl.lit(None, pl.Float64) for name in _ABOUT}
    rows = table.select(
        *curve,
        trajectory().alias("_name"),
        evidence().alias("_evidence"),
        pl.col("stage").fill_null(-1).alias("_stage"),
        *(pl.col(name).cast(pl.Float64).fill_null(np.nan) for name in columns),
        _error=about["error"].cast(pl.Float64).fill_null(np.nan),
        _size=about["norm"].cast(pl.Float64).fill_null(np.nan) ** 2,
        _kicked=(about["perturbation"] > 0).fill_null(False) | about["hold_time"].is_not_null(),
        _seed=about["seed"],
    )
    each = (
        rows.group_by(own, maintain_order=True)
        .agg(pl.col("_seed").first(), pl.col("_kicked").any())
        .with_row_index("_path")
    )
    code = rows.join(each, on=own, how="left", nulls_equal=True, maintain_order="left")["_path"].to_numpy()
    evident, stages = rows["_evidence"].to_numpy(), rows["_stage"].to_numpy()
    numbers = rows.select(columns).to_numpy().T
    error, size = (rows[name].to_numpy() for name in ("_error", "_size"))
    usable = evident & (numbers[0] > 0) & np.isfinite(numbers[1])
    order = np.lexsort((numbers[0], stages, code))
    ends = np.searchsorted(code[order], np.arange(len(each) + 1))
    made: dict[tuple[Any, ...], list[Path]] = {}
    named = each.select(*own, "_seed", "_kicked").iter_rows()
    for (*identity, name, seed, kicked), start, end in zip(named, ends[:-1], ends[1:], strict=True):
        at = order[start:end]
        used = _path(numbers[0], at[usable[at]])
        made.setdefault(tuple(identity), []).append(
            Path(
                name,
                numbers[0, used],
                numbers[1, used],
                np.nan_to_num(numbers[-1, used]) if known else None,
                numbers[2 : 2 + len(alongside), used],
                numbers[0, at[~evident[at]]],
                name if seed is None else seed,
                error[used],
                size[used],
                kicked,
            )
        )
    return made


def _path(l2: Float64[np.ndarray, " n"], rows: Int[np.ndarray, " l"]) -> Int[np.ndarray, " m"]:
    """Rows in the order of their stages put into that of the path: λ rising, or falling, each once."""
    values = l2[rows]
    sign = -1.0 if len(rows) and values[0] > values[-1] else 1.0
    if np.all(np.diff(sign * values) > 0):
        return rows
    _, last = np.unique(values[::-1], return_index=True)
    kept = rows[len(rows) - 1 - last]
    return kept[:: int(sign)]
