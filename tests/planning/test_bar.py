"""One bar for all jobs of a launch, by what they write down."""

import io
import os
import pty
import re
import subprocess
import sys
import time
from bisect import bisect_right
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from rich.console import Console

from spinodal import cli, waiting
from spinodal.campaign import Pack, Part, begin, read_attempts, write_pack
from spinodal.planning.bar import LaunchProgress
from spinodal.protocols import Trajectory


def pack(name: str, points: int, stages: int) -> Pack:
    path = tuple(0.1 * (i + 1) for i in range(stages))
    points_of_it = {f"{name}-{i}": Trajectory(i, path, ("up",) * stages) for i in range(points)}
    return Pack(name, (Part("c" * 12, {"protocol": {"name": "up"}}, points_of_it),))


def test_stages_of_all_jobs_are_counted(tmp_path: Path) -> None:
    packs = [pack("a" * 12, 2, 10), pack("b" * 12, 1, 10)]
    for each in packs:
        write_pack(tmp_path, each)
    earlier = begin(tmp_path, packs[1], ["b"])
    assert earlier is not None
    earlier.progress(9, [0.1], 9)
    earlier.end("stopped")
    bar = LaunchProgress(tmp_path, [each.name for each in packs], Console(file=io.StringIO()))
    (task,) = bar.tasks
    assert (task.total, task.completed) == (30, 0)
    running = begin(tmp_path, packs[0], ["a"])
    assert running is not None
    running.progress(4, [0.1], 8)
    running.end()
    bar.ended("b" * 12)
    bar.get_renderables()
    assert (task.completed, task.fields["ended"], task.fields["jobs"]) == (18, 1, 2)
    bar.ended("a" * 12)
    bar.get_renderables()
    assert (task.completed, task.fields["ended"]) == (30, 2)


SMALL = ("data.samples=12", "model.width=4", "l2=[0.05,0.1]", "logger=none", "campaign=c")


class Shown(NamedTuple):
    """What a run shows on a terminal, redraws and all: part by part, and when."""

    parts: list[str]
    moments: list[float]

    @property
    def text(self) -> str:
        return "".join(self.parts)

    def first(self, mark: str) -> int:
        """The part in which it is there."""
        return bisect_right(list(accumulate(map(len, self.parts))), self.text.index(mark))


def on_a_terminal(folder: Path, *arguments: str) -> Shown:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "spinodal.cli", "run", *SMALL, "hydra/launcher=local", *arguments]
    said, moments = [b""], [time.monotonic()]
    with subprocess.Popen(
        command, cwd=folder, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"}
    ) as run:
        os.close(theirs)
        try:
            while part := os.read(ours, 4096):
                said.append(part)
                moments.append(time.monotonic())
        except OSError:
            pass  # the other end is closed
    os.close(ours)
    assert run.returncode == 0, b"".join(said).decode()
    return Shown(
        [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", each.decode(errors="ignore")) for each in said], moments
    )


@pytest.mark.parametrize("workers", [2, 1])
def test_workers_on_a_terminal_do_not_draw_over_each_other(workers: int, tmp_path: Path) -> None:
    """Nor does one worker, which is this process, swallow the bar."""
    text = on_a_terminal(tmp_path, "data.complexity=1,2", f"hydra.launcher.workers={workers}").text
    assert "0/2 jobs" in text
    assert "2/2 jobs" in text
    assert re.search(r"jobs .* 0:00:0[1-9] left|jobs .* 0:00:[1-9]\d left|jobs .* 0:0[1-9]:\d\d left", text)
    assert "relaxed" not in text
    lines = [line.strip() for line in re.split(r"[\r\n]+", text)]
    assert sum(bool(re.fullmatch(r"1 points → \S+\.parquet", line)) for line in lines) == 2
    assert "2 points: 2 done" in lines
    assert len(read_attempts(tmp_path / "outputs" / "c")) == 2


SLOWLY = """
import time
import pytorch_lightning as pl

class Slowly(pl.Callback):
    def on_train_epoch_end(self, trainer, module):
        time.sleep(2.5)
"""


def test_a_single_job_shows_on_a_terminal_how_far_it_is(tmp_path: Path) -> None:
    """And in every phase something moves once a second, taken over all of it: far more often on an idle machine."""
    (tmp_path / "slow.py").write_text(SLOWLY)
    shown = on_a_terminal(tmp_path, "+callbacks.slowly._target_=slow.Slowly")
    assert "1/1 relaxed" in shown.text
    marks = ("starting", "loading torch", "stage 1/2 at λ = 0.05", "stage 2/2 at λ = 0.1", "1 points →")
    places = [shown.first(mark) for mark in marks]
    assert places == sorted(places)
    for mark, (first, last) in zip(marks[1:], pairwise(places), strict=True):
        assert last - first >= shown.moments[last] - shown.moments[first], f"still until {mark}"


def test_in_a_log_there_is_a_line_every_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPINODAL_OUTPUTS", str(tmp_path))
    monkeypatch.setattr(waiting, "EVERY", 1e-3)
    assert cli.main(["run", *SMALL, "l2=geom:0.05:0.1:8"]) == 0
    err = capfd.readouterr().err
    assert re.search(r"^stage [1-8]/8 at λ = 0\.\d+, [01]/1 relaxed \(\d+ s\)$", err, re.MULTILINE)
    assert re.search(r"^planning \(\d+ s\)$", err, re.MULTILINE)
