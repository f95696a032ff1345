"""What a job on SLURM costs: until the first network is trained, beside the same ensemble run directly, and per point.

On a SLURM of this machine's own, with nothing else to do. Node time is what SLURM counts of each job, from its start to
its end, imports included. The stock launcher with a job per point is measured on a few points, and scaled.
"""

import os
import re
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from spinodal.campaign import read_attempts

pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.skipif(os.geteuid() != 0, reason="a SLURM of one's own needs root"),
]

LOCAL_SLURM = Path(__file__).parents[2] / "launch" / "local_slurm.sh"
FEW = 4
"""Points of the stock launcher."""
NETWORK = ("model=deep_linear", "model.width=16", "logger=none")
GRID = ("data.complexity=1,2,3,4,5", "l2=geom:0.01:0.4:50", "seed=[0,1,2,3]", "protocol=quench")
POINTS = 5 * 50 * 4


@pytest.fixture
def login(tmp_path, monkeypatch):
    """Runs `spinodal run …` in a folder of its own, until its jobs have ended: their node time, in s."""
    state = tmp_path / "slurm"
    settings = {"SPINODAL_SLURM": str(state), "SPINODAL_SLURM_PORT": "28817"}
    subprocess.run([LOCAL_SLURM, "start"], env=os.environ | settings, check=True, capture_output=True)
    monkeypatch.setenv("SLURM_CONF", str(state / "slurm.conf"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)

    def run(campaign, *arguments):
        command = [sys.executable, "-m", "spinodal.cli", "run", *NETWORK, *arguments, f"campaign={campaign}"]
        subprocess.run(command, check=True, capture_output=True)
        while subprocess.run(["squeue", "-h"], capture_output=True, check=True).stdout.strip():
            time.sleep(0.2)
        jobs = subprocess.run(
            ["scontrol", "-o", "show", "jobs"], capture_output=True, check=True, text=True
        ).stdout
        own = [job for job in jobs.splitlines() if f"JobName={campaign} " in job]
        assert own
        assert all("JobState=COMPLETED" in job for job in own)
        return [
            (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
            for job in own
            for start, end in re.findall(r"StartTime=(\S+) EndTime=(\S+)", job)
        ]

    yield run
    subprocess.run([LOCAL_SLURM, "stop"], env=os.environ | settings, check=True, capture_output=True)


def test_jobs(login, tmp_path, show):
    alone = ("data.complexity=5", "l2=geom:0.01:0.4:30", "seed=range(8)")
    began = time.time()
    (job,) = login("job", *alone, "hydra/launcher=slurm_cpu")
    (attempt,) = read_attempts(tmp_path / "outputs" / "job")
    first = attempt.began - began
    start = time.perf_counter()
    login_free = [sys.executable, "-m", "spinodal.cli", "run", *NETWORK, *alone, "campaign=direct"]
    subprocess.run(login_free, check=True, capture_output=True)
    direct = time.perf_counter() - start

    packed = login("packed", *GRID, "hydra/launcher=slurm_cpu", "hydra.launcher.array_parallelism=2")
    few = (
        "data.complexity=3",
        f"l2={','.join(map(str, [0.02, 0.05, 0.1, 0.2][:FEW]))}",
        "seed=0",
        "protocol=quench",
    )
    stock = login(
        "stock",
        *few,
        "hydra/sweeper=basic",
        "hydra/launcher=submitit_slurm",
        "hydra.launcher.name=stock",
        "hydra.launcher.timeout_min=10",
    )
    each, theirs = sum(packed) / POINTS, sum(stock) / FEW
    rows = [
        ("from command to the first network in training, s", first),
        ("an ensemble of 8 × 30 λ as a job, node time, s", job),
        ("the same run directly, from command to end, s", direct),
        (f"{POINTS} points in {len(packed)} jobs, node time per point, s", each),
        ("stock launcher, a job per point, node time per point, s", theirs),
        ("times less", theirs / each),
    ]
    show("SLURM, two cores", ("", ""), rows)
    assert theirs / each > 30
