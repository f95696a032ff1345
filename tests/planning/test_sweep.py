"""The ordinary command, end to end: skip, continue, share, split over processes, and no result depends on it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from spinodal import cli
from spinodal.campaign import read_attempts, read_launches
from spinodal.records import TRAINING, read_records

SMALL = ["data.complexity=1,2", "data.samples=12", "model.width=4", "l2=[0.05,0.1,0.2]", "logger=none"]
SPINODAL = [sys.executable, "-m", "spinodal.cli"]


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPINODAL_OUTPUTS", raising=False)
    return tmp_path / "outputs"


def go(*overrides: str) -> object:
    try:
        return cli.main(["run", *SMALL, *overrides])
    except SystemExit as end:
        return end.code


def results(campaign: Path) -> pl.DataFrame:
    about_the_job = ("job", "campaign", "wall_time", "steps", "grad_max")
    return read_records(campaign).drop(about_the_job, TRAINING).sort("point", "stage")


def files(campaign: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in (campaign / "records").iterdir()}


def test_a_dry_run_only_tells(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert go("seed=range(3)", "dry_run=true", "packing.max_replicas=2") == 0
    out = capsys.readouterr().out
    assert re.search(r"complexity=1 +3 +0 +0 +0 +3 +2 +1–2\n", out)
    assert re.search(r"all +6 +0 +0 +0 +6 +4 +1–2\n", out)
    assert not outputs.exists()


def test_again_wider_and_told(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert go("seed=range(2)", "campaign=c") == 0
    assert "4 points: 4 done" in capsys.readouterr().err
    before = files(outputs / "c")
    assert go("seed=range(2)", "campaign=c") == 0
    assert re.search(r"all +4 +4 +0 +0 +0 +0", capsys.readouterr().err)
    assert go("seed=range(4)", "campaign=c") == 0
    said = capsys.readouterr().err
    assert re.search(r"all +8 +4 +0 +0 +4 +2 +2\n", said)
    assert re.search(r"about \d+ s, going by what was run here before", said)
    assert before.items() <= files(outputs / "c").items()
    assert not results(outputs / "c").select("point", "stage").is_duplicated().any()
    assert results(outputs / "c")["point"].n_unique() == 8
    # The second command had nothing to do.
    assert [len(each["packs"]) for each in read_launches(outputs / "c")] == [2, 2]


@pytest.mark.parametrize(
    "protocol",
    [
        ["protocol=up"],
        ["protocol=quench"],
        ["protocol=loop", "protocol.perturbation=0.05"],
        ["protocol=up", "protocol.refine=1"],
    ],
    ids=" ".join,
)
def test_packing_changes_no_result(outputs: Path, protocol: list[str]) -> None:
    same = ("data.complexity=2", "seed=range(3)", *protocol)
    assert go(*same, "campaign=whole") == 0
    assert go(*same, "campaign=parts", "packing.max_replicas=2") == 0
    whole, parts = results(outputs / "whole"), results(outputs / "parts")
    assert (
        read_records(outputs / "parts")["job"].n_unique() > read_records(outputs / "whole")["job"].n_unique()
    )
    assert_frame_equal(whole, parts, rel_tol=1e-6, abs_tol=1e-7)


@pytest.mark.parametrize("launcher", ["local", "submitit_local"])
def test_other_launchers_find_the_same(launcher: str, outputs: Path) -> None:
    """Each in processes of its own, with one thread."""
    assert go("seed=range(2)", "campaign=here") == 0
    arguments = [f"hydra/launcher={launcher}", "seed=range(2)", "campaign=there", *SMALL]
    done = subprocess.run([*SPINODAL, "run", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "4 points: 4 done" in done.stderr
    assert_frame_equal(results(outputs / "here"), results(outputs / "there"), check_exact=True)
    assert os.getpid() not in {each.process.pid for each in read_attempts(outputs / "there")}


def test_replicas_may_differ_in_more_than_seed_and_l2(outputs: Path) -> None:
    """Curves in one ensemble are the curves that each has for itself."""
    swept = ("model.init_scale=0.5,1", "optimizer.lr=0.05,0.1", "protocol.perturbation=0,0.05")
    swept = ("protocol=loop", "data.complexity=2", "seed=0,1", *swept)
    assert go(*swept, "campaign=together") == 0
    assert len(list((outputs / "together" / "records").glob("*.parquet"))) == 1
    table = results(outputs / "together")
    told = table.select("curve", "init_scale", "lr", "perturbation").unique()
    assert len(told) == 8
    assert len(told.select("init_scale", "lr", "perturbation").unique()) == 8
    assert go(*swept, "packing.max_replicas=3", "campaign=apart") == 0
    assert_frame_equal(table, results(outputs / "apart"), rel_tol=1e-6, abs_tol=1e-7)


HELD = "protocol=escape protocol.phase=1 l2=0.02 protocol.temperature=1e-3 protocol.longest=20"
TRAINED = "protocol=train optimizer=adam protocol.noise=minibatch protocol.batch=4 protocol.steps=60"


@pytest.mark.parametrize(
    "protocol", ["protocol=loop protocol.perturbation=0.05 callbacks=[curvature,spectrum]", HELD, TRAINED]
)
def test_replicas_may_differ_in_complexity_where_shapes_allow(outputs: Path, protocol: str) -> None:
    """Every replica learns the task that it would have for itself, and nothing of the others'."""
    swept = (*protocol.split(), "model=deep_linear", "data.input_dim=3", "data.output_dim=4", "seed=0,1")
    assert go(*swept, "data.complexity=1,2,3", "campaign=together") == 0
    assert len(list((outputs / "together" / "records").glob("*.parquet"))) == 1
    table = results(outputs / "together")
    of_task = table.select("complexity", pl.col("strengths", "variances", "overlaps").list.len()).unique()
    assert of_task.sort("complexity").rows() == [(1, 1, 1, 1), (2, 2, 2, 2), (3, 3, 3, 3)]
    assert table.select("complexity", "curve").n_unique() == table["curve"].n_unique() == 3
    for complexity in (1, 2, 3):
        assert go(*swept, f"data.complexity={complexity}", "campaign=apart") == 0
    assert len(list((outputs / "apart" / "records").glob("*.parquet"))) == 3
    assert_frame_equal(table, results(outputs / "apart"), rel_tol=1e-6, abs_tol=1e-7)


def test_replicas_of_different_shapes_share_nothing(outputs: Path) -> None:
    assert go("data.complexity=1,2", "seed=0", "campaign=c") == 0
    assert len(list((outputs / "c" / "records").glob("*.parquet"))) == 2


def test_without_the_planner_a_configuration_is_a_job(outputs: Path) -> None:
    assert go("hydra/sweeper=basic", "seed=0,1", "campaign=basic") == 0
    assert go("seed=0,1", "campaign=planner") == 0
    assert_frame_equal(results(outputs / "basic"), results(outputs / "planner"), rel_tol=1e-6, abs_tol=1e-7)


SHARED = ["seed=range(8)", "packing.max_replicas=2"]


def started(campaign: str) -> subprocess.Popen[str]:
    command = [*SPINODAL, "run", *SMALL, *SHARED, f"campaign={campaign}"]
    return subprocess.Popen(command, text=True, stderr=subprocess.PIPE, start_new_session=True)


def test_two_at_the_same_moment_share_the_work(outputs: Path) -> None:
    """Everything is computed, and nothing twice."""
    both = [started("c") for _ in range(2)]
    said = [each.communicate()[1] for each in both]
    assert [each.returncode for each in both] == [0, 0], said
    counted = [point for each in read_attempts(outputs / "c") for point in each.points]
    assert len(counted) == len(set(counted)) == 16
    assert results(outputs / "c")["point"].n_unique() == 16


def test_killed_and_started_again(outputs: Path, wait_until: Callable[..., None]) -> None:
    assert go(*SHARED, "campaign=undisturbed") == 0
    for _ in range(2):
        process = started("c")
        enough = len(read_attempts(outputs / "c")) + 2
        wait_until(lambda enough=enough: len(read_attempts(outputs / "c")) >= enough, "two attempts more")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert go(*SHARED, "campaign=c") == 0
    assert len(read_attempts(outputs / "c")) > 8
    assert not list((outputs / "c").rglob("*.tmp"))
    assert not list((outputs / "c").rglob("*.ckpt"))
    assert_frame_equal(results(outputs / "c"), results(outputs / "undisturbed"), check_exact=True)


def test_provenance(outputs: Path) -> None:
    assert go("seed=0", "campaign=c", "+trainer.max_time='00:00:10:00'") == 0
    (launch,) = read_launches(outputs / "c")
    assert launch["command"].startswith("spinodal run data.complexity=1,2 data.samples=12")
    assert launch["command"].endswith(" seed=0 campaign=c '+trainer.max_time='\"'\"'00:00:10:00'\"'\"''")
    assert launch["config"]["model"]["width"] == 4
    assert launch["config"]["hydra"]["launcher"]["_target_"].endswith("BasicLauncher")
    assert {path.stem for path in (outputs / "c" / "packs").iterdir()} == set(launch["packs"])
    for name in launch["packs"]:
        overrides = (outputs / "c" / "jobs" / name / ".hydra" / "overrides.yaml").read_text()
        assert f"pack='{name}'" in overrides
        assert "seed" in overrides  # the only one, so that all points share it


def test_changed_defaults_are_told(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert go("seed=0", "campaign=c") == 0
    (path,) = (outputs / "c" / "launches").iterdir()
    path.write_text(path.read_text().replace('"model.depth": 3', '"model.depth": 2'))
    assert go("seed=0", "campaign=c") == 2
    assert "model.depth: is 3 by default, and was 2 when campaign=c" in capsys.readouterr().err
    assert go("seed=0", "campaign=c", "model.depth=2") == 0
