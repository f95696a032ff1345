"""Whatever happens to a job, the work goes on from its checkpoint, and nobody can tell from the records."""

import os
import signal
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from spinodal.campaign import Attempt, read_attempts
from spinodal.records import read_records

from .conftest import SLURM, Cluster

COMMAND = (
    *(
        "run",
        "data.complexity=1,2,3,4",
        "data.samples=12",
        "model.width=4",
        "l2=geom:0.02:0.3:12",
        "seed=[0,1]",
    ),
    *("logger=none", "+callbacks.slowly._target_=slow.Slowly"),
)
STAGES = 12

pytestmark = pytest.mark.cluster


def attempts(campaign: Path, job: str) -> list[Attempt]:
    return [each for each in read_attempts(campaign) if each.where == job]


def records(campaign: Path):
    return read_records(campaign).drop("wall_time", "campaign").sort("point", "stage")


def test_jobs_are_requeued_killed_preempted_and_lose_their_node(cluster: Cluster, project: Path) -> None:
    campaign = project / "outputs" / "disturbed"
    disturbed = (*COMMAND, "campaign=disturbed", "+callbacks.slowly.seconds=2", *SLURM)
    done = cluster.spinodal(project, *disturbed)
    assert done.returncode == 0, done.stderr
    assert "8 queued" in done.stderr
    jobs = [f"{read_one_array(done.stderr)}_{place}" for place in range(4)]
    requeued, killed, preempted, lost = jobs

    def begun(job: str) -> bool:
        return any(each.rows >= 4 or (campaign / "records" / f"{each.pack}.parquet").exists()
                   for each in attempts(campaign, job))  # fmt: skip

    cluster.wait_until(lambda: all(begun(job) for job in jobs))
    rows = cluster.call("squeue", "-h", "-r", "-o", "%F_%K %N %A").splitlines()
    nodes = {job: (node, number) for job, node, number in map(str.split, rows)}
    # Nothing else of a job is known here but its attempt.
    os.kill(attempts(campaign, killed)[0].process.pid, signal.SIGKILL)
    cluster.call("scontrol", "requeue", requeued)
    cluster.power_off(*nodes[lost])
    urgent = cluster.call(
        *("sbatch", "--parsable", "-p", "urgent", "-w", nodes[preempted][0], "--gres=gpu:1"),
        *("-o", "/dev/null", "--wrap", "sleep 1"),
    ).strip()
    cluster.wait_until(lambda: len(attempts(campaign, requeued)) == 2)
    cluster.wait_until(lambda: len(attempts(campaign, preempted)) == 2)
    cluster.wait_until(lambda: len(attempts(campaign, lost)) == 2)
    assert urgent not in cluster.call("squeue", "-h")
    cluster.wait_for_all()
    cluster.local_slurm("node", nodes[lost][0])

    # Killed, it is FAILED, and SLURM does not start it again: the same command does, and nothing else.
    assert cluster.states()[killed] == "FAILED"
    again = cluster.spinodal(project, *disturbed, "hydra.launcher.wait=true")
    assert again.returncode == 0, again.stderr
    assert "with 1 job;" in again.stderr
    assert "8 points: 8 done" in again.stderr

    reference = cluster.spinodal(project, *COMMAND, "campaign=undisturbed", "+callbacks.slowly.seconds=0")
    assert reference.returncode == 0, reference.stderr
    table = records(campaign)
    assert len(table) == 8 * STAGES
    assert_frame_equal(table, records(project / "outputs" / "undisturbed"), check_exact=True)
    for job in jobs:
        # From the checkpoint: no stage twice, but for the one it was killed in.
        (pack,) = {each.pack for each in attempts(campaign, job)}
        each = [attempt for attempt in read_attempts(campaign) if attempt.pack == pack]
        assert len(each) == 2
        assert each[0].state == ("running" if job in (killed, lost) else "stopped")
        assert 0 < each[1].rows < 2 * STAGES
        assert each[0].state == "running" or each[0].rows + each[1].rows == 2 * STAGES
    assert sum("continuing from" in log.read_text() for log in campaign.glob("slurm/*/*.out")) == 4


def read_one_array(said: str) -> str:
    (array,) = {line.split()[2] for line in said.splitlines() if line.startswith("submitted array")}
    return array


def test_a_time_limit_shorter_than_the_work(cluster: Cluster, project: Path) -> None:
    limited = (*COMMAND[:1], "data.complexity=2", *COMMAND[2:], *SLURM, "campaign=limited")
    done = cluster.spinodal(
        project, *limited, "+callbacks.slowly.seconds=8", "hydra.launcher.timeout_min=1",
        "hydra.launcher.signal_delay_s=10", "hydra.launcher.wait=true",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    campaign = project / "outputs" / "limited"
    starts = read_attempts(campaign)
    assert len(starts) >= 2
    assert {each.state for each in starts[:-1]} == {"stopped"}
    assert len(records(campaign)) == 2 * STAGES
    assert sum(each.rows for each in starts) == 2 * STAGES  # nothing twice
    (log,) = campaign.glob("slurm/*/*.out")
    assert "back to the queue" in log.read_text()
    assert "restart 1" in log.read_text()
