"""What was run: the grid, how much of it there is, with what it was computed and how long it took."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import polars as pl

from spinodal.records import COLUMN

AXES = (
    *("task", "complexity", "noise", "samples", "network", "activation", "bias", "depth", "width"),
    *("branch", "perturbation", "seed"),
)
"""Columns that a grid may vary."""

CONTROL = ("control", "held", "control_value")
"""Likewise, where λ is not the only control parameter; or else there is `l2`."""

PROVENANCE = ("version", "commit", "device", "dtype")

SHOWN = 12
"""Of an axis with more values only how many there are, and the ends."""


class Axis(NamedTuple):
    """One column of the grid."""

    name: str
    meaning: str
    values: str
    different: int


@dataclass(frozen=True)
class Summary:
    """What was run."""

    varied: list[Axis]
    """What takes more than one value, over the whole campaign."""
    fixed: list[Axis]
    rows: int
    points: int
    finished: int
    curves: int
    jobs: int
    provenance: dict[str, str]
    written: str
    """From when the first job left its configuration to when records were last added to, in UTC."""
    wall_time: str
    """Of all stages of all jobs; empty where it is not known."""

    @property
    def running(self) -> bool:
        """Whether some points lack stages."""
        return self.finished < self.points


def summarise(campaign: Path, records: pl.DataFrame) -> Summary:
    """Return what the records of a campaign hold."""
    control = ("l2",) if records.select((pl.col("control") == "l2").all()).item() else CONTROL
    axes = [_axis(name, records[name]) for name in (*AXES, *control) if records[name].is_not_null().any()]
    points = records.group_by("point").agg(pl.col("stage").n_unique() >= pl.col("stages").max())
    return Summary(
        varied=[axis for axis in axes if axis.different > 1],
        fixed=[axis for axis in axes if axis.different == 1],
        rows=len(records),
        points=len(points),
        finished=int(points["stage"].fill_null(False).sum()),
        curves=records["curve"].n_unique(),
        jobs=records["job"].n_unique(),
        provenance={
            name: ", ".join(records[name].unique().drop_nulls().sort().cast(pl.String))
            for name in PROVENANCE
            if records[name].is_not_null().any()
        },
        written=_written(campaign / "records"),
        wall_time=_wall_time(records),
    )


def _axis(name: str, column: pl.Series) -> Axis:
    values = column.unique().drop_nulls().sort().to_list()
    texts = [_value(value) for value in (values if len(values) <= SHOWN else (values[0], values[-1]))]
    ends = f"{len(values)} values, {' – '.join(texts)}"
    listed = ", ".join(texts) if len(values) <= SHOWN else ends
    return Axis(name, COLUMN[name].meaning, listed, len(values) + int(column.is_null().any()))


def _value(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4g}"
        case _:
            return str(value).replace("_", " ")


def _written(records: Path) -> str:
    files = [*records.glob("*.yaml"), *records.glob("*.parquet")]
    times = sorted(file.stat().st_mtime for file in files)
    ends = [f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M}" for time in times[:1] + times[-1:]]
    return " to ".join(dict.fromkeys(ends)) + " UTC" if ends else ""


def _wall_time(records: pl.DataFrame) -> str:
    """Return the time of all stages: each replica's row has that in which all replicas of the job relaxed together."""
    stages = records.drop_nulls("wall_time").group_by("job", "stage").agg(pl.col("wall_time").max())
    seconds = float(stages["wall_time"].sum())
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.2g} s" if len(stages) else ""
