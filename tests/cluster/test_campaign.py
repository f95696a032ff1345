"""What a person does on a login node: submit, look, edit, cancel, come back."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from spinodal.campaign import read_attempts
from spinodal.records import read_records

from .conftest import SLURM, SMALL, Cluster, Said, held, let_go

pytestmark = pytest.mark.cluster

NET = '''"""A network of somebody's own."""
from spinodal.networks import MLP

class Net(MLP):
    def __init__(self, fail=0, **arguments):
        super().__init__(**arguments)
        self.fail = fail

    def forward(self, inputs):
        if self.fail == 2:
            raise RuntimeError("nothing comes out of this")
        return super().forward(inputs)
'''


def records(campaign: Path):
    return read_records(campaign).drop("wall_time", "campaign").sort("point", "stage")


def arrays(said: str) -> list[str]:
    return [line.split()[2] for line in said.splitlines() if line.startswith("submitted array")]


def test_a_grid_gives_what_it_gives_here(cluster: Cluster, project: Path, here: Callable[..., Said]) -> None:
    """More packs than an array may hold, names that a shell would act on, homes that cannot be written to, no sacct."""
    outputs = {"SPINODAL_OUTPUTS": str(project / 'it\'s "a" $(touch owned) folder')}
    swept = ("data.complexity=1,2", "model.depth=2,3", "seed=range(6)", "packing.max_replicas=3")
    command = ("run", *SMALL, *swept)
    done = here(
        *command, *SLURM, "hydra.launcher.comment='$(touch owned) \"it`s\"'",
        "hydra.launcher.setup=['export HOME=/nonexistent']",
        "hydra.launcher.additional_parameters={hold: true}", **outputs,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(arrays(done.stderr)) == 2  # 8 packs, 6 at a time
    assert "24 points: 0 done, 24 queued" in done.stderr
    campaign = Path(outputs["SPINODAL_OUTPUTS"]) / "c"
    assert not arrays(here(*command, *SLURM, **outputs).stderr)
    assert "24 queued" in cluster.spinodal(project, "status", str(campaign)).stdout
    for array in arrays(done.stderr):
        cluster.call("scontrol", "release", array)
    cluster.wait_for_all()
    assert "24 points: 24 done" in cluster.spinodal(project, "status", str(campaign)).stdout
    alone = here(*command, SPINODAL_OUTPUTS=str(project / "here"))
    assert alone.returncode == 0, alone.stderr
    assert_frame_equal(records(campaign), records(project / "here" / "c"), check_exact=True)
    assert not list(project.rglob("owned"))
    logs = [log.read_text() for log in campaign.glob("slurm/*/*.out")]
    assert len(logs) == 8
    assert len({log.split(" on ")[1].split()[0] for log in logs}) == 4  # nodes


def test_what_is_edited_later_is_not_run_and_what_fails_says_so(cluster: Cluster, project: Path) -> None:
    (project / "net.py").write_text(NET)
    command = ("run", *SMALL, "model._target_=net.Net", "+model.fail=1,2", "preflight=false", *SLURM)
    held = cluster.spinodal(project, *command, "hydra.launcher.additional_parameters={hold: true}")
    assert held.returncode == 0, held.stderr
    (project / "net.py").write_text("raise RuntimeError('another version')")
    (array,) = arrays(held.stderr)
    cluster.call("scontrol", "release", array)
    cluster.wait_until(
        lambda: {cluster.states().get(f"{array}_{place}") for place in (0, 1)} == {"COMPLETED", "FAILED"}
    )
    logs = [log.read_text() for log in (project / "outputs").glob("c/slurm/*/*.out")]
    (failed,) = (log for log in logs if "RuntimeError" in log)
    assert "Traceback" in failed
    assert "nothing comes out of this" in failed
    assert "another version" not in "".join(logs)
    assert "model.fail=2" in failed
    assert "seed=0" in failed
    (project / "net.py").write_text(NET)
    again = cluster.spinodal(project, *command)
    assert again.returncode == 1
    assert "submitted" not in again.stderr
    assert "retry_failed=true" in again.stderr
    told = cluster.spinodal(project, "status", "outputs/c", "--failed").stdout
    assert "2 points: 1 done, 1 failed" in told
    assert "nothing comes out of this" in told


def test_cancel_and_a_command_killed_while_it_submits(cluster: Cluster, project: Path) -> None:
    command = ("run", *SMALL, *SLURM)
    sbatch = project / "bin" / "sbatch"
    sbatch.parent.mkdir()
    real = cluster.call("which", "sbatch").strip()
    sbatch.write_text(f'#!/bin/sh\n{real} "$@" > /dev/null\nkill -9 $PPID\n')
    sbatch.chmod(0o755)
    path = f"{sbatch.parent}:{os.environ['PATH']}"
    killed = cluster.spinodal(
        project, *command, "hydra.launcher.additional_parameters={hold: true}", PATH=path
    )
    assert killed.returncode == -signal.SIGKILL
    # It never heard the number of its job. SLURM has it all the same, and status, cancel and run know it.
    assert "1 queued" in cluster.spinodal(project, "status", "outputs/c").stdout
    assert "submitted" not in cluster.spinodal(project, *command).stderr
    assert "1 job ended, 0 of them running" in cluster.spinodal(project, "cancel", "outputs/c").stdout
    cluster.wait_for_all()
    assert "none of its jobs" in cluster.spinodal(project, "cancel", "outputs/c").stdout

    # Ctrl-C while it waits: the job goes on.
    waiting = subprocess.Popen(
        [sys.executable, "-m", "spinodal.cli", *command, *held(project, stage=1), "hydra.launcher.wait=true"],
        cwd=project, env=cluster.environment, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    cluster.wait_until(lambda: "c" in cluster.call("squeue", "-h", "-o", "%j").split())
    cluster.wait_until(lambda: read_attempts(project / "outputs" / "c"))
    waiting.send_signal(signal.SIGINT)
    said = waiting.communicate()[1]
    assert waiting.returncode == 130
    assert "the jobs go on without this command" in said
    let_go(project)
    cluster.wait_for_all()
    assert "1 points: 1 done" in cluster.spinodal(project, "status", "outputs/c").stdout


def test_what_slurm_or_a_shell_would_misread_is_refused(cluster: Cluster, here: Callable[..., Said]) -> None:
    for given, told in (
        ("hydra.launcher.partition=nowhere", "invalid partition"),
        ("hydra.launcher.comment='two\nlines'", "must be a single line"),
        ("hydra.launcher.gpus_per_node=4", "hydra/launcher=slurm_cpu"),
        ("hydra.launcher.nodes=2", "must be 1"),
    ):
        done = here("run", *SMALL, *SLURM, given)
        assert done.returncode == 2, shlex.join([given, done.stderr])
        assert told in done.stderr
        assert "Traceback" not in done.stderr
    assert not cluster.call("squeue", "-h")
