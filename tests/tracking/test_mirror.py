"""Runs that jobs leave behind, read back with W&B's own tool, against the records."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from random import Random

import polars as pl
import pytest

from spinodal import cli
from spinodal.analysis.findings import find
from spinodal.planning import survey
from spinodal.records import OBSERVED, TRAINING, read_records
from spinodal.theory import spinodal
from spinodal.tracking.mirror import finish

BRANCH = "l2=[0.03,0.07,0.2]"
ESCAPE = [
    "protocol=escape",
    "l2=0.2",
    "seed=[0,1]",
    "protocol.temperature=[0.01,0.02]",
    "protocol.longest=50",
]
TRAIN = ["protocol=train", "protocol.steps=40", "protocol.records=5", "l2=[0.03,0.1]", "seed=[0,1]"]


def run_folders(outputs):
    return [*(outputs / "wandb").glob("*run-*-*/")]


def compare(run, records):
    """Every observable of every stage of one run, equal to the records to the last digit; and nothing else."""
    rows = records.filter(pl.col("point") == run.config["point"], pl.col("branch") == run.config["branch"])
    told = {row["stage"]: row for row in run.stages()}
    assert len(run.stages()) == len(told) == len(rows)
    for row in rows.iter_rows(named=True):
        expected = {}
        for name in OBSERVED:
            if isinstance(row[name], list):
                expected |= {f"{name}/{place}": value for place, value in enumerate(row[name], 1)}
            elif row[name] is not None and row[name] == row[name]:  # neither null nor NaN
                expected[name] = row[name]
        assert expected.pop("control_value") == expected["l2"]  # there under its own name
        stage = told[row["stage"]].items()
        assert {name: value for name, value in stage if not name.startswith("training/")} == expected
    # The stages of a branch follow each other, and so do their training curves.
    spent, curve = 0, []
    for row in rows.sort("l2", "stage", descending=[run.config["branch"] == "down", False]).iter_rows(
        named=True
    ):
        curve += [
            (spent + steps, loss)
            for steps, loss in zip(row["training_steps"], row["training_loss"], strict=True)
        ]
        spent += row["steps"]
    assert [
        (row["training/steps"], row["training/loss"]) for row in run.history if "training/loss" in row
    ] == curve


@pytest.mark.parametrize(
    "asked",
    [
        [BRANCH, "seed=[0,1]", "callbacks=[curvature,spectrum]"],
        ["l2=[0.07,0.2]", "protocol=quench", "seed=[0,1]"],
        ["l2=[0.07,0.2]", "protocol=loop", "protocol.perturbation=0.05"],
        [BRANCH, "protocol.refine=1", "seed=[0,1]"],
        ESCAPE,
        TRAIN,
    ],
    ids=["up", "quench", "loop", "refined", "escape", "train"],
)
def test_every_observable_of_every_stage_is_there_and_the_rebuilt_mirror_is_equal(
    outputs, go, inspect, asked, capsys
):
    go(*asked)
    records, runs = read_records(outputs), inspect()
    assert len({run.id for run in runs}) == len(runs) == records.select("point", "branch").unique().height
    for run in runs:
        compare(run, records)
        assert (run.state, run.exit_code) == ("finished", 0)
        assert (run.summary["complete"], run.summary["outcome"]) == (True, "finished")
        assert run.axes["error"] == run.axes["norm"] == ("trained_steps" if asked is TRAIN else "l2")
        assert run.axes["training/loss"] == "training/steps"
        assert {"strengths", "version", "commit", "torch", "device", "dtype"} <= run.config.keys()
        assert not any("*" in name for name in run.axes)
        assert run.config["model"]["depth"] == run.config["depth"] == 3
        assert "${" not in json.dumps(run.config)
        assert (run.run["run_group"], run.run["job_type"]) == ("c", "replica")
    rebuilt = rebuild(outputs, inspect)
    assert rebuilt.keys() == {run.id for run in runs}
    for run in runs:
        again = rebuilt[run.id]
        assert again.history == run.history
        assert again.config == run.config
        assert (again.name, again.tags, again.state, again.axes) == (run.name, run.tags, run.state, run.axes)
        timing = {"_runtime", "_timestamp", "_wandb"}
        assert {k: v for k, v in again.summary.items() if k not in timing} == {
            k: v for k, v in run.summary.items() if k not in timing
        }


def test_wandbs_own_command_reads_it(outputs, go, inspect):
    go("l2=[0.2]")
    (folder,), (run,) = run_folders(outputs), inspect()
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(folder)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    history = [told["history"]["item"] for told in map(json.loads, lines) if told["type"] == "history"]
    assert [row["error"] for row in history if "error" in row] == read_records(outputs)["error"].to_list()
    assert len(history) == len(run.history)


def test_a_run_of_means_for_each_job(outputs, go, inspect):
    go(BRANCH, "seed=[0,1,2]", "logger.unit=job")
    (run,), records = inspect(), read_records(outputs)
    assert run.name == "K=2 L=3 λ=0.03…0.2 up 3 seeds"
    assert run.run["job_type"] == "job"
    for row in run.history:
        errors = records.filter(pl.col("l2") == row["l2"])["error"]
        assert row["error"] == pytest.approx(errors.mean())
        assert row["error_se"] == pytest.approx(errors.std() / 3**0.5)
        assert (row["replicas"], row["minima"]) == (3, 3)


def test_of_noise_a_job_tells_survival_and_so_does_its_rebuilt_mirror(outputs, go, inspect):
    go(*ESCAPE, "logger.unit=job")
    runs, records = inspect(), read_records(outputs)
    assert [run.config["temperature"] for run in runs] == [0.01, 0.02]
    for run in runs:
        survival = [row["escape/survival"] for row in run.history if "escape/survival" in row]
        escaped = records.filter(pl.col("temperature") == run.config["temperature"])["escaped"]
        assert (survival[0], survival[-1]) == (1, 1 - escaped.mean())
        assert run.axes["escape/survival"] == "escape/time"
    rebuilt = rebuild(outputs, inspect)
    assert {run.id: run.history for run in runs} == {name: run.history for name, run in rebuilt.items()}


def test_disabled_is_nothing_at_all(outputs, go):
    go("l2=[0.2]", "logger.mode=disabled")
    assert read_records(outputs).height == 1
    assert not (outputs / "wandb").exists()


def test_a_job_that_fails_says_so(outputs, go, inspect, tmp_path, monkeypatch):
    (tmp_path / "failing.py").write_text(
        "import pytorch_lightning as pl\n"
        "class Failing(pl.Callback):\n"
        "    def on_train_batch_start(self, trainer, module, batch, batch_idx):\n"
        "        if trainer.current_epoch == 1: raise ValueError('broken')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(SystemExit):
        go(BRANCH, "+callbacks.failing._target_=failing.Failing")
    assert finish()
    (failure,) = survey(outputs).failed.values()
    assert "broken" in failure.error
    (run,) = inspect()
    assert (run.state, run.exit_code) == ("failed", 1)
    assert (run.summary["outcome"], run.summary["complete"]) == ("failed", False)
    assert len(run.stages()) == 1


def test_where_wandb_cannot_write_it_is_said_and_the_job_goes_on(outputs, go, capfd):
    outputs.mkdir()
    (outputs / "wandb").write_text("no folder")
    go(BRANCH)
    assert read_records(outputs)["stationary"].all()
    said = capfd.readouterr().err
    assert said.count("W&B") == 1
    assert "FileExistsError" in said
    assert "`spinodal sync` makes the rest from the records" in said


KILLED = ["l2=geom:0.03:0.3:40", "model.width=6", "data.samples=64", "seed=[0,1]"]


HELD = """
import time
from pathlib import Path
import pytorch_lightning as pl

class Held(pl.Callback):
    "Holds the job in a stage as long as there is a file."
    def on_train_epoch_end(self, trainer, module):
        while trainer.current_epoch == 20 and Path("hold").exists():
            time.sleep(0.02)
"""


def interrupted(outputs, number, wait_until):
    """A job in a process of its own that gets a signal on its way."""
    (outputs.parent / "held.py").write_text(HELD)
    (outputs.parent / "hold").touch()
    small = ["data.complexity=2", "model=deep_linear", "campaign=c", "+callbacks.held._target_=held.Held"]
    job = subprocess.Popen(
        [sys.executable, "-m", "spinodal.cli", "run", *small, *KILLED],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        cwd=outputs.parent,
    )
    wait_until(lambda: list((outputs / "records").glob("*.parquet")), "records")
    # All of its processes, as SLURM does; and a kill comes when some of it is on W&B's side.
    wait_until(lambda: number != signal.SIGKILL or run_folders(outputs), "a run of W&B's", every=0.01)
    os.killpg(job.pid, number)
    (outputs.parent / "hold").unlink()
    job.communicate()
    assert job.returncode == (143 if number == signal.SIGTERM else -signal.SIGKILL)
    assert read_records(outputs)["stage"].max() < 39


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_stopped_and_continued_it_is_all_there_and_nothing_twice(
    outputs, go, inspect, closed, number, wait_until
):
    interrupted(outputs, number, wait_until)
    if number == signal.SIGTERM:
        for run in inspect():
            assert (run.state, run.exit_code) == ("failed", 143)
            assert (run.summary["outcome"], run.summary["complete"]) == ("interrupted", False)
    else:
        assert not closed()  # a kill leaves no word
    before = len(run_folders(outputs))
    go(*KILLED)
    records = read_records(outputs)
    assert records.group_by("point").len()["len"].to_list() == [40] * 2
    complete = [run for run in inspect() if run.summary.get("complete")]
    assert len({run.id for run in complete}) == len(complete) == 2
    assert len(run_folders(outputs)) == before + 2
    for run in complete:
        compare(run, records)
        assert run.state == "finished"
    rebuilt = rebuild(outputs, inspect)
    assert rebuilt.keys() == {run.id for run in complete}
    for run in rebuilt.values():
        compare(run, records)


@pytest.mark.slow
def test_killed_at_ten_random_moments_the_history_is_that_of_the_records(outputs, go, inspect):
    random = Random(19)
    for _ in range(10):
        command = [
            sys.executable,
            "-m",
            "spinodal.cli",
            "run",
            "data.complexity=2",
            "model=deep_linear",
            "campaign=c",
        ]
        job = subprocess.Popen([*command, *KILLED, "checkpoint.every_seconds=1"], start_new_session=True)
        with suppress(subprocess.TimeoutExpired):
            job.wait(random.uniform(4, 14))
        with suppress(ProcessLookupError):
            os.killpg(job.pid, signal.SIGKILL)
        job.wait()
    go(*KILLED)
    records, told = read_records(outputs), {}
    for run in inspect():
        if run.summary.get("complete"):
            compare(run, records)
            assert run.id not in told
            told[run.id] = run.history
    assert len(told) == 2
    assert {name: run.history for name, run in rebuild(outputs, inspect).items()} == told


def rebuild(outputs, inspect):
    """All runs again from the records, by id."""
    assert cli.main(["sync", str(outputs), "--rebuild", "--dry-run"]) == 0
    return {run.id: run for run in inspect("rebuilt/wandb")}


OWN = """
import pytorch_lightning as pl

class LargestWeight(pl.Callback):
    def on_train_epoch_end(self, trainer, module):
        print("measured")
        module.measure(largest_weight=module.ensemble.theta.detach().abs().amax(-1))
"""


def test_every_numeric_column_is_there_a_users_own_too_and_what_sums_up_a_run(
    outputs, go, inspect, leet, tmp_path, monkeypatch
):
    (tmp_path / "own_for_mirror.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    logger = (
        "logger={name:mine,group:ours,tags:[first],notes:why,log_model:true,console:true,system_metrics:true}"
    )
    own = ("callbacks=[curvature,spectrum]", "+callbacks.own._target_=own_for_mirror.LargestWeight")
    go("l2=geom:0.03:0.4:14", "data.complexity=1", *own, logger)
    (run,), records = inspect(), read_records(outputs)
    axes = {"control_value", *TRAINING}  # under names of their own
    for name in set(records.columns) - axes:
        values = [value for value in records[name].to_list() if value not in (None, [])]
        match records.schema[name]:
            case pl.List():
                seen = [value for row in values for value in row]
                told = [row[each] for row in run.stages() for each in row if each.startswith(f"{name}/")]
                assert run.config.get(name) in values or told == seen
            case pl.String():
                continue
            case _:
                assert (
                    run.config.get(name) in values
                    or [row[name] for row in run.stages() if name in row] == values
                    or not values
                )
    assert [row["largest_weight"] for row in run.stages()] == records["largest_weight"].to_list()
    assert {run.axes[name] for name in ("largest_weight", "overlaps/1", "error")} == {"l2"}
    (found,) = find(records).found.rows(named=True)
    summary = {name.partition("transitions/")[2]: value for name, value in run.summary.items()}
    assert (summary["count"], summary["1/order"]) == (1, 1)
    assert summary["1/control"] == found["location"]
    assert abs(summary["1/control"] - spinodal([1.0], 3)[0]) < summary["1/control_error"]
    assert (summary["1/jump"], summary["1/jump_error"]) == (found["jump"], found["jump_error"])
    assert run.summary["best/error"] == records["error"].min()
    assert run.summary["best/test_accuracy"] == records["test_accuracy"].max()
    assert not {"l2", "error", "accuracy"} & run.summary.keys()  # of the last λ
    assert run.name == "mine K=1 L=3 λ=0.03…0.4 up seed 0"
    assert (run.run["run_group"], run.run["notes"]) == ("ours", "why")
    assert {"first", "linear_teacher"} <= set(run.tags)
    assert (run.files / "output.log").read_text().count("measured") == 14
    said = leet(run.files.parent)
    assert f"model-{run.config['job']}" in said
    assert "output.log" in said


def test_training_curves_are_bounded_and_end_where_the_row_does(outputs, go):
    go(BRANCH, "seed=[0,1]")
    for row in read_records(outputs).iter_rows(named=True):
        steps, loss, grad_max = (row[name] for name in TRAINING)
        assert 1 <= len(steps) == len(loss) == len(grad_max) <= 9
        assert steps == sorted(set(steps))
        assert steps[-1] == row["steps"]
        assert loss[-1] == pytest.approx(row["loss"], rel=1e-6)
        assert grad_max[-1] == pytest.approx(row["grad_max"], rel=1e-6)


def process_list():
    """The arguments of every process there is."""
    listed = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            listed.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return listed


KEY = "local" + "5ec7e7" * 6 + "0000"


def test_online_without_a_server_goes_on_offline_with_one_line_and_no_key_leaks(outputs, inspect, tmp_path):
    environment = os.environ | {"WANDB_API_KEY": KEY, "HOME": str(tmp_path)}
    command = ["data.complexity=2", "data.samples=12", "campaign=c", BRANCH, "logger.mode=online"]
    job = subprocess.Popen(
        [sys.executable, "-m", "spinodal.cli", "run", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        text=True,
    )
    arguments = set()
    while job.poll() is None:
        arguments |= process_list()
        time.sleep(0.2)
    said = job.communicate()[0]
    assert job.returncode == 0
    assert said.count("does not answer") == 1
    (run,) = inspect()
    assert run.state == "finished"
    compare(run, read_records(outputs))
    assert any("logger.mode=online" in line for line in arguments)
    assert not [line for line in arguments if KEY in line]
    assert KEY not in said
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


@pytest.mark.parametrize("override", ["logger.api_key", "+logger.api_key", "+WANDB_API_KEY"])
def test_a_key_in_the_wrong_place_is_refused_and_not_repeated(override, capsys):
    assert cli.main(["run", f"{override}={KEY}"]) == 2
    assert KEY not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("override", "allowed"),
    [("mode=on", "offline, online, disabled"), ("unit=point", "replica, job"), ("project=''", "a name")],
)
def test_what_cannot_be_logged_so_is_refused(override, allowed, capsys):
    assert cli.main(["run", f"logger.{override}"]) == 2
    assert allowed in capsys.readouterr().err
