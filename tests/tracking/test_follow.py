"""The process that tells W&B of jobs: one for all the jobs of a process, and no job depends on it."""

import os
import signal
import subprocess
import sys
from threading import Event, Thread

import polars as pl
import pytest

from spinodal.records import SCHEMA, read_records, with_control
from spinodal.records.writer import write_whole
from spinodal.tracking import follow, mirror
from spinodal.tracking.follow import Following
from spinodal.tracking.jobs import Job
from spinodal.tracking.mirror import THE_JOBS, finish
from spinodal.tracking.session import Session

BRANCH = "l2=[0.03,0.07,0.2]"
TOLD = [("finished", True)]


def ends(closed):
    return [(each["outcome"], each["complete"]) for each in closed().values()]


def test_jobs_share_a_process_and_do_not_wait_for_it(outputs, go, closed, capfd):
    go(BRANCH, wait=False)
    (first,) = mirror._here
    go(BRANCH, "seed=[1,2]", "model.width=5", wait=False)
    assert mirror._here == [first]
    assert finish()
    assert first.poll() == 0
    assert ends(closed) == TOLD * 3
    (line,) = (line for line in capfd.readouterr().err.splitlines() if "W&B" in line)
    assert line == f"W&B: 3 runs: `spinodal sync {outputs}` uploads"


FAILING = """
import pytorch_lightning as pl

class Failing(pl.Callback):
    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if trainer.current_epoch == 1: raise ValueError('broken')
"""


def test_a_failed_job_leaves_the_next_one_alone_which_may_be_its_own_run_again(
    outputs, go, inspect, closed, tmp_path, monkeypatch
):
    (tmp_path / "failing.py").write_text(FAILING)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(SystemExit):
        go(BRANCH, "+callbacks.failing._target_=failing.Failing", wait=False)
    assert finish()  # or the second may have ended before anything of the first is read
    go(BRANCH, "retry_failed=true")
    failed, finished = inspect()
    assert (failed.summary["outcome"], failed.summary["complete"]) == ("failed", False)
    assert (finished.summary["outcome"], finished.summary["complete"]) == ("finished", True)
    assert failed.id == finished.id
    assert ends(closed) == TOLD


def rows(points, stages, of):
    table = pl.DataFrame(
        [
            {"point": point, "campaign": "c", "branch": "up", "seed": seed, "stage": stage, "stages": of}
            | {"l2": 0.1 * (stage + 1), "error": float(stage), "steps": 1, "stationary": True}
            for seed, point in enumerate(points)
            for stage in range(stages)
        ],
        schema=SCHEMA,
    )
    return with_control(table)


@pytest.fixture
def records(outputs):
    """Writes the records of a job as they grow."""
    (outputs / "records").mkdir(parents=True)

    def write(*tables):
        write_whole(outputs / "records" / "j.parquet", pl.concat(tables))

    return write


@pytest.fixture
def following(outputs):
    """Follows that job."""

    def begin(**configuration):
        return Following(Job(configuration, outputs / "records" / "j.parquet"), Session(outputs, "p"))

    return begin


def test_stages_are_told_once_and_complete_runs_are_closed(records, following, inspect, closed):
    job = following()
    job.tell()  # nothing is recorded yet
    records(rows("ab", 1, 3))
    job.tell()
    records(rows("ab", 2, 3))
    job.tell()
    job.tell()
    assert len(job._open) == 2
    records(rows("a", 3, 3), rows("b", 2, 3))
    job.tell()
    assert len(job._open) == 1
    records(rows("ab", 3, 3))
    job.tell(ended=True)
    assert [[row["error"] for row in run.stages()] for run in inspect()] == [[0.0, 1.0, 2.0]] * 2
    assert ends(closed) == TOLD * 2


def test_those_that_are_not_complete_end_with_the_job(records, following, closed):
    records(rows("a", 2, 2), rows("b", 1, 2))
    following().tell(ended=True)
    assert [(each["outcome"], each["complete"], each["rows"]) for each in closed().values()] == [
        ("finished", True, 2),
        ("interrupted", False, 1),
    ]


def test_what_was_told_already_is_not_told_again(outputs, records, following, inspect):
    records(rows("ab", 2, 2))
    following().tell(ended=True)
    records(rows("abc", 2, 2))
    following().tell(ended=True)
    assert len(inspect()) == 3


def test_only_some_are_followed_stage_by_stage_and_none_where_stages_may_be_replaced(
    records, following, monkeypatch, closed
):
    monkeypatch.setattr(follow, "LIVE", 2)
    job, refining = following(), following(protocol={"refine": 1})
    for stages in (1, 2):
        records(rows("abc", stages, 3))
        job.tell()
        refining.tell()
        assert ([each[0] for each in job._open], [*refining._open]) == (["a", "b"], [])
    records(rows("abc", 3, 3))
    job.tell()
    assert ends(closed) == TOLD * 3


def test_never_more_runs_are_open_than_a_few(records, following, monkeypatch, closed):
    monkeypatch.setattr(follow, "CLOSING", 3)
    seen, close = [], Following._close

    def watched(self, ending):
        seen.append((len(self._open), len(os.listdir("/proc/self/fd"))))
        close(self, ending)

    monkeypatch.setattr(Following, "_close", watched)
    records(rows("abcdefghij", 2, 2))
    following().tell(ended=True)
    opened, files = zip(*seen, strict=True)
    assert max(opened) == 3
    assert max(files[1:]) <= files[0]
    assert len(closed()) == 10


def test_a_disk_that_is_full_is_said_once(records, following, monkeypatch, capsys):
    def broken(self, run):
        raise OSError("no space left")

    follow.say.cache_clear()
    monkeypatch.setattr(Session, "open", broken)
    job = following()
    records(rows("a", 1, 2))
    job.tell()
    records(rows("a", 2, 2))
    job.tell(ended=True)
    (line,) = capsys.readouterr().err.splitlines()
    assert "no space left" in line
    assert "spinodal sync" in line


def test_when_it_is_killed_it_is_said_and_jobs_go_on_and_the_next_starts_another(outputs, go, closed, capfd):
    go(BRANCH, wait=False)
    mirror._here[0].kill()
    mirror._here[0].wait()
    go(BRANCH, "seed=1")
    assert read_records(outputs)["stationary"].all()
    assert capfd.readouterr().err.count("W&B: its process was ended; `spinodal sync`") == 1
    assert ends(closed) == TOLD


@pytest.mark.parametrize("number", sorted(THE_JOBS), ids=lambda number: number.name)
def test_signals_for_the_job_are_not_for_its_messenger(outputs, go, closed, capfd, number):
    """SLURM sends its warning to all processes of a job; also to one that has only just begun."""
    mirror._here.append(mirror._start())
    (sent,), over = mirror._here, Event()

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
    assert ends(closed) == TOLD
    assert "given up" not in capfd.readouterr().err


ENDED = """
import subprocess, sys
from spinodal.tracking import mirror

mirror.SILENCE, mirror.GRACE = 0.2, 0.3
slow = subprocess.Popen(["sleep", "1000"], stdin=-1, stdout=-3, stderr=-3, text=True)
mirror._here.append(slow)
print(slow.pid)
"""


def test_a_process_that_takes_long_is_not_waited_for_long():
    done = subprocess.run([sys.executable, "-c", ENDED], capture_output=True, text=True)
    os.kill(int(done.stdout), signal.SIGKILL)
    assert done.returncode == 0
    first, last = done.stderr.splitlines()
    assert first.startswith("W&B: telling the rest")
    assert last == "W&B: goes on by itself; `spinodal sync` makes from the records what will be missing"


SIGNALLED = """
import os, signal, subprocess, sys
from spinodal.tracking import mirror

def end(number, frame):
    raise SystemExit(143)

signal.signal(signal.SIGTERM, end)
slow = subprocess.Popen(["sleep", "1000"], stdin=-1, stdout=-3, stderr=-3, text=True)
mirror._here.append(slow)
print(slow.pid)
signal.signal(signal.SIGALRM, lambda number, frame: os.kill(os.getpid(), signal.SIGTERM))
signal.setitimer(signal.ITIMER_REAL, 0.5)
sys.exit(143)
"""


def test_a_signal_while_the_end_is_waited_for_looks_like_no_crash():
    done = subprocess.run([sys.executable, "-c", SIGNALLED], capture_output=True, text=True)
    os.kill(int(done.stdout), signal.SIGKILL)
    assert (done.returncode, done.stderr) == (143, "")


def test_it_leaves_nothing_behind(go, closed, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    go(BRANCH)
    assert len(closed()) == 1
    assert not [*(tmp_path / "temporary").iterdir()]


def test_the_command_ends_when_all_is_told_and_names_tell_apart_what_it_sweeps(outputs, inspect, closed):
    command = [sys.executable, "-m", "spinodal.cli", "run", "campaign=c", "data.samples=12"]
    sweeps = ("model=mlp,deep_linear", "model.width=4,5")
    done = subprocess.run([*command, *sweeps, BRANCH], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert ends(closed) == TOLD * 4
    (line,) = (line for line in done.stderr.splitlines() if "W&B" in line)
    assert line == f"W&B: 4 runs: `spinodal sync {outputs}` uploads"
    runs = inspect()
    assert {run.name for run in runs} == {
        f"K=3 L=3 {model} width={width} λ=0.03…0.2 up seed 0"
        for model in ("mlp", "deep_linear")
        for width in (4, 5)
    }
    assert {run.config["curve_name"] for run in runs} == {
        f"linear_teacher {network} K=3 L=3 width={width} {model} up"
        for network, model in (("tanh", "mlp"), ("deep linear", "deep_linear"))
        for width in (4, 5)
    }
    for run in runs:
        origin = run.config["origin"]
        assert origin["folder"] == str(outputs)
        assert origin["command"] == " ".join(["spinodal run", *command[4:], *sweeps, f"'{BRANCH}'"])
        assert origin["overrides"] == [*command[4:], *sweeps, BRANCH]
        assert origin["host"] == run.run["host"] == os.uname().nodename
        assert run.run["git"]["commit"] == run.config["commit"]


HOLDING = """
import time
import pytorch_lightning as pl

class Holding(pl.Callback):
    def on_train_epoch_end(self, trainer, module):
        time.sleep(1000 if trainer.current_epoch == 1 else 0)
"""


def test_a_job_that_is_killed_is_told_as_interrupted(outputs, inspect, closed, tmp_path, wait_until):
    """All that its process notices is that there are no more lines."""
    (tmp_path / "holding.py").write_text(HOLDING)
    command = [sys.executable, "-m", "spinodal.cli", "run", "campaign=c", "data.samples=12", BRANCH]
    job = subprocess.Popen(
        [*command, "model.width=4", "+callbacks.holding._target_=holding.Holding"], cwd=tmp_path
    )
    wait_until(lambda: list((outputs / "records").glob("*.parquet")), "records")
    job.kill()
    job.wait()
    wait_until(closed, "a word of the run")
    (run,) = inspect()
    assert (run.state, run.exit_code, run.summary["outcome"]) == ("failed", 143, "interrupted")
    assert len(run.stages()) in (1, 2)
