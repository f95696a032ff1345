"""Holding times drawn from known laws: estimates, intervals, the test of exponentiality, Arrhenius laws."""

import numpy as np
import polars as pl
import pytest

from spinodal import theory
from spinodal.analysis import arrhenius_laws, escape_times, onset_under_noise
from spinodal.analysis.holding_times import arrhenius, holding_time, shape, survival
from spinodal.records import SCHEMA, with_control

DELTA = 5.0


def drawn(seed, mean, count, longest, weibull=1.0):
    """Times of replicas looked at every Δ and let go at `longest`."""
    times = mean * np.random.default_rng(seed).weibull(weibull, count)
    left = times <= longest
    return np.where(left, np.ceil(times / DELTA) * DELTA, longest), left


@pytest.mark.parametrize("longest", [1e6, 100.0, 20.0])
def test_the_interval_covers_the_mean_however_many_were_let_go(longest: float) -> None:
    """Of 95 % intervals at least 95 % do; 400 of them can say that to 2 %. The mean is not biased by the looks."""
    found = [holding_time(*drawn(seed, 100.0, 50, longest), DELTA) for seed in range(400)]
    assert np.mean([each.low <= 100 <= each.high for each in found]) > 0.93
    logs = np.array([np.log(each.mean / 100) for each in found if each.left])
    scatter = np.median([each.log_error for each in found if each.left])
    assert logs.std() == pytest.approx(scatter, rel=0.25)
    assert abs(np.median(logs)) < 3 * 1.25 * scatter / 20 + 0.02


def test_who_has_not_seen_anybody_leave_knows_a_lower_bound() -> None:
    none = holding_time(np.full(10, 100.0), np.zeros(10, bool), DELTA)
    assert none.mean == none.high == none.log_error == np.inf
    # 200 looks at p with (1 − p)^200 = 0.025.
    assert none.low == pytest.approx(-DELTA / np.log(0.025 ** (1 / 200)))
    assert shape(np.full(10, 100.0), np.zeros(10, bool), DELTA) is None


@pytest.mark.parametrize("longest", [1e6, 100.0])
def test_exponential_times_pass_the_test_as_often_as_it_says(longest: float) -> None:
    found = [shape(*drawn(seed, 100.0, 200, longest), DELTA) for seed in range(300)]
    assert 0.02 < np.mean([each.p_value < 0.05 for each in found]) < 0.09
    assert np.mean([each.value for each in found]) == pytest.approx(1, abs=0.04)


@pytest.mark.parametrize("weibull", [0.7, 1.4])
def test_other_times_do_not(weibull: float) -> None:
    found = [shape(*drawn(seed, 100.0, 200, 150.0, weibull), DELTA) for seed in range(50)]
    assert np.mean([each.value for each in found]) == pytest.approx(weibull, rel=0.12)  # the looks are coarse
    assert np.mean([each.p_value < 0.05 for each in found]) > 0.9


def test_a_straight_line_is_found_with_its_errors() -> None:
    random, temperatures = np.random.default_rng(0), np.array([0.1, 0.12, 0.15, 0.2])
    errors, pulls = np.array([0.05, 0.1, 0.02, 0.05]), []
    for _ in range(500):
        means = 3 * temperatures**1.5 * np.exp(0.7 / temperatures + errors * random.normal(size=4))
        law = arrhenius(temperatures, means, errors, 1.5)
        pulls.append(
            [
                (law.barrier - 0.7) / law.barrier_error,
                (law.log_prefactor - np.log(3)) / law.log_prefactor_error,
                law.chi_squared,
            ]
        )
    assert np.std(pulls, axis=0)[:2] == pytest.approx([1, 1], abs=0.1)
    assert np.mean(pulls, axis=0) == pytest.approx([0, 0, 2], abs=0.2)
    assert arrhenius(temperatures[:1], temperatures[:1], errors[:1]) is None


def test_survival_is_the_product_of_the_fractions_that_stay() -> None:
    """Five replicas, two of them let go: 1 − 1/5, times 1 − 1/3; without any let go it is the fraction left."""
    times = np.array([10.0, 20.0, 30.0, 30.0, 40.0])
    at, fraction = survival(times, np.array([True, False, True, False, False]))
    assert dict(zip(at, fraction, strict=True)) == pytest.approx(
        {0: 1, 10: 0.8, 20: 0.8, 30: 8 / 15, 40: 8 / 15}
    )
    at, fraction = survival(times, np.ones(5, bool))
    assert dict(zip(at, fraction, strict=True)) == pytest.approx({0: 1, 10: 0.8, 20: 0.6, 30: 0.2, 40: 0})


CONSTANT = {
    "task": "linear_teacher",
    "error_name": "squared",
    "complexity": 1,
    "noise": 0.0,
    "samples": 2,
    "activation": "linear",
    "bias": False,
    "depth": 3,
    "width": 2,
    "parameters": 8,
    "curve": "c",
    "strengths": [1.0],
    "variances": [1.0],
    "l2": 0.15,
    "time_step": 0.1,
}


def held_rows(temperature, mean, count=400, longest=3000.0, batch=None, **columns):
    times, left = drawn(int(1e6 * temperature), mean, count, longest)
    return [
        CONSTANT
        | {
            "point": f"{temperature}-{seed}",
            "branch": "escape",
            "seed": seed,
            "stage": 0,
            "start_phase": 0,
            "temperature": None if batch else temperature,
            "batch": batch,
            "effective_temperature": temperature * (1 + 0.1 * (-1) ** seed),
            "escaped": bool(left[seed]),
            "escape_time": float(times[seed]),
            "escape_resolution": DELTA,
        }
        | columns
        for seed in range(count)
    ]


def table(rows):
    return with_control(pl.DataFrame(rows, schema=SCHEMA))


def test_times_from_theorys_law_give_back_its_barrier() -> None:
    (way,) = theory.escapes(0.15, 0, [1.0], (1, 2, 2, 1))
    temperatures = way.barrier / np.array([7.0, 8.0, 9.0, 10.0])
    records = table([row for t in temperatures for row in held_rows(t, float(way.time(t)))])
    times = escape_times(records)
    assert times["mean_time_exact"].to_list() == pytest.approx(
        [float(way.time(t)) for t in sorted(temperatures)]
    )
    pulls = np.log(times["mean_time"] / times["mean_time_exact"]) / times["log_error"]
    assert pulls.abs().max() < 3.5
    assert times["evidence"].all()
    law = arrhenius_laws(records, times).row(0, named=True)
    assert law["power"] == 1
    assert law["barrier_exact"] == pytest.approx(way.barrier)
    assert abs(law["barrier"] - way.barrier) < 3 * law["barrier_error"]
    assert law["slope"] < way.barrier - 3 * law["slope_error"]
    assert abs(law["kramers_ratio"] - 1) < 3 * law["kramers_ratio_error"]


def test_what_leaves_at_once_or_hardly_ever_is_no_evidence() -> None:
    records = table([*held_rows(0.1, 8.0), *held_rows(0.01, 100.0), *held_rows(0.001, 1e6)])
    assert escape_times(records)["evidence"].to_list() == [False, True, False]


def test_minibatches_have_the_temperature_that_was_measured() -> None:
    records = table([*held_rows(0.002, 900.0, batch=8), *held_rows(0.004, 300.0, batch=4)])
    times = escape_times(records)
    assert times["batch"].to_list() == [8, 4]
    assert times["temperature"].to_list() == pytest.approx([0.002, 0.004])
    assert times["temperature_error"].to_list() == pytest.approx([1e-5, 2e-5], rel=0.01)


def test_no_theory_is_claimed_where_none_is_known() -> None:
    for columns in ({"activation": "tanh"}, {"noise": 0.1}, {"parameters": 9}, {"start_phase": None}):
        records = table([*held_rows(0.002, 900.0, **columns), *held_rows(0.004, 300.0, **columns)])
        times = escape_times(records)
        assert times["mean_time_exact"].is_null().all()
        law = arrhenius_laws(records, times).row(0, named=True)
        assert law["barrier_exact"] is None
        assert law["power"] == 0


def test_the_onset_under_noise_is_found_both_ways() -> None:
    up, down = np.geomspace(0.1, 0.3, 12), np.geomspace(0.3, 0.1, 12)
    rows = [
        CONSTANT
        | {
            "point": f"{seed}",
            "branch": way,
            "seed": seed,
            "stage": stage + 12 * (way == "down"),
            "l2": float(l2),
            "temperature": 0.001,
            "hold_time": 200.0,
            "stationary": True,
            "minimum": True,
            "learned_features": int(l2 < (0.22 if way == "up" else 0.13)),
        }
        for seed in range(3)
        for way, path in (("up", up), ("down", down))
        for stage, l2 in enumerate(path)
    ]
    (found,) = onset_under_noise(table(rows)).rows(named=True)
    assert found["control_up"] == pytest.approx(np.sqrt(up[up < 0.22][-1] * up[up > 0.22][0]))
    assert found["control_down"] == pytest.approx(np.sqrt(up[up < 0.13][-1] * up[up > 0.13][0]))
    assert found["seeds"] == 3
    # Kramers' own: what it takes for half to leave within some stages of 200.
    assert theory.spinodal(1.0, 3) * 0.9 < found["control_up_exact"] < 1.1 * theory.spinodal(1.0, 3)
    assert 0.1 < found["control_down_exact"] < 0.14
