"""A hundred thousand rows of many jobs are read as fast as their files alone."""

import time

import polars as pl
import pytest

from spinodal.records import SCHEMA, read_records

pytestmark = pytest.mark.benchmark

MOST = 4.0
"""Times what Polars takes for the same files, one after the other."""


def fastest(action, times=5):
    """Seconds of the fastest of some tries."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return min(taken)


def test_a_hundred_thousand_rows(tmp_path, show):
    (tmp_path / "records").mkdir()
    rows = [
        {"point": str(point), "stage": stage, "stages": 40, "l2": 0.1, "strengths": [1.0, 0.6]}
        for point in range(5)
        for stage in range(40)
    ]
    table = pl.DataFrame(rows, schema=SCHEMA)
    files = [tmp_path / "records" / f"{job}.parquet" for job in range(500)]
    for job, file in enumerate(files):
        table.with_columns(pl.col("point") + f"-{job}").write_parquet(file)
    ours = fastest(lambda: read_records(tmp_path))
    alone = fastest(lambda: pl.concat([pl.read_parquet(file) for file in files]))
    show("100,000 rows in 500 files", ("", "seconds"), [("read_records", ours), ("the files alone", alone)])
    assert ours < MOST * alone
