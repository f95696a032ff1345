"""What a person does on a login node, on a real SLURM: submit, leave, look, cancel, submit again."""

import re
from pathlib import Path

import polars as pl
import pytest
from login_node import Cluster, wrapper
from polars.testing import assert_frame_equal

from spinodal.records import read_records

SMALL = ["run", "data.samples=12", "model=deep_linear", "model.width=4", "logger=none"]
GRID = [*SMALL, "data.complexity=1,2", "l2=geom:0.02:0.4:6", "seed=range(12)", "packing.max_replicas=4"]
LATER = "+hydra.launcher.additional_parameters={begin: now+1hour}"


def results(campaign: Path) -> pl.DataFrame:
    return read_records(campaign).drop("campaign", "wall_time").sort("point", "stage")


def test_a_grid_on_all_nodes(slurm: Path, tmp_path: Path) -> None:
    """24 points in six jobs, from a folder whose name a shell would take for a command: as on this machine, to the bit.

    SLURM takes arrays of five jobs at most. Homes cannot be written to from the nodes.
    """
    folder = tmp_path / "it's $(touch pwned) `here`"
    folder.mkdir()
    cluster = Cluster(folder, slurm)
    said = cluster.spinodal(
        *GRID,
        "campaign=c",
        "hydra/launcher=slurm",
        "+hydra.job.env_set={HOME: /proc/nowhere}",
        "hydra.launcher.setup=['echo \"GPU <$CUDA_VISIBLE_DEVICES> on $SLURMD_NODENAME\"']",
    )
    assert re.findall(r"submitted array \d+ with (\d) jobs?", said) == ["5", "1"]
    assert "24 points: 0 done, 24 queued" in said
    assert "24 queued" in cluster.spinodal("status", "outputs/c")
    # Everything is on its way already.
    assert "submitted" not in cluster.spinodal(*GRID, "campaign=c", "hydra/launcher=slurm")
    cluster.empty("c")
    assert "24 points: 24 done" in cluster.spinodal("status", "outputs/c")
    assert {job["JobState"] for job in cluster.jobs("c")} == {"COMPLETED"}
    logs = cluster.logs("c")
    assert sorted(re.findall(r"^GPU <(.*)> on", logs, re.MULTILINE)) == ["0"] * 6
    assert set(re.findall(r"^job \S+ on (n\d)", logs, re.MULTILINE)) == {"n1", "n2", "n3", "n4"}
    assert "srun" not in logs  # Lightning's advice, were it to think of itself as SLURM's
    assert not list(tmp_path.rglob("pwned"))
    assert not Path("pwned").exists()
    cluster.spinodal(*GRID, "campaign=here")
    assert_frame_equal(results(cluster.campaign("c")), results(cluster.campaign("here")), check_exact=True)


def test_what_waits_is_not_submitted_again_and_can_be_cancelled(cluster: Cluster) -> None:
    arguments = [*SMALL, "campaign=waiting", "l2=[0.1,0.2]", "hydra/launcher=slurm_cpu", LATER]
    assert "submitted array" in cluster.spinodal(*arguments, "seed=range(3)")
    wider = cluster.spinodal(*arguments, "seed=range(5)")
    assert "5 points: 0 done, 5 queued" in wider
    assert len(cluster.jobs("waiting")) == 2
    assert "BeginTime" in cluster.spinodal("status", "outputs/waiting")
    assert "2 jobs ended, 0 of them running" in cluster.spinodal("cancel", "outputs/waiting")
    cluster.empty("waiting")
    assert "5 never started" in cluster.spinodal("status", "outputs/waiting")
    assert "none of its jobs" in cluster.spinodal("cancel", "outputs/waiting")


def test_what_fails_is_told_in_the_log_and_to_slurm(cluster: Cluster) -> None:
    """And who waits is told; the other points are computed."""
    broken = ["model.init_scale=1,1e200", "seed=[0,1]", "l2=[0.1,0.2]", "packing.max_replicas=2"]
    said = cluster.spinodal(
        *SMALL, *broken, "campaign=failing", "hydra/launcher=slurm_cpu", "hydra.launcher.wait=true", code=1
    )
    assert "4 points: 2 done, 2 failed" in said
    logs = cluster.logs("failing")
    assert "E = " in logs
    assert (
        len(re.findall(r"^point \w+ failed: .*model.init_scale=1e\+200 .*seed=[01] ", logs, re.MULTILINE))
        == 2
    )
    assert {job["JobState"] for job in cluster.jobs("failing")} >= {"FAILED"}
    assert "not finite" in cluster.spinodal("status", "outputs/failing", "--failed")
    # Nothing is tried again unless somebody asks for it.
    assert "submitted" not in cluster.spinodal(
        *SMALL, *broken, "campaign=failing", "hydra/launcher=slurm_cpu", code=1
    )


def test_jobs_run_what_was_submitted(cluster: Cluster) -> None:
    """A network of one's own is edited while its job waits."""
    module = cluster.folder / "mine.py"
    module.write_text("from spinodal.networks import MLP\nclass Net(MLP):\n    pass\n")
    arguments = [*SMALL, "campaign=kept", "model._target_=mine.Net", "seed=0", "l2=[0.1,0.2]"]
    cluster.spinodal(
        *arguments, "hydra/launcher=slurm_cpu", "+hydra.launcher.additional_parameters={hold: true}"
    )
    module.write_text("raise RuntimeError('edited')\n")
    (job,) = cluster.jobs("kept")
    cluster.slurms("scontrol", "release", job["JobId"])
    cluster.empty("kept")
    assert "edited" not in cluster.logs("kept")
    assert "1 done" in cluster.spinodal("status", "outputs/kept"), cluster.logs("kept")


def test_more_jobs_than_somebody_may_have_are_packed_into_fewer(cluster: Cluster, tmp_path: Path) -> None:
    """Six packs, and a limit of two jobs, as sbatch says it."""
    limit = 'n=$(sed -n "s/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p" "${@: -1}")\n'
    limit += (
        '((n < 2)) || { echo "sbatch: error: QOSMaxSubmitJobPerUserLimit" >&2; exit 1; }\nexec "$REAL" "$@"'
    )
    path = wrapper(tmp_path / "bin", "sbatch", limit)
    arguments = [*SMALL, "campaign=limited", "seed=range(6)", "packing.max_replicas=2", "l2=[0.1,0.2]"]
    said = cluster.spinodal(*arguments, "hydra/launcher=slurm_cpu", PATH=path)
    assert re.search(r"submitted array \d+ with 2 jobs, up to 2 packs in each", said)
    cluster.empty("limited")
    assert "6 points: 6 done" in cluster.spinodal("status", "outputs/limited"), cluster.logs("limited")
    none = wrapper(tmp_path / "none", "sbatch", 'echo "sbatch: error: AssocMaxSubmitJobLimit" >&2; exit 1')
    said = cluster.spinodal(*arguments, "campaign=d", "hydra/launcher=slurm_cpu", code=2, PATH=none)
    assert "the same command submits the others when jobs have ended" in said


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        ("hydra.launcher.partition=nowhere", "SLURM refuses the jobs"),
        ("hydra.launcher.tasks_per_node=2", "must be 1"),
        ('hydra.launcher.comment="a\nrm"', "must be a single line"),
        ("+hydra.launcher.additional_parameters={a.b: 1}", "no option of sbatch"),
    ],
)
def test_mistakes_are_told(cluster: Cluster, mistake: str, told: str) -> None:
    said = cluster.spinodal(
        *SMALL, "campaign=mistaken", "seed=0", "hydra/launcher=slurm_cpu", mistake, code=2
    )
    assert told in said
    assert "Traceback" not in said
    assert not cluster.jobs("mistaken")
