"""A real SLURM of four nodes on this machine, for all tests of this folder."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from login_node import Cluster, until

ROOT = Path(__file__).parents[2]
LOCAL_SLURM = ROOT / "launch" / "local_slurm.sh"
SETTINGS = ("MaxArraySize=5",)


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Its folder; ended, by process id, when the last test has ended."""
    if os.geteuid() != 0:
        pytest.skip("a SLURM of one's own needs root, for its daemons and Debian's packages")
    folder = tmp_path_factory.mktemp("slurm") / "slurm"
    environment = {**os.environ, "SPINODAL_SLURM": str(folder), "SPINODAL_SLURM_PORT": str(_ports())}
    done = subprocess.run(
        [str(LOCAL_SLURM), "start", *SETTINGS], env=environment, capture_output=True, text=True, timeout=600
    )
    if done.returncode:
        pytest.fail(f"SLURM was not started:\n{done.stdout}{done.stderr}", pytrace=False)
    yield folder
    subprocess.run([str(LOCAL_SLURM), "stop"], env=environment, check=True, timeout=120)


def _ports() -> int:
    """The first of ten free ones."""
    for first in range(26817, 60000, 10):
        try:
            for port in range(first, first + 10):
                with socket.socket() as one:
                    one.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise OSError("no free ports")


@pytest.fixture
def cluster(slurm: Path, tmp_path: Path) -> Iterator[Cluster]:
    """A login node, and an empty queue in the end."""
    made = Cluster(tmp_path, slurm)
    yield made
    subprocess.run(["scancel", "--user=root"], env=made.environment, check=False)
    until(lambda: not made.slurms("squeue", "-h").strip())
