"""Reading any number of runs as one table."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from spinodal.errors import UserError
from spinodal.records.schema import SCHEMA
from spinodal.records.writer import KEY, UNREADABLE, read_whole


def read_records(*paths: Path | str) -> pl.DataFrame:
    """Read the records of campaigns or single files as one table.

    Columns that an older file lacks are null, columns that the schema does not know are kept. Of the same
    point and stage in several files one row is left: that of a finished trajectory, or else of the longest.

    Args:
        paths: Campaign folders (their `records/*.parquet` are read) or Parquet files.

    Returns:
        One row per point and stage: the columns of `records.schema.COLUMNS` first and in that order.

    Raises:
        UserError: If a path does not exist, or a campaign has no records. About a broken file there is a
            warning, and the others are read.
    """
    files = [file for path in paths for file in _files(Path(path))]
    table = _read(files)
    if table.is_empty():
        raise UserError(f"{', '.join(map(str, paths))}: no records to read; spinodal run makes them")
    # Most rows of a point come from one file, so this only sorts when the same point was computed twice.
    if table.select(KEY).is_duplicated().any():
        length = pl.len().over("point", "_file")
        table = table.sort(length, descending=True, maintain_order=True).unique(
            KEY, keep="first", maintain_order=True
        )
    return table.drop("_file")


def finished_points(campaign: Path | str, jobs: Iterable[str] = ()) -> set[str]:
    """Points of which a campaign has every stage; none if it has no records yet.

    Args:
        campaign: its folder.
        jobs: whose files are looked for by name, since a listing of the folder may be old.
    """
    folder = Path(campaign) / "records"
    named = [file for job in jobs if (file := folder / f"{job}.parquet").exists()]
    return _finished(sorted({*folder.glob("*.parquet"), *named}))


def finished_points_of(campaign: Path | str, job: str) -> set[str]:
    """Points of which a job alone has recorded every stage."""
    return _finished(sorted((Path(campaign) / "records").glob(f"{job}.parquet")))


def _finished(files: Iterable[Path]) -> set[str]:
    table = _read(files, ["point", "stage", "stages"])
    done = table.group_by("point").agg(pl.col("stage").n_unique() >= pl.col("stages").max())
    return set(done.filter("stage")["point"])


def without(campaign: Path | str, points: Iterable[str], column: str) -> set[str]:
    """Those of some points of a campaign that have a column nowhere filled."""
    table = _read(sorted((Path(campaign) / "records").glob("*.parquet")), ["point", column])
    filled = table.filter(pl.col(column).is_not_null())["point"]
    return set(points) - set(filled)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted((path / "records").glob("*.parquet"))
    if not path.exists():
        raise UserError(f"{path}: no such campaign or file; campaigns are folders under outputs/")
    return [path]


def with_control(table: pl.DataFrame) -> pl.DataFrame:
    """Return rows with their control parameter: λ where they state none, as of a time when there was no other.

    Args:
        table: With any columns of the records. P = ‖θ‖² and ‖∇P‖ of such rows are known where there is `norm`.
    """
    names = ("control", "control_value", "held", "penalty", "penalty_gradient", "l2", "norm")
    lacking = [pl.lit(None, SCHEMA[name]).alias(name) for name in names if name not in table.columns]
    stated, norm = pl.col("control").is_not_null(), pl.col("norm")
    filled = {"control_value": pl.col("l2"), "penalty": norm**2, "penalty_gradient": 2 * norm}
    return table.with_columns(lacking).with_columns(
        pl.col("control").fill_null("l2"),
        *(pl.when(stated).then(name).otherwise(value).alias(name) for name, value in filled.items()),
    )


def _read(files: Iterable[Path], columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Tables in one, with all columns or some of the schema's, and `_file`, the place among the files."""
    schema = SCHEMA if columns is None else {name: SCHEMA[name] for name in columns}
    tables = [pl.DataFrame(schema={**schema, "_file": pl.UInt32})]
    for number, file in enumerate(files):
        try:
            table = read_whole(file, columns)
            strays = [name for name, dtype in table.schema.items() if SCHEMA.get(name, dtype) != dtype]
            casts = [pl.col(name).cast(SCHEMA[name]) for name in strays]
            tables.append(table.with_columns(*casts, pl.lit(number, pl.UInt32).alias("_file")))
        except UNREADABLE as error:
            reason = str(error).splitlines()[0]
            warnings.warn(f"{file}: left out, cannot be read as records ({reason})", stacklevel=3)
    table = pl.concat(tables, how="diagonal_relaxed")
    return table if columns else with_control(table)
