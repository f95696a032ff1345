"""The report of campaigns that are no branches: held until they left, looped under noise, trained."""

from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spinodal.report import Report, make_report
from spinodal.report.argument import seen
from spinodal.report.numbers import number, with_error, with_factor
from spinodal.report.page import Picture
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


def figures(report: Report, section: str) -> list[Picture]:
    """The pictures of a section, drawn in all formats."""
    found = [picture for name, picture in report.pictures if name == section]
    assert all(Path(f"{picture.path}.{each}").exists() for picture in found for each in ("png", "pdf"))
    return found


def texts(report: Report) -> set[str]:
    """All cells of all tables on the page."""
    tables = [table for _, section in report.sections for table in section.tables]
    cells = (cell for table in tables for group in table.shown for row in group.rows for cell in row)
    return {cell if isinstance(cell, str) else cell.text for cell in cells}


def test_escapes_have_their_section_table_and_figure(campaign) -> None:
    report = make_report(campaign(held()))
    (law,) = report.found.arrhenius.rows(named=True)
    assert abs(law["barrier"] - law["barrier_exact"]) < 4 * law["barrier_error"]
    (picture,) = figures(report, "escape")
    page = report.page.read_text()
    assert "Escape from metastable phases" in page
    assert "of the exact 0.013898" in picture.caption
    assert picture.caption in unescape(page)
    assert "no transition was found" not in page
    barrier = with_error(law["barrier"], law["barrier_error"])
    assert {barrier, "0.013898", with_error(law["kramers_ratio"], law["kramers_ratio_error"])} <= texts(
        report
    )
    assert {number(time) for time in report.found.escape_times["mean_time"]} <= texts(report)
    assert {"5.00", "6.00", "7.00"} <= texts(report)  # ΔV/T
    for name in ("escape_times", "arrhenius"):
        assert report.page.parent / f"{name}.csv" in report.csvs


@pytest.mark.usefixtures("unpainted")
def test_verdicts_lead_to_the_figures_of_holds_and_of_trainings(campaign) -> None:
    report = make_report(campaign(held(), trained()))
    for section, count in (("escape", 1), ("grokking", 2)):
        verdicts = [each for each in report.found.verdicts if each.section == section]
        (picture,) = figures(report, section)
        assert [seen(report, each) for each in verdicts] == [picture.path] * count


@pytest.mark.usefixtures("unpainted")
def test_minibatches_that_never_leave_are_reported_as_such(campaign) -> None:
    never = {
        "temperature": None,
        "batch": 4,
        "escaped": False,
        "escape_time": 1e4,
        "effective_temperature": None,
    }
    report = make_report(campaign(held(**never)))
    assert report.found.arrhenius.is_empty()
    (picture,) = figures(report, "escape")
    assert "minibatches" in picture.title
    assert picture.caption == "0 of 300 replicas escaped."
    assert {"B = 4*", "∞"} <= texts(report)


def test_loops_under_noise_are_shown_both_as_branches_and_together(campaign) -> None:
    report = make_report(campaign(looped()))
    onsets = report.found.onset_under_noise
    assert onsets["control_up"].to_list() == pytest.approx([np.sqrt(0.2 * 0.25)] * 2)
    assert onsets["control_down"].to_list() == pytest.approx([np.sqrt(0.1 * 0.2)] * 2)
    (picture,) = figures(report, "noise")
    assert "is 0.08 ± 0.05 wide in λ at T = 0.001, and 0.08 ± 0.05 at T = 0.002" in picture.caption
    assert {"0.22 ± 0.02", "0.14 ± 0.05", "0.2236"} <= texts(report)
    assert {network.name.data for network in report.campaign.networks} == {
        "linear teacher, K = 1, T = 0.001",
        "linear teacher, K = 1, T = 0.002",
    }
    # At T > 0 the spinodals of noiseless branches are no prediction.
    assert report.found.transitions["status"].is_null().all()
    assert "Hysteresis under noise" in report.page.read_text()
    assert report.found.hysteresis.is_empty()
    assert not figures(report, "hysteresis")


@pytest.mark.usefixtures("unpainted")
def test_loops_with_and_without_noise_are_kept_apart(campaign) -> None:
    still = {"temperature": None, "time_step": None, "hold_time": None, "curve": "s", "job": "s"}
    rows = [row | still | {"point": f"s{row['seed']}"} for row in looped() if row["temperature"] == 0.001]
    report = make_report(campaign([*looped(), *rows]))
    assert report.found.onset_under_noise["temperature"].to_list() == [0.001, 0.002]
    assert len(figures(report, "noise")) == 1
    loops = report.found.hysteresis
    assert loops["temperature"].is_null().all()
    (curve,) = {curve.name.data for curve in report.campaign.curves if len(curve.of(report.found.quiet))}
    assert curve == "linear teacher, K = 1"


def test_training_is_no_branch_and_has_a_section(campaign) -> None:
    report = make_report(campaign(trained()))
    assert report.campaign.networks == []
    (picture,) = figures(report, "grokking")
    found = "fitted after 95.5 ×/÷ 3.16 steps, generalised after 794 ×/÷ 3.16 (2 of 2 seeds)"
    assert found in picture.caption
    assert any(found in line for line in report.results)
    page = report.page.read_text()
    assert "Grokking" in page
    assert "not stationary" not in page
    (row,) = report.found.grokking.rows(named=True)
    assert {"95.5 ×/÷ 3.16", "2/2", with_factor(row["delay"], row["delay_factor"])} <= texts(report)


def test_trainings_at_several_l2_are_compared_in_a_figure_of_their_own(campaign) -> None:
    """Twice the λ in half the steps."""
    later = [
        row | {"l2": 2e-4, "trained_steps": row["trained_steps"] // 2, "point": f"{row['point']}-2"}
        for row in trained()
        if row["stage"]
    ]
    report = make_report(campaign(trained(), later))
    network, times = figures(report, "grokking")
    assert "λ = 0.0002: fitted after" in network.caption
    (row,) = report.found.delays.rows(named=True)
    exponent = with_error(row["generalise_exponent"], row["generalise_exponent_error"])
    assert f"generalises after λ^({exponent})" in times.caption
    assert any(exponent in line for line in report.results)
