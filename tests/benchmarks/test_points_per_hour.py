"""Points per hour against the idiomatic alternative: one process per point, ordinary Lightning, Adam.

Quenches from the same distribution of initial values to the same λ on the same data, in float64 to the same
tolerance, max |∇𝓛| ≤ 1e-8, imports included. The engine inspects its points for saddles and records them, the
alternative does not, and is let off after `MAX_STEPS` if it has not arrived. Either side runs as many processes at a
time as there are cores, at most two, each on one thread. Of the alternative a few points are measured and scaled.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from spinodal.records import read_records
from spinodal.tasks import digits, linear_teacher

pytestmark = pytest.mark.benchmark

PROCESSES = min(2, len(os.sched_getaffinity(0)))
MAX_STEPS = 5000
SPINODAL = Path(sys.executable).with_name("spinodal")


def seconds_for(commands, **environment):
    """Wall time of commands, PROCESSES at a time, and what they print."""
    start, outputs = time.perf_counter(), []
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"} | environment
    for first in range(0, len(commands), PROCESSES):
        running = [
            subprocess.Popen(
                [str(word) for word in command],
                env=environment,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            for command in commands[first : first + PROCESSES]
        ]
        for process in running:
            output, errors = process.communicate()
            assert process.returncode == 0, errors
            outputs.append(output)
    return time.perf_counter() - start, outputs


@pytest.mark.parametrize(
    ("data", "activation", "width", "path", "seeds", "alternatives", "aim"),
    [
        ("linear_teacher", "linear", 16, "geom:0.02:0.4:64", 8, [0.03, 0.08, 0.15, 0.3], 30),
        ("linear_teacher", "tanh", 16, "geom:0.02:0.4:64", 4, [0.03, 0.08, 0.15, 0.3], 15),
        ("digits", "tanh", 32, "lin:0.02:0.24:16", 2, [0.06, 0.16], 4),
    ],
)
def test_points_per_hour(data, activation, width, path, seeds, alternatives, aim, show, tmp_path):
    task = {"digits": digits, "linear_teacher": linear_teacher}[data]()
    torch.save((task.inputs, task.targets), tmp_path / "data.pt")
    script = Path(__file__).with_name("one_network.py")
    one_by_one = [
        [sys.executable, script, tmp_path / "data.pt", width, activation, l2, 0, MAX_STEPS]
        for l2 in alternatives
    ]
    ensembles = [
        [
            SPINODAL,
            "run",
            f"data={data}",
            f"model.activation={activation}",
            f"model.width={width}",
            "protocol=quench",
            f"l2={path}",
            f"seed={list(range(seeds))[process::PROCESSES]}",
            "logger=none",
        ]
        for process in range(PROCESSES)
    ]
    half = len(one_by_one) // 2
    before, outputs = seconds_for(one_by_one[:half])
    engine, _ = seconds_for(ensembles, SPINODAL_OUTPUTS=str(tmp_path))
    after, more = seconds_for(one_by_one[half:])
    records = read_records(tmp_path / "scratch")
    assert records["minimum"].all()
    found = [output.split() for output in outputs + more]
    rates = len(records) / engine * 3600, len(found) / (before + after) * 3600
    steps = ", ".join(each[0] for each in found)
    residuals = ", ".join(f"{float(each[1]):.0e}" for each in found)
    show(
        f"{data}, {activation}, width {width}: {PROCESSES} processes at a time",
        ("", "points", "seconds", "gradients a point", "max |∇𝓛|", "points per hour"),
        [
            ("ensembles", len(records), engine, records["steps"].mean(), records["grad_max"].max(), rates[0]),
            ("one by one", len(found), before + after, steps, residuals, rates[1]),
            ("ratio", "", "", "", "", rates[0] / rates[1]),
        ],
    )
    assert rates[0] >= aim * rates[1]


GRID = ["data.complexity=1,2,3,4,5", "protocol=quench", "model.depth=3", "model.width=16", "logger=none"]
TEN = ",".join(f"{l2:.3g}" for l2 in (0.02, 0.03, 0.05, 0.08, 0.12, 0.17, 0.22, 0.3, 0.4, 0.5))


def test_planner_against_hydras_basic_sweeper(show, tmp_path):
    """The same points by the same engine in one process: packed, and one after the other as Hydra launches them.

    Hydra's own sweeper and launcher stay in one process; the usual way, a process per point, costs the imports
    besides, which are measured by themselves.
    """
    here = {"SPINODAL_OUTPUTS": str(tmp_path)}
    command = [SPINODAL, "run", *GRID]
    few = ["l2=0.03,0.12,0.3", "seed=0,1", "campaign=basic", "hydra/sweeper=basic"]
    imports, _ = seconds_for(
        [[SPINODAL, "run", "data.complexity=1", "l2=0.5", *GRID[1:], "campaign=one"]], **here
    )
    basic, _ = seconds_for([[*command, *few]], **here)
    packed, _ = seconds_for([[*command, f"l2={TEN}", "seed=range(20)", "campaign=packed"]], **here)
    points = [len(read_records(tmp_path / campaign)) for campaign in ("basic", "packed")]
    assert points == [30, 1000]
    each = [
        ("packed", points[1], packed, points[1] / packed * 3600),
        ("basic sweeper, one process", points[0], basic, points[0] / basic * 3600),
        (
            "basic sweeper, a process each",
            points[0],
            basic + points[0] * imports,
            points[0] / (basic + points[0] * imports) * 3600,
        ),
    ]
    show("1,000 points by one process", ("", "points", "seconds", "points per hour"), each)
    show(
        "ratio", ("to one process", "to a process each"), [(each[0][3] / each[1][3], each[0][3] / each[2][3])]
    )
    assert each[0][3] >= 30 * each[2][3]
