"""What W&B costs: at most 3 % of a run's wall time at default settings; 1,000 replicas of one job exhaust nothing.

Whole commands are compared, with W&B offline and without, in turns. Its process wants some seconds of a core: for its
start, and some hundredths for every run that it tells of. Where a job has a core besides its own, nobody waits for
these; the time of all processors together says what they are where it does not.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spinodal.records import read_records

pytestmark = pytest.mark.benchmark

LIMIT = 1.03
PAIRS = 5
REALISTIC = ("experiment=onset", "seed=lin:0:15:16")
"""Three transitions, sixteen seeds: as in the experiments of the README."""

REPLICAS = 1000
MANY = ("data.complexity=1", "data.samples=12", "model=deep_linear", "model.width=3", "l2=geom:0.03:0.4:16")


def command(folder, *overrides):
    environment = {"SPINODAL_OUTPUTS": str(folder), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    arguments = [sys.executable, "-m", "spinodal.cli", "run", "campaign=c", *overrides]
    return {"args": arguments, "env": os.environ | environment, "stderr": subprocess.PIPE, "text": True}


WAITING = """
import sys, time
from spinodal import cli
from spinodal.tracking import mirror

waited = 0.0

def clocked(act):
    def timed(*arguments):
        global waited
        start = time.perf_counter()
        try:
            return act(*arguments)
        finally:
            waited += time.perf_counter() - start
    return timed

mirror._start = clocked(mirror._start)
assert cli.main(sys.argv[1:]) == 0
clocked(mirror.finish)()
print("waited", waited, file=sys.stderr)
"""
"""The command, which says in the end for how long it has waited for W&B."""


def seconds(folder, *overrides):
    """Of wall time; of processor time, all processes together; and how many of waiting for W&B."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    asked = command(folder, *overrides)
    asked["args"][1:3] = ["-c", WAITING]
    done = subprocess.run(**asked)
    assert done.returncode == 0, done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, processor, float(done.stderr.split()[-1])


def closed(campaign):
    """What is left of every run that was closed."""
    return [json.loads(path.read_text()) for path in (campaign / "wandb" / "closed").glob("*.json")]


def test_share_of_wall_time(tmp_path, show):
    rows = []
    for pair in range(PAIRS):
        there = ["none", "wandb"][:: 1 if pair % 2 else -1]
        taken = {
            logger: seconds(tmp_path / f"{logger}-{pair}", *REALISTIC, f"logger={logger}") for logger in there
        }
        (wall, processor, _), (wall_with, processor_with, waited) = taken["none"], taken["wandb"]
        share = 1 + waited / (wall_with - waited)
        rows.append((wall, wall_with, wall_with / wall, waited, share, processor, processor_with))
        assert len(closed(tmp_path / f"wandb-{pair}" / "c")) == 16
    medians = [statistics.median(column) for column in zip(*rows, strict=True)]
    show(
        f"16 replicas, with W&B offline and without, in seconds; load of this machine {os.getloadavg()[0]:.1f}",
        ("", "wall", "with W&B", "ratio", "waited", "ratio", "processor", "with W&B"),
        [("", *row) for row in rows] + [("median", *medians)],
    )
    assert medians[2] <= LIMIT
    assert medians[4] <= LIMIT


def descendants(root):
    """A process, all that it has started, and all that these have."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = path.read_text().split(" ", 1)
            parents[int(pid)] = int(rest.rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def used(pid):
    """Megabytes of memory, and file handles, of one process; nothing if it has just ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024, len(os.listdir(f"/proc/{pid}/fd"))
    except (OSError, IndexError):
        return 0.0, 0


def watched(folder, *overrides):
    """Seconds, and the most of processes, of memory of all together, and of file handles of one of them."""
    start, most = time.perf_counter(), (0, 0.0, 0)
    job = subprocess.Popen(**command(folder, *overrides))
    while job.poll() is None:
        there = [used(pid) for pid in descendants(job.pid)]
        memory, files = zip(*there, strict=True)
        most = tuple(map(max, most, (len(there), sum(memory), max(files))))
        time.sleep(0.2)
    assert job.returncode == 0, job.stderr.read()
    return time.perf_counter() - start, *most


def test_a_thousand_replicas_in_one_job(tmp_path, show, wait_until):
    asked = (*MANY, f"seed=lin:0:{REPLICAS - 1}:{REPLICAS}", f"packing.max_replicas={REPLICAS}")
    without = watched(tmp_path / "none", *asked, "logger=none")
    wandb = watched(tmp_path / "wandb", *asked)
    show(
        f"{REPLICAS} replicas in one job",
        ("logger", "seconds", "ms each", "processes", "memory of all, MB", "file handles of one process"),
        [
            (logger, taken[0], 1e3 * taken[0] / REPLICAS, *map(float, taken[1:]))
            for logger, taken in (("none", without), ("wandb", wandb))
        ],
    )
    records = read_records(tmp_path / "wandb" / "c")
    assert records["job"].n_unique() == 1
    # The command does not wait for all of them.
    wait_until(lambda: len(closed(tmp_path / "wandb" / "c")) == REPLICAS, "a word of every run", every=0.5)
    assert all(run["complete"] for run in closed(tmp_path / "wandb" / "c"))
    assert sum(run["rows"] for run in closed(tmp_path / "wandb" / "c")) == len(records)
    assert wandb[1] <= without[1] + 4
    assert wandb[2] <= without[2] + 600
    assert wandb[3] < 1024
