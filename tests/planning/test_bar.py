"""One bar for all jobs of a launch, by what they write down."""

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console

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


def test_workers_on_a_terminal_do_not_draw_over_each_other(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    small = ["data.complexity=1,2", "data.samples=12", "model.width=4", "l2=[0.05,0.1]", "logger=none"]
    command = [sys.executable, "-m", "spinodal.cli", "run", *small, "campaign=c", "hydra/launcher=local"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"}
    ) as run:
        os.close(theirs)
        said = b""
        try:
            while part := os.read(ours, 4096):
                said += part
        except OSError:
            pass  # the other end is closed
    os.close(ours)
    assert run.returncode == 0, said.decode()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode())
    assert "0/2 jobs" in text
    assert "2/2 jobs" in text
    assert "relaxed" not in text
    lines = [line.strip() for line in re.split(r"[\r\n]+", text)]
    assert sum(bool(re.fullmatch(r"1 points → \S+\.parquet", line)) for line in lines) == 2
    assert "2 points: 2 done" in lines
    assert len(read_attempts(tmp_path / "outputs" / "c")) == 2
