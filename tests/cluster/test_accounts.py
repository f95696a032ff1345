"""A cluster that keeps accounts: it limits how many jobs somebody may have, and remembers how each ended."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spinodal.campaign import read_attempts

from .conftest import SLURM, SMALL, Cluster, held, running

pytestmark = pytest.mark.cluster

GRID = ("run", *SMALL, "packing.max_replicas=1", *SLURM)


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, wait_until: Callable[..., None]) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("accounts") / "state", wait_until, "accounts") as made:
        made.call("sacctmgr", "-i", "modify", "user", "root", "set", "MaxSubmitJobs=2")
        yield made


def test_as_many_jobs_as_somebody_may_have_and_how_they_ended(strict: Cluster, tmp_path: Path) -> None:
    hold = held(tmp_path, stage=1)
    done = strict.spinodal(tmp_path, *GRID, "seed=range(3)", *hold)
    assert done.returncode == 0, done.stderr
    assert "with 2 jobs, up to 2 packs in each, since SLURM takes no more jobs of yours" in done.stderr
    refused = strict.spinodal(tmp_path, *GRID, "seed=range(4)", *hold)
    assert refused.returncode == 2
    assert "AssocMaxSubmitJobLimit" in refused.stderr
    assert "0 of 1 packs were submitted; the same command submits the others" in refused.stderr
    assert "Traceback" not in refused.stderr

    campaign = tmp_path / "outputs" / "c"
    strict.wait_until(lambda: len(read_attempts(campaign)) == 2)
    killed, cancelled = read_attempts(campaign)
    os.kill(killed.process.pid, signal.SIGKILL)
    strict.call("scancel", cancelled.where)
    strict.wait_for_all()

    def ended() -> dict[str, str]:
        told = strict.spinodal(tmp_path, "status", "outputs/c").stdout
        assert "…" not in told
        return dict(re.findall(r"^(\d+_\d+) +(\w+) ", told, re.MULTILINE))

    # The controller tells the database when it has time.
    strict.wait_until(lambda: ended() == {killed.where: "failed", cancelled.where: "cancelled"})
