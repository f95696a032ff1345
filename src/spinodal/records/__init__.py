"""The program's own truth: one Parquet file per job, written whole or not at all, read back as one table."""

from spinodal.records.atomic import delete_strays, write_atomically
from spinodal.records.reader import finished_points, read_records, without
from spinodal.records.schema import (
    COLUMNS,
    IDENTITY,
    MEASURED_TASK,
    OBSERVED,
    PROVENANCE,
    SCHEMA,
    SETTINGS,
    TRAINING,
    Column,
)
from spinodal.records.writer import RecordWriter, write_configuration

__all__ = [
    "COLUMNS",
    "IDENTITY",
    "MEASURED_TASK",
    "OBSERVED",
    "PROVENANCE",
    "SCHEMA",
    "SETTINGS",
    "TRAINING",
    "Column",
    "RecordWriter",
    "delete_strays",
    "finished_points",
    "read_records",
    "without",
    "write_atomically",
    "write_configuration",
]
