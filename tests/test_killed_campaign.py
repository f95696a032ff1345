"""A thousand points, killed twice on the way and started again by the same command: each once in the records."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from spinodal.campaign import read_attempts
from spinodal.records import read_records

COMMAND = [
    *("data.complexity=1,2,3,4,5", "l2=geom:0.01:0.5:50", "seed=range(4)", "model.depth=3", "model.width=16"),
    *(
        "protocol=quench",
        "logger=none",
        "campaign=c",
        "packing.max_replicas=100",
        "checkpoint.every_seconds=2",
    ),
]


@pytest.mark.slow
def test_a_thousand_points_killed_twice(tmp_path: Path, wait_until: Callable[..., None]) -> None:
    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "spinodal.cli", "run", *COMMAND],
            cwd=tmp_path,
            env={name: value for name, value in os.environ.items() if name != "SPINODAL_OUTPUTS"},
            text=True,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    campaign = tmp_path / "outputs" / "c"
    for ended in (2, 6):  # packs behind it, and one under way
        process = start()

        def far_enough(process: subprocess.Popen[str] = process, ended: int = ended) -> bool:
            assert process.poll() is None
            states = [each.state for each in read_attempts(campaign)]
            return states.count("done") >= ended and states[-1] == "running"

        wait_until(far_enough, f"{ended} attempts done", every=0.1)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    last = start()
    said = last.communicate()[1]
    assert last.returncode == 0, said
    assert "1000 points: 1000 done" in said
    table = read_records(campaign)
    assert len(table) == table["point"].n_unique() == 1000
    assert set(table["seed"]) == set(range(4))
    assert table["l2"].n_unique() == 50
    # As files, too: nothing that was finished was computed again.
    states = [each.state for each in read_attempts(campaign)]
    assert states.count("done") == 10
    assert states.count("running") == 2  # the killed
    assert len(read_records(*(campaign / "records").glob("*.parquet"))) == 1000
    assert not list(campaign.rglob("*.ckpt"))
    assert not list(campaign.rglob("*.tmp"))
