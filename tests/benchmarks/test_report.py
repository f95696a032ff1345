"""100,000 rows in at most 10 s and 1 GB: `spinodal report`, from the shell to the last file.

The clock is that of the processor, so that other work on the machine does not count.
"""

import itertools
import os
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest

from spinodal.analysis import compare, find_transitions, unresolved
from spinodal.records import SCHEMA, read_records
from spinodal.report.groups import chosen, make_groups
from spinodal.theory import learned_state

pytestmark = pytest.mark.benchmark

SHAPES = {
    "500 curves × 5 seeds × 40 λ": ((2, 3, 4, 5, 6), range(5, 25), 5, 40),
    "20 curves × 50 seeds × 100 λ": ((3, 4), (8, 16), 50, 100),
}
"""Depths, widths, number of seeds, number of λ; each with K = 1 … 5."""


def write(folder, depths, widths, seeds, points):
    """A campaign of exact branches, a job per curve."""
    l2 = np.geomspace(0.02, 0.6, points)
    (folder / "records").mkdir(parents=True)
    for depth, width, features in itertools.product(depths, widths, range(1, 6)):
        strengths = 0.6 ** np.arange(features)
        state = learned_state(l2, strengths, depth)
        curve = f"{depth}-{width}-{features}"
        constants = {
            "task": "linear_teacher",
            "error_name": "squared",
            "activation": "linear",
            "branch": "up",
            "complexity": features,
            "depth": depth,
            "width": width,
            "samples": 64,
            "stages": points,
            "noise": 0.0,
            "bias": False,
            "stationary": True,
            "minimum": True,
            "curve": curve,
            "job": curve,
            "strengths": strengths.tolist(),
            "variances": [1.0] * features,
            "wall_time": 1.0,
        }
        rows = pl.DataFrame(
            {
                "l2": np.tile(l2, seeds),
                "error": np.tile(state.error, seeds),
                "accuracy": np.tile(state.accuracy, seeds),
                "norm": np.tile(np.sqrt(state.norm_squared), seeds),
                "learned_features": np.tile(state.alive.sum(axis=1), seeds),
                "seed": np.repeat(np.arange(seeds), points),
                "stage": np.tile(np.arange(points), seeds),
            }
        ).with_columns(
            pl.format(f"{curve}-{{}}", "seed").alias("point"),
            *(pl.lit(value, SCHEMA[name]).alias(name) for name, value in constants.items()),
        )
        missing = [
            pl.lit(None, dtype).alias(name) for name, dtype in SCHEMA.items() if name not in rows.columns
        ]
        rows.with_columns(missing).select(SCHEMA.names()).write_parquet(
            folder / "records" / f"{curve}.parquet"
        )


def timed(function, *arguments):
    start = time.process_time()
    result = function(*arguments)
    return result, time.process_time() - start


@pytest.mark.parametrize("shape", SHAPES)
def test_100_000_rows(shape, tmp_path, show):
    folder = tmp_path / "large"
    write(folder, *SHAPES[shape])
    command = [sys.executable, "-m", "spinodal.cli", "report", str(folder)]
    with open(os.devnull, "w") as nowhere:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=nowhere, env={**os.environ, "POLARS_MAX_THREADS": "2"})
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
    assert status == 0
    seconds, memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e6

    records, reading = timed(read_records, folder)
    assert len(records) == 100_000
    found, finding = timed(find_transitions, records)
    compared, comparing = timed(compare, found, records)
    steep, looking = timed(unresolved, records, found)
    groups, grouping = timed(make_groups, records, compared, steep)
    page = (folder / "report" / "report.html").stat().st_size / 1e6
    analysis = finding + comparing + looking
    rows = [
        ("all, processor, s", seconds),
        ("all, clock on the wall, s", wall),
        ("of it analysis, s", analysis),
        ("    find_transitions, s", finding),
        ("    compare, s", comparing),
        ("    unresolved, s", looking),
        ("of it reading, s", reading),
        ("of it grouping, s", grouping),
        ("of it figures, page, start, s", seconds - analysis - reading - grouping),
        ("figures of curves", float(len(chosen(groups)))),
        ("memory, GB", memory),
        ("report.html, MB", page),
    ]
    show(shape, ("", ""), rows)
    assert compared["status"].eq("matched").all()
    assert memory < 1
    assert seconds - analysis < 7
