"""A control parameter of a user's own: the strength of a smoothed L1 norm, from the command line to W&B.

A deep linear network that learns one feature by one weight a in each of its L layers has E = ½(1 − a^L)² and
P = L(√(a² + w²) − w), so that all there is to measure has a closed form: 𝓛 of a single number a.
"""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.optimize import brentq, minimize_scalar

from spinodal.analysis import coexistence, deep_linear, hysteresis
from spinodal.cli import main
from spinodal.records import read_records
from spinodal.report.report import Report, make_report
from spinodal.tracking.jobs import jobs_of
from spinodal.tracking.metrics import axis_of
from spinodal.tracking.runs import curve_runs, runs_of

WIDTH, DEPTH = 0.01, 3

MINE = """
def smooth_l1(objective, theta, width=0.01):
    return ((theta**2 + width**2).sqrt() - width).sum(-1)
"""

CONTROL = """# @package _global_
control: smooth_l1
penalties: {smooth_l1: {_target_: mine_control.smooth_l1, width: 0.01}}
smooth_l1: geom:0.04:0.5:10
"""


def root(a: Any) -> Any:
    return np.sqrt(a**2 + WIDTH**2)


def strength(a: Any) -> Any:
    """c at which a is stationary: d𝓛/da = 0."""
    return a ** (DEPTH - 2) * (1 - a**DEPTH) * root(a)


def error(a: Any) -> Any:
    return 0.5 * (1 - a**DEPTH) ** 2


def penalty(a: Any) -> Any:
    return DEPTH * (root(a) - WIDTH)


def stiffness(a: Any) -> Any:
    """d²𝓛/da² there, for a step of unit length: along (1, …, 1)/√L."""
    of_error = DEPTH**2 * a ** (2 * DEPTH - 2) - DEPTH * (DEPTH - 1) * a ** (DEPTH - 2) * (1 - a**DEPTH)
    return (of_error + strength(a) * DEPTH * WIDTH**2 / root(a) ** 3) / DEPTH


FOLD = float(minimize_scalar(lambda a: -strength(a), bounds=(0.3, 1), method="bounded").x)
EQUAL = float(brentq(lambda a: error(a) + strength(a) * penalty(a) - 0.5, FOLD, 1))


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A loop, with noise that is strong enough to learn again on the way down."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "conf" / "control").mkdir(parents=True)
    (folder / "conf" / "control" / "smooth_l1.yaml").write_text(CONTROL)
    (folder / "mine_control.py").write_text(MINE)
    network = ("model=deep_linear", f"model.depth={DEPTH}", "model.width=3", "data.complexity=1")
    loop = ("protocol=loop", "protocol.perturbation=0.3", "seed=[0,1]", "callbacks=spectrum")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        where = (f"paths.outputs={folder / 'outputs'}", "campaign=own", "logger=none")
        chosen = ("--config-dir", str(folder / "conf"), "control=smooth_l1")
        assert main(["run", *chosen, *network, *loop, *where]) == 0
    return folder / "outputs" / "own"


@pytest.fixture(scope="module")
def records(campaign: Path) -> pl.DataFrame:
    return read_records(campaign)


@pytest.fixture(scope="module")
def report(campaign: Path) -> Report:
    return make_report(campaign)


def test_records_are_the_closed_form(records: pl.DataFrame) -> None:
    assert records.select("control", "held", "l2").unique().rows() == [("smooth_l1", None, 0.0)]
    assert records["stationary"].all()
    up = records.filter(pl.col("branch") == "up", pl.col("control_value") < strength(FOLD)).sort(
        "control_value"
    )
    assert up["control_value"].n_unique() > 6
    for row in up.iter_rows(named=True):
        a = brentq(lambda a, c=row["control_value"]: strength(a) - c, FOLD, 1)
        assert row["error"] == pytest.approx(error(a), abs=1e-9)
        assert row["penalty"] == pytest.approx(penalty(a), rel=1e-9)
        assert row["penalty_gradient"] == pytest.approx(DEPTH**0.5 * a / root(a), rel=1e-6)
        assert row["loss"] == pytest.approx(row["error"] + row["control_value"] * row["penalty"], rel=1e-12)
        assert row["soft_mode"] == pytest.approx(stiffness(a), rel=1e-6)
        assert row["loss_hessian_min"] <= row["soft_mode"] * (1 + 1e-9)
        assert (row["negative_modes"], row["zero_modes"]) == (0, 0)


def test_the_jump_is_where_the_fold_is(report: Report) -> None:
    onset = report.found.transitions.filter(branch="up").row(0, named=True)
    assert onset["control_low"] < strength(FOLD) < onset["control_high"]
    assert (onset["order"], onset["seeds"]) == (1, 2)


def test_phases_coexist_where_both_have_the_same_loss(records: pl.DataFrame) -> None:
    (found,) = coexistence(records).rows(named=True)
    assert found["control_coexistence"] == pytest.approx(
        strength(EQUAL), abs=3 * found["control_coexistence_error"]
    )
    assert found["control_coexistence_error"] < 1e-3
    assert found["error_learned"] == pytest.approx(error(EQUAL), rel=1e-2)


def test_loops_have_the_area_of_their_penalty(records: pl.DataFrame) -> None:
    (found,) = hysteresis(records).filter(feature=1).rows(named=True)
    assert found["area"] > 2 * found["area_error"]  # which the coarse grid leaves open
    path = np.sort(records["control_value"].unique().to_numpy())
    learned = path[(found["control_down"] < path) & (path < strength(FOLD))]
    at = [brentq(lambda a, c=c: strength(a) - c, FOLD, 1) for c in learned]
    inside = np.trapezoid([penalty(a) for a in at], learned)
    outside = np.diff(path).max() * penalty(at[0]) * 2  # within the two brackets
    assert inside < found["area"] < inside + outside


def test_theory_of_l2_keeps_silent(records: pl.DataFrame, report: Report) -> None:
    assert deep_linear(records.filter(branch="up")) is None
    assert report.found.transitions["control_exact"].null_count() == len(report.found.transitions)


def test_the_report_is_in_terms_of_the_control_parameter(report: Report) -> None:
    page = report.page.read_text(encoding="utf-8")
    assert "𝓛(θ) = E(θ) + c·P(θ), P = smooth_l1" in page
    assert "smooth_l1 measured" in page
    assert "λ" not in page
    assert "‖θ‖²" not in page


def test_wandb_draws_against_the_control_parameter(campaign: Path, records: pl.DataFrame) -> None:
    ((job, _),) = jobs_of(campaign)
    configuration = job.configuration
    for run in (*runs_of(records, job), *curve_runs(records, job)):
        assert run.config["control"] == "smooth_l1"
        assert run.config["smooth_l1"] == configuration["smooth_l1"]
        assert "smooth_l1=0.04…0.5" in run.name
        rows = [row for stage in run.history.values() for row in stage if "error" in row]
        assert {axis_of("error", row) for row in rows} == {"smooth_l1"}
        assert {row["smooth_l1"] for row in rows} <= {*configuration["smooth_l1"]}
        assert all("penalty" in row and "control_value" not in row for row in rows)
