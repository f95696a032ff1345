"""Whatever happens to a job, the work goes on from its checkpoint, and nobody can tell from the records."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from spinodal import cli
from spinodal.campaign import Attempt, read_attempts
from spinodal.records import read_records

from .conftest import SLURM, Cluster, held, holding, let_go

POINTS = ("data.samples=12", "model.width=4", "l2=geom:0.02:0.3:12", "seed=[0,1]")
COMMAND = ("run", *POINTS, "logger=none", "data.complexity=1,2,3,4")
STAGES = 12

pytestmark = pytest.mark.cluster


def attempts(campaign: Path, job: str) -> list[Attempt]:
    return [each for each in read_attempts(campaign) if each.where == job]


def nodes_of(cluster: Cluster) -> dict[str, tuple[str, str]]:
    """Node and number of every job that runs."""
    rows = cluster.call("squeue", "-h", "-r", "-t", "running", "-o", "%F_%K %N %A").splitlines()
    return {job: (node, number) for job, node, number in map(str.split, rows)}


def preempt(cluster: Cluster, node: str) -> str:
    """Somebody else's job, of higher priority, that wants all of a node."""
    asked = ("sbatch", "--parsable", "-p", "urgent", "-w", node, "--gres=gpu:1", "-o", "/dev/null")
    return cluster.call(*asked, "--wrap", "sleep 1").strip()


def records(campaign: Path) -> pl.DataFrame:
    return read_records(campaign).drop("wall_time", "campaign").sort("point", "stage")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """Records of the same points, computed here."""
    campaign = tmp_path_factory.mktemp("undisturbed") / "c"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SPINODAL_OUTPUTS", str(campaign.parent))
        assert cli.main([*COMMAND, "campaign=c"]) == 0
    return records(campaign)


def test_jobs_are_requeued_killed_preempted_and_lose_their_node(
    cluster: Cluster, project: Path, undisturbed: pl.DataFrame
) -> None:
    campaign = project / "outputs" / "disturbed"
    disturbed = (*COMMAND, "campaign=disturbed", *held(project, stage=4), *SLURM)
    done = cluster.spinodal(project, *disturbed)
    assert done.returncode == 0, done.stderr
    assert "8 queued" in done.stderr
    jobs = [f"{read_one_array(done.stderr)}_{place}" for place in range(4)]
    requeued, killed, preempted, lost = jobs

    cluster.wait_until(lambda: holding(project) == 4)
    nodes = nodes_of(cluster)
    # Nothing else of a job is known here but its attempt.
    os.kill(attempts(campaign, killed)[0].process.pid, signal.SIGKILL)
    cluster.call("scontrol", "requeue", requeued)
    cluster.power_off(*nodes[lost])
    urgent = preempt(cluster, nodes[preempted][0])
    # Not before all of them have ended that go on by themselves from now on.
    cluster.wait_until(
        lambda: {attempts(campaign, job)[0].state for job in (requeued, preempted)} == {"stopped"}
    )
    let_go(project)
    cluster.wait_until(lambda: len(attempts(campaign, requeued)) == 2)
    cluster.wait_until(lambda: len(attempts(campaign, preempted)) == 2)
    cluster.wait_until(lambda: len(attempts(campaign, lost)) == 2)
    cluster.wait_until(lambda: urgent not in cluster.call("squeue", "-h", "-o", "%A").split())
    cluster.wait_for_all()
    cluster.local_slurm("node", nodes[lost][0])

    # Killed, it is FAILED, and SLURM does not start it again: the same command does, and nothing else.
    assert cluster.states()[killed] == "FAILED"
    again = cluster.spinodal(project, *disturbed, "hydra.launcher.wait=true")
    assert again.returncode == 0, again.stderr
    assert "with 1 job;" in again.stderr
    assert "8 points: 8 done" in again.stderr

    table = records(campaign)
    assert len(table) == 8 * STAGES
    assert_frame_equal(table, undisturbed, check_exact=True)
    for job in jobs:
        # From the checkpoint: no stage twice, but for the one it was killed in.
        (pack,) = {each.pack for each in attempts(campaign, job)}
        each = [attempt for attempt in read_attempts(campaign) if attempt.pack == pack]
        assert len(each) == 2
        assert each[0].state == ("running" if job in (killed, lost) else "stopped")
        assert 0 < each[1].rows < 2 * STAGES
        assert each[0].state == "running" or each[0].rows + each[1].rows == 2 * STAGES
    logs = [log.read_text() for log in campaign.glob("slurm/*/*.out")]
    assert sum("continuing from" in log for log in logs) == 4
    # None of these ends looks like a crash.
    assert not [log for log in logs if "Traceback" in log or "Exception ignored" in log]


def read_one_array(said: str) -> str:
    (array,) = {line.split()[2] for line in said.splitlines() if line.startswith("submitted array")}
    return array


@pytest.fixture
def abrupt(cluster: Cluster) -> Iterator[None]:
    """A cluster that preempts without a warning."""
    cluster.call("scontrol", "update", "PartitionName=main", "GraceTime=0")
    yield
    cluster.call("scontrol", "update", "PartitionName=main", "GraceTime=20")


@pytest.fixture
def nowhere() -> Iterator[str]:
    """A server that takes what is sent, and never answers: as good as no network."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.usefixtures("abrupt")
def test_jobs_are_preempted_without_a_warning_lost_sight_of_and_cut_off(
    cluster: Cluster, project: Path, undisturbed: pl.DataFrame, nowhere: str
) -> None:
    campaign = project / "outputs" / "disturbed"
    command = ("run", *POINTS, "logger=none", "data.complexity=1,2", "campaign=disturbed")
    done = cluster.spinodal(project, *command, *held(project, stage=4), *SLURM)
    assert done.returncode == 0, done.stderr
    array = read_one_array(done.stderr)
    preempted, unseen = [f"{array}_{place}" for place in range(2)]
    # Without a network W&B gives up, and nothing else does; without GPUs, and on any node.
    cut_off = ("run", *POINTS, "campaign=cut_off", "logger.mode=online", "hydra/launcher=slurm_cpu")
    done = cluster.spinodal(project, *cut_off, WANDB_BASE_URL=nowhere, WANDB_API_KEY="a" * 40)
    assert done.returncode == 0, done.stderr

    cluster.wait_until(lambda: holding(project) == 2)
    nodes = nodes_of(cluster)
    cluster.lose_daemon(nodes[unseen][0])
    urgent = preempt(cluster, nodes[preempted][0])
    cluster.wait_until(lambda: len(attempts(campaign, preempted)) == 2)
    # The start that SLURM has lost sight of computes as long as another one looks for it.
    (log,) = campaign.glob(f"slurm/*/{unseen}_*.out")
    cluster.wait_until(lambda: "waiting for an earlier start of this job" in log.read_text())
    let_go(project)
    cluster.wait_until(lambda: urgent not in cluster.call("squeue", "-h", "-o", "%A").split())
    cluster.wait_for_all()
    cluster.local_slurm("node", nodes[unseen][0])

    table = records(campaign)
    assert len(table) == 4 * STAGES
    assert_frame_equal(table, undisturbed.filter(pl.col("complexity") <= 2), check_exact=True)
    first, second = attempts(campaign, preempted)
    assert (first.state, second.state) == ("stopped", "done")
    assert first.rows + second.rows == 2 * STAGES
    # Started again elsewhere, it finds that it is still being computed, and in the end that all is done.
    (only,) = attempts(campaign, unseen)
    assert only.state == "done"
    assert only.rows == 2 * STAGES
    told = cluster.spinodal(project, "status", "outputs/cut_off").stdout
    assert "2 points: 2 done" in told
    (log,) = (project / "outputs" / "cut_off").glob("slurm/*/*.out")
    assert "does not answer (timed out): offline from here on" in log.read_text()
    (script,) = (project / "outputs" / "cut_off").glob("slurm/*/submission.sh")
    assert "gpu" not in script.read_text()


def test_a_time_limit_shorter_than_the_work(cluster: Cluster, project: Path) -> None:
    limited = ("run", *POINTS, "logger=none", "data.complexity=2", *SLURM, "campaign=limited")
    done = cluster.spinodal(
        project, *limited, *held(project, stage=4), "hydra.launcher.timeout_min=1",
        "hydra.launcher.signal_delay_s=25", "hydra.launcher.wait=true",
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
