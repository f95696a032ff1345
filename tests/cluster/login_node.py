"""What a person does at a login node, and what befalls their jobs."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from spinodal.campaign import Attempt, read_attempts

PATIENCE = 240.0
"""Seconds that anything here may take, on a busy machine."""


class Cluster:
    """What a person at the login node does, in a folder of their own.

    Args:
        folder: where commands are given.
        slurm: SLURM's.
    """

    def __init__(self, folder: Path, slurm: Path) -> None:
        self.folder, self.slurm = folder, slurm
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "SPINODAL_OUTPUTS"},
            "SLURM_CONF": str(slurm / "slurm.conf"),
            "OMP_NUM_THREADS": "1",
        }

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Begin `spinodal …`."""
        return subprocess.Popen(
            [sys.executable, "-m", "spinodal.cli", *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def spinodal(self, *arguments: str, code: int = 0, **environment: str) -> str:
        """What `spinodal …` says, once it has ended as it should."""
        process = self.start(*arguments, **environment)
        said, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == code, said
        return said

    def slurms(self, *command: str) -> str:
        """What one of SLURM's commands says."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def campaign(self, name: str) -> Path:
        """A campaign's folder."""
        return self.folder / "outputs" / name

    def logs(self, name: str) -> str:
        """What all jobs of a campaign have said."""
        return "\n".join(path.read_text() for path in self.campaign(name).glob("slurm/*/*.out"))

    def jobs(self, name: str) -> list[dict[str, str]]:
        """What SLURM knows of a campaign's jobs, those that have just ended, too."""
        told = self.slurms("scontrol", "-o", "show", "jobs").splitlines()
        fields = [dict(word.partition("=")[::2] for word in line.split() if "=" in word) for line in told]
        return [each for each in fields if each.get("JobName") == name]

    def empty(self, name: str, patience: float = PATIENCE) -> None:
        """Wait until none of a campaign's jobs is in the queue."""
        until(lambda: not self.slurms("squeue", "-h", "-r", f"--name={name}").strip(), patience)

    def begun(self, name: str, rows: int = 4) -> Attempt:
        """Wait until a job of a campaign is well on its way, behind a checkpoint."""
        campaign, found = self.campaign(name), []

        def there() -> bool:
            found[:] = [
                each for each in read_attempts(campaign) if each.rows >= rows and each.state == "running"
            ]
            return bool(found and any((campaign / "checkpoints").glob("*.ckpt")))

        until(there)
        return found[-1]


def until(true: Callable[[], bool], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.2)


def kill_all(pids: list[int]) -> None:
    """SIGKILL, by process id."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def wrapper(folder: Path, name: str, script: str) -> str:
    """A PATH on which one of SLURM's commands is a script; it finds the real one as `$REAL`."""
    real = shutil.which(name)
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/usr/bin/env bash\nREAL={real}\n{script}\n")
    path.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"
