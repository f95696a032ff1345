"""Ten thousand points are planned in seconds, and so is finding them all done; nobody waits for torch."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from spinodal.campaign import begin, write_pack
from spinodal.planning import config_loader, expand, survey
from spinodal.planning.curves import curves
from spinodal.planning.selection import select
from spinodal.records import SCHEMA

pytestmark = pytest.mark.benchmark

HEAVY = {"torch", "pytorch_lightning", "wandb", "sklearn"}
MOST_SECONDS, MOST_MB = 3.0, 500

NETWORKS = [
    "data.complexity=1,2,3,4,5",
    "model.depth=2,3,4,5",
    "model.width=8,16,32,64,128",
    "logger=none",
    "campaign=c",
]
LAMBDAS = ",".join(f"{0.01 * k:.2f}" for k in range(1, 11))
QUENCH = [*NETWORKS, "protocol=quench", f"l2={LAMBDAS}", "seed=range(10)"]
UP = [*NETWORKS, "protocol=up", "l2=geom:0.01:1:64", "seed=range(100)"]
GROUPS = [
    "experiment=onset,complexity",
    "model=deep_linear,mlp",
    "optimizer=adam,sgd,gradient_descent",
    "data.complexity=1,2,3,4",
    "model.depth=2,3,4,5,6",
    "seed=range(50)",
    "l2=[0.1,0.2]",
    "logger=none",
    "campaign=c",
]


def planned(arguments: list[str], folder: Path) -> tuple[float, float, set[str], str]:
    """Seconds from start to end of the command, its memory in MB, what it has imported, what it says."""
    code = (
        "import atexit, json, re, sys\n"
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) / 1024\n"
        "atexit.register(lambda: print(json.dumps([peak(), *sys.modules]), file=sys.stderr))\n"
        "from spinodal.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, "run", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"SPINODAL_OUTPUTS": str(folder)},
    )
    seconds = time.perf_counter() - start
    assert done.returncode == 0, done.stderr
    megabytes, *modules = json.loads(done.stderr.splitlines()[-1])
    return seconds, megabytes, HEAVY & set(modules), done.stdout


def finish(arguments: list[str], campaign: Path) -> None:
    """The folder as a run leaves it: packs, attempts, and records with all columns filled that are long."""
    asked = curves(expand(arguments, config_loader()))
    (campaign / "records").mkdir(parents=True)
    for pack in select(campaign, asked, survey(campaign)).packs:
        write_pack(campaign, pack)
        running = begin(campaign, pack, pack.points)
        assert running is not None
        running.end()
        rows = [
            {
                "point": point,
                "stage": stage,
                "stages": len(each.path),
                "l2": l2,
                "overlaps": [l2] * 5,
                "job": pack.name,
            }
            for point, each in pack.points.items()
            for stage, l2 in enumerate(each.path)
        ]
        pl.DataFrame(rows, schema=SCHEMA).write_parquet(campaign / "records" / f"{pack.name}.parquet")


@pytest.mark.parametrize("arguments", [QUENCH, UP], ids=["quench", "up"])
def test_ten_thousand_points(arguments, tmp_path, show):
    first = planned([*arguments, "dry_run=true", "preflight=false"], tmp_path)
    finish(arguments, tmp_path / "c")
    again = planned([*arguments, "dry_run=true", "preflight=false"], tmp_path)
    show("10,000 points", ("", "seconds", "MB"), [("new", *first[:2]), ("all done", *again[:2])])
    assert re.search(r"all +10000 +0 +0 +0 +10000 ", first[3])
    assert re.search(r"all +10000 +10000 +0 +0 +0 ", again[3])
    for seconds, megabytes, heavy, _ in (first, again):
        assert seconds <= MOST_SECONDS
        assert megabytes <= MOST_MB
        assert not heavy


def test_twelve_combinations_of_a_thousand(tmp_path, show):
    seconds, megabytes, heavy, said = planned([*GROUPS, "dry_run=true", "preflight=false"], tmp_path)
    show("12 combinations of groups × 1,000", ("seconds", "MB"), [(seconds, megabytes)])
    assert re.search(r"all +12000 +0 +0 +0 +12000 ", said)
    assert seconds <= 5
    assert megabytes <= MOST_MB
    assert not heavy
