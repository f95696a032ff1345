"""The report of campaigns that are no branches: held until they left, looped under noise, trained."""

from typing import Any

import numpy as np
import pytest

from spinodal.report import make_report
from spinodal.theory import escapes

NETWORK = {
    "task": "linear_teacher",
    "error_name": "squared",
    "complexity": 1,
    "noise": 0.0,
    "samples": 2,
    "activation": "linear",
    "bias": False,
    "depth": 3,
    "width": 1,
    "parameters": 3,
    "strengths": [1.0],
    "variances": [1.0],
    "stationary": True,
    "minimum": True,
    "curve": "c",
    "job": "j",
    "time_step": 0.25,
}


def held(**columns: Any) -> list[dict[str, Any]]:
    """Replicas that leave as Kramers says."""
    random, (way,) = np.random.default_rng(0), escapes(0.15, 0, [1.0], (1, 1, 1, 1))
    rows = []
    for temperature in way.barrier / np.array([5.0, 6.0, 7.0]):
        for seed in range(100):
            time = random.exponential(float(way.time(temperature)))
            rows.append(
                NETWORK
                | {
                    "point": f"{temperature}-{seed}-{columns}",
                    "branch": "escape",
                    "stage": 0,
                    "stages": 1,
                    "seed": seed,
                    "l2": 0.15,
                    "error": 0.06 if time < 1e4 else 0.5,
                    "start_phase": 0,
                    "temperature": float(temperature),
                    "escaped": bool(time < 1e4),
                    "escape_time": float(np.ceil(min(time, 1e4) / 25) * 25),
                    "escape_resolution": 25.0,
                }
                | columns
            )
    return rows


def looped() -> list[dict[str, Any]]:
    path = [0.1, 0.2, 0.25, 0.2, 0.1]
    return [
        NETWORK
        | {
            "point": f"{temperature}",
            "branch": "up" if stage < 3 else "down",
            "stage": stage,
            "stages": 5,
            "seed": 0,
            "l2": l2,
            "error": 0.06 if alive else 0.5,
            "accuracy": 0.9 * alive,
            "norm": 1.5 * alive,
            "learned_features": alive,
            "temperature": temperature,
            "hold_time": 100.0,
        }
        for temperature in (0.001, 0.002)
        for stage, (l2, alive) in enumerate(zip(path, (1, 1, 0, 0, 1), strict=True))
    ]


def trained() -> list[dict[str, Any]]:
    return [
        {
            "point": f"{seed}",
            "task": "modular_addition",
            "activation": "gelu",
            "branch": "train",
            "stage": stage,
            "stages": 4,
            "seed": seed,
            "l2": 1e-4,
            "trained_steps": 10**stage,
            "accuracy": min(1.0, 0.5 * stage),
            "test_accuracy": float(stage == 3),
            "norm": 3.0,
            "scalar_curvature": -1.0 * stage,
            "stationary": False,
            "curve": "t",
            "job": "t",
        }
        for seed in range(2)
        for stage in range(4)
    ]


def test_escapes_have_their_section_table_and_figure(campaign) -> None:
    report = make_report(campaign(held()))
    (hold,) = report.holds
    assert hold.law is not None
    assert abs(hold.law["barrier"] - hold.law["barrier_exact"]) < 4 * hold.law["barrier_error"]
    assert (
        hold.figure.with_suffix(".png").exists()
        or hold.figure.parent.joinpath(f"{hold.figure.name}.png").exists()
    )
    page = report.page.read_text()
    assert "Escape from metastable phases" in page
    assert "of the exact 0.013898" in page
    assert "no transition was found" not in page
    assert (report.page.parent / "escape_times.csv").exists()


def test_minibatches_that_never_leave_are_told_as_such(campaign) -> None:
    never = {
        "temperature": None,
        "batch": 4,
        "escaped": False,
        "escape_time": 1e4,
        "effective_temperature": None,
    }
    report = make_report(campaign(held(**never)))
    (hold,) = report.holds
    assert "minibatches" in hold.name
    assert hold.told == "0 of 300 replicas escaped"


def test_loops_under_noise_are_told_both_as_branches_and_together(campaign) -> None:
    report = make_report(campaign(looped()))
    (loops,) = report.noisy_loops
    assert loops.onsets["l2_up"].to_list() == pytest.approx([np.sqrt(0.2 * 0.25)] * 2)
    assert loops.onsets["l2_down"].to_list() == pytest.approx([np.sqrt(0.1 * 0.2)] * 2)
    assert len(report.groups) == 2
    assert {group.name.data for group in report.groups} == {
        "linear teacher, K = 1, T = 0.001",
        "linear teacher, K = 1, T = 0.002",
    }
    # At T > 0 the spinodals of noiseless branches are no prediction.
    assert report.groups[0].transitions["status"].is_null().all()
    assert "Hysteresis under noise" in report.page.read_text()
    assert report.hysteresis is None


def test_loops_with_and_without_noise_are_told_apart(campaign) -> None:
    still = {"temperature": None, "time_step": None, "hold_time": None, "curve": "s", "job": "s"}
    rows = [row | still | {"point": f"s{row['seed']}"} for row in looped() if row["temperature"] == 0.001]
    report = make_report(campaign([*looped(), *rows]))
    (loops,) = report.noisy_loops
    assert loops.onsets["temperature"].to_list() == [0.001, 0.002]
    (network,) = report.hysteresis.networks
    assert network.group.name.data == "linear teacher, K = 1"
    assert network.loops["temperature"].is_null().all()


def test_training_is_no_branch_and_has_a_section(campaign) -> None:
    report = make_report(campaign(trained()))
    assert report.groups == []
    (grokking,) = report.grokking
    assert "fitted after 95.5 ×/÷ 3.16 steps, generalised after 794 ×/÷ 3.16 (2 of 2 seeds)" in grokking.told
    page = report.page.read_text()
    assert "Grokking" in page
    assert "not stationary" not in page
