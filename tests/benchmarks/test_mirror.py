"""What W&B costs: at most 3 % of a run's wall time at default settings; 1,000 replicas of one job exhaust nothing.

The share is of the same run: the seconds that a job spends on its mirror, waiting for the process that tells W&B
among them, over those of the whole command. A thousand replicas are told from records as such a run leaves them, and
compared with what computing them would take at the rate of the default run: longer than anybody would wait for here.
"""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from spinodal.records import RecordWriter, read_records

pytestmark = pytest.mark.benchmark

LIMIT = 0.03
REPLICAS = 1000

TIMED = """
import json, sys, time
began = time.perf_counter()
import spinodal.job
def clocked(act):
    def timed(*arguments, **named):
        start = time.perf_counter()
        try:
            return act(*arguments, **named)
        finally:
            clocked.seconds += time.perf_counter() - start
    return timed
clocked.seconds = 0.0
spinodal.job._tracking = clocked(spinodal.job._tracking)
import spinodal.training
from spinodal.planning import plan
make = spinodal.job._tracking
def tracking(*arguments):
    trackers, logger = make(*arguments)
    for tracker in trackers:
        for hook in ("on_train_start", "on_train_epoch_end", "on_train_end"):
            setattr(tracker, hook, clocked(getattr(tracker, hook)))
    return trackers, logger
spinodal.job._tracking = tracking
spinodal.job.run(plan(sys.argv[1:]))
print(json.dumps([clocked.seconds, time.perf_counter() - began]))
"""


def timed(folder, *overrides):
    """Seconds in the mirror and in all, of a run in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", TIMED, *overrides],
        env=os.environ
        | {"SPINODAL_OUTPUTS": str(folder), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def descendants():
    """Every process that this one has started, and those that they have."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = path.read_text().split(" ", 1)
            parents[int(pid)] = int(rest.rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def files_open():
    count = 0
    for pid in descendants():
        try:
            count += len(os.listdir(f"/proc/{pid}/fd"))
        except OSError:
            continue
    return count


def test_share_of_wall_time_and_a_thousand_replicas(tmp_path, show):
    from spinodal.tracking.mirror import LIVE
    from spinodal.tracking.session import Session
    from spinodal.tracking.teller import Teller

    shares = {}
    for replicas in (1, LIVE, 2 * LIVE):
        shares[replicas] = timed(tmp_path / str(replicas), f"seed={list(range(replicas))}")
    mirror, whole = shares[2 * LIVE]
    each = (whole - mirror) / (2 * LIVE)
    rows = read_records(tmp_path / str(2 * LIVE) / "scratch").filter(pl.col("seed") == 0)
    writer = RecordWriter(tmp_path / "many.parquet")
    points = [f"{number:012x}" for number in range(REPLICAS)]
    many = [rows.with_columns(point=pl.lit(point)) for point in points]
    writer.append(pl.concat(many).to_dicts())
    session = Session(tmp_path / "many", "spinodal")
    told = Teller(session, {}, "replica", pytest.fail)
    memory, most, open_runs = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0, session.open

    def watched(run):
        nonlocal most
        most = max(most, files_open())
        return open_runs(run)

    session.open = watched
    start = time.perf_counter()
    told.tell(writer.rows_of(points), "failed")
    seconds = time.perf_counter() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024
    processes = len(descendants())
    show(
        "W&B's share of a default run's wall time",
        ("replicas", "seconds in the mirror", "seconds in all", "share, %"),
        [(str(n), a, b, 100 * a / b) for n, (a, b) in shares.items()],
    )
    show(
        f"{REPLICAS} replicas in one job, told at its end",
        (
            "seconds",
            "ms each",
            "of their computation, %",
            "files open at most",
            "processes",
            "memory grown, MB",
        ),
        [(seconds, 1e3 * seconds / REPLICAS, 100 * seconds / REPLICAS / each, most, processes, grown)],
    )
    assert len(list((tmp_path / "many" / "wandb").glob("offline-*/closed.json"))) == REPLICAS
    assert most < 300
    assert processes < 8
    assert grown < 500
    assert seconds / REPLICAS <= LIMIT * each
    for seconds, whole in shares.values():
        assert seconds <= LIMIT * whole
