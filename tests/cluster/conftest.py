"""A real SLURM of four nodes on this machine, for the time of these tests."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from spinodal import cli

ROOT = Path(__file__).parents[2]
LOCAL_SLURM = ROOT / "launch" / "local_slurm.sh"

SMALL = ("data.samples=12", "model.width=4", "l2=[0.03,0.07,0.2]", "logger=none", "campaign=c")
SLURM = ("hydra/launcher=slurm",)

HELD = '''"""Jobs that wait for what is done to them, however fast they are."""
import os
import time
from pathlib import Path
import pytorch_lightning as pl
from spinodal.training import Checkpoint

class Held(pl.Callback):
    "Holds a job in a stage until it is to end, or a file is there; says so by a file of its own."

    def __init__(self, stage, until):
        self.stage, self.until = stage, Path(until)

    def on_train_epoch_end(self, trainer, pl_module):
        if trainer.current_epoch != self.stage or self.until.exists():
            return
        (interruption,) = (each.interruption for each in trainer.callbacks if isinstance(each, Checkpoint))
        self.until.with_name(f"held-{os.environ.get('SLURM_ARRAY_TASK_ID')}").touch()
        while not (self.until.exists() or interruption.wanted):
            time.sleep(0.05)
'''


def held(folder: Path, stage: int) -> tuple[str, ...]:
    """Overrides that hold each job in a stage, until `let_go`."""
    (folder / "held.py").write_text(HELD)
    return (
        "+callbacks.held._target_=held.Held",
        f"+callbacks.held.stage={stage}",
        f"+callbacks.held.until={folder / 'let-go'}",
    )


def holding(folder: Path) -> int:
    """How many jobs are held."""
    return len(list(folder.glob("held-*")))


def let_go(folder: Path) -> None:
    """Lets all jobs go on."""
    (folder / "let-go").touch()


class Cluster:
    """How a person sees it."""

    def __init__(self, folder: Path, waits: Callable[..., None]) -> None:
        self.folder, self.waits = folder, waits
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in ("SPINODAL_OUTPUTS", "CI")},
            "SPINODAL_SLURM": str(folder),
            "SPINODAL_SLURM_PORT": str(_free_ports(7)),
            "SLURM_CONF": str(folder / "slurm.conf"),
        }

    def call(self, *command: str) -> str:
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=True
        ).stdout

    def local_slurm(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(LOCAL_SLURM), *arguments], env=self.environment, text=True, stderr=subprocess.STDOUT,
            stdout=subprocess.PIPE, check=False,
        )  # fmt: skip

    def spinodal(self, where: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "spinodal.cli", *arguments],
            cwd=where,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def lose_daemon(self, node: str) -> None:
        """As if the network to a node were gone: what runs there goes on, and SLURM hears nothing of it."""
        os.kill(int((self.folder / node / "slurmd.pid").read_text()), signal.SIGKILL)

    def power_off(self, node: str, job: str) -> None:
        """As if the machine were gone, with all that runs on it: first those who could still tell SLURM."""
        mark = f"SLURM_JOB_ID={job}".encode()
        mine, daemons = set(), {int((self.folder / node / "slurmd.pid").read_text())}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                    mine.add(int(entry.name))
                    if Path(f"/proc/{parent}/exe").resolve().name.startswith("slurmstepd"):
                        daemons.add(parent)
            except OSError:
                continue
        assert len(daemons) > 1
        for pid in (*daemons, *(mine - daemons)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def states(self) -> dict[str, str]:
        """Of all jobs SLURM remembers."""
        lines = self.call("scontrol", "-o", "show", "job").splitlines()
        found = [dict(word.partition("=")[::2] for word in line.split() if "=" in word) for line in lines]
        return {
            f"{job['ArrayJobId']}_{job['ArrayTaskId']}": job["JobState"]
            for job in found
            if "ArrayTaskId" in job
        }

    def wait_until(self, what: Callable[[], object]) -> None:
        self.waits(what, lambda: f"in the queue there is\n{self.call('squeue')}", every=0.3)

    def wait_for_all(self) -> None:
        self.wait_until(lambda: not self.call("squeue", "-h").strip())


def _free_ports(count: int) -> int:
    """The first of some that follow each other; other processes of these tests begin to look elsewhere."""
    for first in range(21000 + 101 * (os.getpid() % 50), 32000, 101):
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.socket()).bind(("", port))
            except OSError:
                continue
            return first
    raise AssertionError("no free ports")


@contextmanager
def running(folder: Path, waits: Callable[..., None], *settings: str) -> Iterator[Cluster]:
    if os.getuid() != 0 and "CI" not in os.environ:
        pytest.skip("a SLURM on this machine needs root")
    made = Cluster(folder, waits)
    started = made.local_slurm("start", *settings)
    try:
        assert started.returncode == 0, started.stdout
        yield made
    finally:
        made.local_slurm("stop")


class Said(NamedTuple):
    """What a command in this process ended with, and what it wrote."""

    returncode: object
    stdout: str
    stderr: str


@pytest.fixture
def here(
    cluster: "Cluster", project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """`Cluster.spinodal` in this process: the same, but for the seconds that a new one takes to import torch."""
    monkeypatch.chdir(project)
    for name in os.environ.keys() - cluster.environment.keys():
        monkeypatch.delenv(name)
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)

    def spinodal(*arguments: str, **environment: str) -> Said:
        capsys.readouterr()
        with monkeypatch.context() as patched:
            for name, value in environment.items():
                patched.setenv(name, value)
            try:
                code: object = cli.main(list(arguments))
            except SystemExit as end:
                code = end.code
        return Said(code, *capsys.readouterr())

    return spinodal


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, wait_until: Callable[..., None]) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("slurm") / "state", wait_until, "MaxArraySize=6") as made:
        yield made


@pytest.fixture
def project(tmp_path: Path, cluster: Cluster) -> Iterator[Path]:
    """A folder to work in; nothing is left in the queue."""
    yield tmp_path
    cluster.call("scancel", "--user=root")
    cluster.wait_for_all()
