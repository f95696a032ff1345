"""The program's own truth: one Parquet file per job, written whole or not at all, read back as one table."""

from spinodal.records.reader import finished_points, finished_points_of, read_records, with_control, without
from spinodal.records.schema import (
    COLUMN,
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
    "COLUMN",
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
    "finished_points",
    "finished_points_of",
    "read_records",
    "with_control",
    "without",
    "write_configuration",
]
