"""The process that tells W&B: one for all the jobs of a process, and no job depends on it."""

import io
import signal
import subprocess
import sys
from threading import Event, Thread

import polars as pl
import pytest

from spinodal.records import read_records
from spinodal.tracking import mirror
from spinodal.tracking.folders import closed_runs
from spinodal.tracking.limits import THE_JOBS
from spinodal.tracking.messenger import finish, messenger
from spinodal.training import Interrupted

BRANCH = "l2=[0.03,0.07,0.2]"


def test_jobs_share_a_process_and_do_not_wait_for_it(outputs, go, capfd):
    go(BRANCH, wait=False)
    first = messenger()
    go(BRANCH, "seed=[1,2]", "model.width=5", wait=False)
    assert messenger() is first
    assert finish()
    assert not first.alive
    assert [(each.outcome, each.complete) for each in closed_runs(outputs)] == [("finished", True)] * 3
    (line,) = (line for line in capfd.readouterr().err.splitlines() if "W&B" in line)
    assert "W&B: 3 runs: `spinodal sync" in line


def test_a_failed_job_leaves_the_next_one_alone_which_may_be_its_own_run_again(
    outputs, go, tmp_path, monkeypatch
):
    (tmp_path / "failing.py").write_text(
        "import pytorch_lightning as pl\n"
        "class Failing(pl.Callback):\n"
        "    def on_train_batch_start(self, trainer, module, batch, batch_idx):\n"
        "        if trainer.current_epoch == 1: raise ValueError('broken')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(SystemExit):
        go(BRANCH, "+callbacks.failing._target_=failing.Failing", wait=False)
    go(BRANCH, "retry_failed=true")
    failed, finished = sorted(closed_runs(outputs), key=lambda each: each.outcome)
    assert [(each.outcome, each.complete) for each in (failed, finished)] == [
        ("failed", False),
        ("finished", True),
    ]
    assert failed.id == finished.id


class Listener:
    """Instead of a process: what it is sent."""

    def __init__(self):
        self.told = []

    def send(self, act, *content):
        if act == "tell":
            rows, *end = content
            self.told.append((pl.read_ipc(io.BytesIO(rows)), *end))


def test_some_are_followed_stage_by_stage_and_the_others_told_of_when_they_are_complete(
    outputs, go, monkeypatch
):
    listener = Listener()
    monkeypatch.setattr(mirror, "messenger", lambda: listener)
    monkeypatch.setattr(mirror, "LIVE", 2)
    monkeypatch.setattr(mirror, "PAUSE", 0)
    go(BRANCH, "seed=[0,1,2]")
    assert [sorted(rows["seed"]) for rows, *_ in listener.told] == [
        [0, 1],
        [0, 0, 1, 1],
        [0, 0, 0, 1, 1, 1, 2, 2, 2],
        [],
    ]
    assert [end for _, *end in listener.told] == [[], [], [], ["failed"]]


def test_nobody_is_told_of_every_one_of_many_short_stages(outputs, go, monkeypatch):
    listener = Listener()
    monkeypatch.setattr(mirror, "messenger", lambda: listener)
    monkeypatch.setattr(mirror, "PAUSE", 1000)
    go("l2=geom:0.03:0.2:10")
    assert [len(rows) for rows, *_ in listener.told] == [1, 10]


@pytest.mark.parametrize("moment", ["on_train_start", "on_train_epoch_end"])
def test_when_it_is_killed_it_is_said_and_jobs_go_on_and_the_next_starts_another(
    outputs, go, capfd, monkeypatch, moment
):
    act = getattr(mirror.Mirror, moment)

    def and_kill(self, *arguments):
        act(self, *arguments)
        if self._messenger is not None:
            self._messenger._process.kill()
            self._messenger._process.wait()

    with monkeypatch.context() as patched:
        patched.setattr(mirror.Mirror, moment, and_kill)
        go(BRANCH)
    assert read_records(outputs)["stationary"].all()
    assert capfd.readouterr().err.count("W&B: given up") == 1
    go(BRANCH, "seed=1")
    assert [(each.outcome, each.complete) for each in closed_runs(outputs)] == [("finished", True)]


@pytest.mark.parametrize("number", sorted(THE_JOBS), ids=lambda number: number.name)
def test_signals_for_the_job_are_not_for_its_messenger(outputs, go, capfd, number):
    """SLURM sends its warning to all processes of a job; also to one that has only just begun."""
    sent, over = messenger()._process, Event()

    def storm():
        while not over.wait(0.0005):
            sent.send_signal(number)

    signals = Thread(target=storm)
    signals.start()
    go(BRANCH, wait=False)
    finished = finish()
    over.set()
    signals.join()
    assert finished
    assert sent.returncode == 0
    assert [(each.outcome, each.complete) for each in closed_runs(outputs)] == [("finished", True)]
    assert "given up" not in capfd.readouterr().err


ENDED = """
import os, signal, sys, time
from spinodal.tracking import messenger

class Busy:
    def finish(self, patience):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
        return False

def end(number, frame):
    raise SystemExit(143)

signal.signal(signal.SIGTERM, end)
messenger._here.append(Busy())
sys.exit(143)
"""


def test_a_signal_while_the_end_is_waited_for_looks_like_no_crash():
    done = subprocess.run([sys.executable, "-c", ENDED], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (143, "")


def test_a_messenger_that_ends_with_its_job_is_said_to(outputs, go, capfd, monkeypatch):
    act = mirror.Mirror.on_train_epoch_end

    def and_all_is_ended(self, *arguments):
        act(self, *arguments)
        self._messenger._process.kill()
        self._messenger._process.wait()
        raise Interrupted(signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(mirror.Mirror, "on_train_epoch_end", and_all_is_ended)
        with pytest.raises(Interrupted):
            go(BRANCH)
    said = capfd.readouterr().err
    assert "W&B: its process was ended with the job, and tells the rest when the job continues" in said
    assert "given up" not in said
    go(BRANCH)
    assert [(each.outcome, each.complete) for each in closed_runs(outputs)] == [("finished", True)]


def test_a_job_that_is_killed_is_told_as_interrupted(outputs, go, inspect, monkeypatch):
    """All that its process notices is that nobody sends anything more."""
    monkeypatch.setattr(mirror.Mirror, "_end", lambda self, outcome, points: None)
    monkeypatch.setattr(mirror, "PAUSE", 1000)
    go(BRANCH)
    (run,) = inspect()
    assert (run.state, run.exit_code, run.summary["outcome"]) == ("failed", 143, "interrupted")
    assert len(run.stages()) == 1


def test_it_leaves_nothing_behind(outputs, go, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    go(BRANCH)
    assert len([*closed_runs(outputs)]) == 1
    assert not [*(tmp_path / "temporary").iterdir()]


def test_the_command_ends_when_all_is_told(outputs, tmp_path):
    command = [sys.executable, "-m", "spinodal.cli", "run", "campaign=c", "data.samples=12"]
    done = subprocess.run(
        [*command, "model=deep_linear", "model.width=4,5,6", BRANCH], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert [(each.outcome, each.complete) for each in closed_runs(outputs)] == [("finished", True)] * 3
    (line,) = (line for line in done.stderr.splitlines() if "W&B" in line)
    assert line == f"W&B: 3 runs: `spinodal sync {outputs}` uploads"
