"""A file system that shows late what another machine has written: stand-ins for SLURM, and a real job script."""

import os
import subprocess
import threading
from pathlib import Path

import pytest
from rich.console import Console

from spinodal.campaign import write_pack
from spinodal.cluster.queue import script_file
from spinodal.cluster.snapshot import WHOLE
from spinodal.cluster.submit import Jobs, submit
from spinodal.planning import config_loader, expand, survey
from spinodal.planning.curves import curves
from spinodal.planning.selection import select
from spinodal.records import read_records

STAND_INS = {
    "sbatch": "echo 7",
    "srun": 'while [[ $1 == -* ]]; do if [[ $1 == --output || $1 == --error ]]; then shift; fi; shift; done; exec "$@"',
}
LATER = 3.0
"""Seconds after which a file is seen."""


def test_a_job_waits_for_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For its code, for what was submitted, and for its pack: one after the other becomes visible."""
    lines = ["data.samples=12", "model.width=4", "l2=0.1", "logger=none", f"paths.campaign={tmp_path / 'c'}"]
    campaign = tmp_path / "c"
    (pack,) = select(campaign, curves(expand(lines, config_loader())), survey(campaign)).packs
    write_pack(campaign, pack)
    stand_ins = tmp_path / "bin"
    stand_ins.mkdir()
    for name, does in STAND_INS.items():
        (stand_ins / name).write_text(f"#!/bin/bash\n{does}\n")
        (stand_ins / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{stand_ins}:{os.environ['PATH']}")
    jobs = Jobs(campaign, {pack.name: lines}, {"submitit_folder": str(tmp_path / "slurm")}, {})
    (submission,) = submit(jobs, Console(stderr=True))

    unseen = [Path(submission.code) / WHOLE, campaign / "submissions", campaign / "packs"]
    for path in unseen:
        path.rename(path.with_name(f"{path.name} on its way"))
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "7")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "0")
    shown = [
        threading.Timer(LATER * place, path.with_name(f"{path.name} on its way").rename, [path])
        for place, path in enumerate(unseen, start=1)
    ]
    for timer in shown:
        timer.start()
    done = subprocess.run(["bash", str(script_file(submission))], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert read_records(campaign)["stationary"].all()
