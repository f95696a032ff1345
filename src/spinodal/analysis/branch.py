"""The branches of a table of records as arrays: what of each trajectory is evidence, in the order of its path."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float64, Int

from spinodal.analysis.curves import CURVE, evidence, order_parameter, trajectory


class Columns(dict[str, Float64[np.ndarray, " n"]]):
    """The columns of records as numbers, each read when it is first asked for; NaN where there is nothing.

    One more is `rest`: what 𝓛 has besides c·P, E unless other penalties are held. Of it minima have d rest/dP = −c.
    """

    def __init__(self, records: pl.DataFrame) -> None:
        super().__init__()
        self.records = records
        self.evident = records.select(evidence()).to_series().to_numpy()

    def __missing__(self, name: str) -> Float64[np.ndarray, " n"]:
        if name == "rest":
            held = self.records["held"].is_not_null().to_numpy()
            added = self["loss"] - self["control_value"] * self["penalty"]
            self[name] = np.where(held, added, self["error"])
        elif name in self.records.columns:
            self[name] = self.records[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
        else:
            self[name] = np.full(len(self.records), np.nan)
        return self[name]


class Branch(NamedTuple):
    """One trajectory of a curve: its rows that say something about an observable, in the order of its path.

    They are `evidence`, have λ > 0 and a finite value; of a λ seen twice the later one.
    """

    name: str
    seed: Hashable
    """Whose trajectory it is: what is of one seed counts once."""
    kicked: bool
    """Whether noise moved it, at the start of each stage or all along: it may leave a branch before that ends."""
    observable: str
    columns: Columns
    """Of the records that it is made of."""
    stages: Int[np.ndarray, " p"]
    """All of its rows in the records, in the order of its stages, whatever they came to."""
    rows: Int[np.ndarray, " l"]
    """Those that say something, in the order of the path."""
    control: Float64[np.ndarray, " l"]
    values: Float64[np.ndarray, " l"]
    """The observable."""
    errors: Float64[np.ndarray, " l"] | None
    """Its standard errors; None where the records have no column for them."""

    @property
    def path(self) -> Float64[np.ndarray, " p"]:
        """λ of all stages, in their order."""
        return np.asarray(self.columns["control_value"][self.stages])

    @property
    def left_out(self) -> Float64[np.ndarray, " o"]:
        """λ of the stages that are no evidence."""
        return np.asarray(self.path[~self.columns.evident[self.stages]])

    @property
    def penalty(self) -> Float64[np.ndarray, " l"]:
        """P, which the control parameter multiplies: ‖θ‖² if that is λ. Along a branch of minima d𝓛*/dc = P."""
        return self.column("penalty")

    @property
    def rest(self) -> Float64[np.ndarray, " l"]:
        """What 𝓛 has besides c·P: see `Columns`."""
        return self.column("rest")

    @property
    def held(self) -> str | None:
        """Penalties that are held besides the control parameter."""
        held: str | None = self.columns.records["held"][int(self.stages[0])]
        return held

    @property
    def counted(self) -> str:
        """Name of the column that counts what is learned: features, or directions of the outputs."""
        return order_parameter(self.columns.records[self.stages])

    @property
    def features(self) -> Float64[np.ndarray, " l"]:
        """How many of these are learned."""
        return self.column(self.counted)

    def column(self, name: str) -> Float64[np.ndarray, " l"]:
        """Return another column of the records, by its name."""
        return np.asarray(self.columns[name][self.rows])

    def unrelaxed(self, low: float, high: float) -> int:
        """Count the rows between two λ that are no evidence."""
        return int(np.count_nonzero((self.left_out > low) & (self.left_out < high)))

    def of(self, observable: str) -> Branch:
        """Return the rows that have another observable, too: this branch, if that is its own."""
        if observable == self.observable:
            return self
        return self._replace(observable=observable).take(np.isfinite(self.column(observable)))

    def where(self, name: str) -> Branch:
        """Return the rows that have a value in another column: this branch, if all have."""
        known = np.isfinite(self.column(name))
        return self if known.all() else self.take(known)

    def take(self, which: Any) -> Branch:
        """Return some rows, in some order: those at an index of arrays along the branch."""
        return self.made_of(self.rows[which])

    def made_of(self, rows: Int[np.ndarray, " m"]) -> Branch:
        """Return the branch with other rows of the records, in the order of the path."""
        columns, errors = self.columns, f"{self.observable}_se"
        known = errors in columns.records.columns
        return self._replace(
            rows=rows,
            control=columns["control_value"][rows],
            values=columns[self.observable][rows],
            errors=np.nan_to_num(columns[errors][rows]) if known else None,
        )


def read_branches(records: pl.DataFrame, observable: str) -> dict[tuple[Any, ...], list[Branch]]:
    """Read the branches of many curves at once: by the values of the columns of `CURVE`, in the order of the table."""
    columns, nothing = Columns(records), np.empty(0)
    usable = columns.evident & (columns["control_value"] > 0) & np.isfinite(columns[observable])
    kicked = (columns["perturbation"] > 0) | np.isfinite(columns["hold_time"])
    trajectories = (
        records.select(*CURVE, "seed", "control_value", pl.col("stage").fill_null(-1), _name=trajectory())
        .with_row_index("_row")
        .sort("stage", "control_value", maintain_order=True)
        .group_by(*CURVE, "_name", maintain_order=True)
        .agg(pl.col("seed").first(), "_row")
        .sort(pl.col("_row").list.min())
    )
    read: dict[tuple[Any, ...], list[Branch]] = {}
    for *curve, name, seed, rows in trajectories.iter_rows():
        stages = np.array(rows)
        whose, noisy = name if seed is None else seed, bool(kicked[stages].any())
        branch = Branch(name, whose, noisy, observable, columns, stages, stages, nothing, nothing, None)
        path = _path(columns["control_value"], stages[usable[stages]])
        read.setdefault(tuple(curve), []).append(branch.made_of(path))
    return read


def joined(branches: Sequence[Branch]) -> Branch:
    """Return branches of one table as one, for rising λ; of a λ seen twice the row of the latest stage."""
    first = branches[0]
    stages, rows = (np.concatenate([getattr(each, name) for each in branches]) for name in ("stages", "rows"))
    rows = rows[np.argsort(first.columns["stage"][rows], kind="stable")]
    return first._replace(stages=stages).made_of(_rising(first.columns["control_value"], rows))


def _path(control: Float64[np.ndarray, " n"], rows: Int[np.ndarray, " l"]) -> Int[np.ndarray, " m"]:
    """Rows in the order of their stages put into that of the path: λ rising, or falling, each once."""
    values = control[rows]
    sign = -1 if len(rows) and values[0] > values[-1] else 1
    return rows if np.all(np.diff(sign * values) > 0) else _rising(control, rows)[::sign]


def _rising(control: Float64[np.ndarray, " n"], rows: Int[np.ndarray, " l"]) -> Int[np.ndarray, " m"]:
    """The last row of each λ, for rising λ."""
    _, last = np.unique(control[rows][::-1], return_index=True)
    return rows[len(rows) - 1 - last]
