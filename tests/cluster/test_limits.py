"""How packs are shared out where SLURM takes only so many jobs, by a stand-in that says so."""

from pathlib import Path

import pytest
from rich.console import Console

from spinodal.campaign import read_submissions, write_pack
from spinodal.cluster.submit import Jobs, submit
from spinodal.errors import UserError
from spinodal.planning import config_loader, expand, survey
from spinodal.planning.curves import curves
from spinodal.planning.selection import select

SBATCH = """#!/bin/bash
size=$(grep -oP 'array=.?0-\\K[0-9]+' "${{@: -1}}")
if (( size + 1 > {most} )); then
    echo "sbatch: error: AssocMaxSubmitJobLimit" >&2
    echo "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy" >&2
    exit 1
fi
echo 7
"""


@pytest.mark.parametrize("most", [4, 0])
def test_a_limit_on_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    lines = ["data.complexity=1,2", "seed=range(5)", "l2=[0.1,0.2]", "logger=none", "packing.max_replicas=1"]
    packs = select(tmp_path, curves(expand(lines, config_loader())), survey(tmp_path), max_replicas=1).packs
    for pack in packs:
        write_pack(tmp_path, pack)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sbatch").write_text(SBATCH.format(most=most))
    (tmp_path / "bin" / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    jobs = Jobs(
        tmp_path, {pack.name: ["a=1"] for pack in packs}, {"submitit_folder": str(tmp_path / "slurm")}, {}
    )
    if not most:
        with pytest.raises(UserError, match=r"AssocMaxSubmitJobLimit[^$]*0 of 10 packs were submitted"):
            submit(jobs, Console(stderr=True))
        assert not read_submissions(tmp_path)
        return
    (submission,) = submit(jobs, Console(stderr=True))
    assert [len(task) for task in submission.tasks] == [4, 3, 3]
    assert {name for task in submission.tasks for name in task} == {pack.name for pack in packs}
    assert read_submissions(tmp_path) == [submission]
