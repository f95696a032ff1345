"""Writing records so that a file is always whole: the old one or the new one, whatever happens in between."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import polars as pl
from polars.exceptions import PanicException, PolarsError

from spinodal.errors import UserError
from spinodal.files import write_atomically
from spinodal.records.schema import SCHEMA

RESERVED = re.compile(rf"|_.*|\*|\^.*\$|({'|'.join(SCHEMA)})_se", re.DOTALL)
"""Names that no column of a user's own has: of columns in between, of many columns at once, of errors of ours."""

KEY = ("point", "stage")
"""What makes a row itself: the same point and stage again replace it."""

UNREADABLE = (OSError, PolarsError, PanicException)
"""What reading a broken file may raise."""


class RecordWriter:
    """The one writer of one job's file. What the file already holds is kept.

    Args:
        path: of the Parquet file; its folder is made when there is something to write.

    Attributes:
        content: the file as this writer last wrote it, for a checkpoint to keep.

    Raises:
        UserError: If there is a file that is no record.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content = b""
        self._table = pl.DataFrame(schema=SCHEMA)
        if path.exists():
            try:
                self._table = pl.concat([self._table, read_whole(path)], how="diagonal_relaxed")
            except UNREADABLE as error:
                raise UserError(f"{path}: exists but cannot be read as records; move it away") from error

    def rows_of(self, points: Iterable[str]) -> pl.DataFrame:
        """What the file holds of some points."""
        return self._table.filter(pl.col("point").is_in(list(points)))

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows to the file, replacing those of the same point and stage.

        Args:
            rows: column name → value; columns left out are null. Those that the schema does not know are somebody's
                own observables, a number each.

        Raises:
            ValueError: If such a column holds anything else, or is one of ours misspelt, or if a row lacks its point or
                stage.
            UserError: If the file cannot be written; then it is what it was before.
        """
        if not rows:
            return
        own = sorted({name for row in rows for name in row} - SCHEMA.keys())
        for name in own:
            if RESERVED.fullmatch(name):
                raise ValueError(
                    f"{name!r}: cannot be the name of a column; choose one that does not begin with _ or ^, is not *, "
                    "and is not that of a column of records.schema with _se at its end"
                )
            if near := get_close_matches(name, SCHEMA, 1, 0.8):
                raise ValueError(f"{name}: no such column in records.schema; did you mean {near[0]}?")
            if not all(isinstance(row.get(name), int | float | None) for row in rows):
                raise ValueError(f"{name}: a column that is not in records.schema must be a number")
        for row in rows:
            if any(row.get(key) is None for key in KEY):
                raise ValueError("a row of records needs its point and its stage")
        new = pl.DataFrame([dict(row) for row in rows], schema={**SCHEMA, **dict.fromkeys(own, pl.Float64())})
        self._write(self._table, new, keep="last")

    def restore(self, content: bytes) -> None:
        """Put back the rows that a file had once, where they are not there any more.

        Args:
            content: of such a file, or nothing.

        Raises:
            UserError: If the file cannot be written; then it is what it was before.
        """
        if content:
            self._write(pl.read_parquet(io.BytesIO(content)), self._table, keep="first")

    def _write(self, *tables: pl.DataFrame, keep: Literal["first", "last"]) -> None:
        table = pl.concat(tables, how="diagonal_relaxed").unique(KEY, keep=keep, maintain_order=True)
        self._table, self.content = table, write_whole(self.path, table)


def write_configuration(path: Path, text: str) -> None:
    """Write a job's resolved configuration beside its records, whole or not at all.

    Args:
        path: of the file.
        text: YAML.

    Raises:
        UserError: If the file cannot be written.
    """
    write_atomically(path, text.encode())


def write_whole(path: Path, table: pl.DataFrame) -> bytes:
    """Write a table to a Parquet file, whole or not at all.

    Args:
        path: Of the file.
        table: Its rows.

    Returns:
        The content of the file.

    Raises:
        UserError: If the file cannot be written.
    """
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    write_atomically(path, buffer.getvalue())
    return buffer.getvalue()


def read_whole(path: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Read one file, opened only once: else it might be replaced halfway, by its own writer.

    Args:
        path: of the file.
        columns: to read, those of them that there are; all by default.
    """
    content = io.BytesIO(path.read_bytes())
    if columns is not None:
        there = pl.read_parquet_schema(content)
        content.seek(0)
        columns = [name for name in columns if name in there]
    return pl.read_parquet(content, columns=None if columns is None else list(columns))
