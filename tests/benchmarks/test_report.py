"""100,000 rows in at most 10 s and 1 GB: `spinodal report`, from the shell to the last file; once more within 3 s.

By the clock on the wall, on two cores with nothing else to do.
"""

import itertools
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from spinodal.analysis import compare, find_transitions, unresolved
from spinodal.records import SCHEMA, read_records
from spinodal.report.networks import make_networks
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
    start = time.perf_counter()
    result = function(*arguments)
    return result, time.perf_counter() - start


def resident(process):
    """Memory of a process and its children, in GB; what they share counts twice."""
    pids, total = [process], 0
    for pid in pids:
        try:
            pids += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
        except OSError:
            continue  # it has just ended
    return total / 1e9


def reported(folder):
    """Run the command: its time on the wall and the most memory it took."""
    command = [sys.executable, "-m", "spinodal.cli", "report", str(folder)]
    start, memory = time.perf_counter(), 0.0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        memory = max(memory, resident(process.pid))
        time.sleep(0.02)
    assert process.returncode == 0
    return time.perf_counter() - start, memory


@pytest.mark.parametrize("shape", SHAPES)
def test_100_000_rows(shape, tmp_path, show):
    folder = tmp_path / "large"
    write(folder, *SHAPES[shape])
    wall, memory = reported(folder)
    again, _ = reported(folder)
    records, reading = timed(read_records, folder)
    assert len(records) == 100_000
    found, finding = timed(find_transitions, records)
    compared, comparing = timed(compare, found, records)
    steep, looking = timed(unresolved, records, found)
    networks, grouping = timed(make_networks, records, compared, steep)
    rows = [
        ("spinodal report, s", wall),
        ("the same again, s", again),
        ("reading alone, s", reading),
        ("find_transitions alone, s", finding),
        ("compare alone, s", comparing),
        ("unresolved alone, s", looking),
        ("grouping alone, s", grouping),
        ("start, figures, page: the rest, s", wall - reading - finding - comparing - looking - grouping),
        ("networks drawn", float(sum(network.drawn for network in networks))),
        ("memory, GB", memory),
        ("report.html, MB", (folder / "report" / "report.html").stat().st_size / 1e6),
    ]
    show(shape, ("", ""), rows)
    assert compared["status"].eq("matched").all()
    assert memory < 1
    assert wall < 10
    assert again < 3
