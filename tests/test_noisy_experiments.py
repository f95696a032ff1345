"""What the experiments on escape and grokking claim, of the experiments themselves: run whole, with -m slow."""

import numpy as np
import polars as pl
import pytest
from scipy.optimize import root

from spinodal.analysis import (
    arrhenius_laws,
    control_exponents,
    escape_times,
    grokking,
    held,
    milestones,
    noise_ratios,
    onset_under_noise,
)
from spinodal.cli import main
from spinodal.records import read_records

pytestmark = pytest.mark.slow

# Standard errors that what is measured may be off by.
ERRORS = 3


@pytest.fixture
def records(tmp_path, monkeypatch):
    """Runs an experiment and reads what it has recorded."""
    monkeypatch.setenv("SPINODAL_OUTPUTS", str(tmp_path))

    def run(experiment, *overrides):
        assert main(["run", f"experiment={experiment}", "logger=none", *overrides]) == 0
        return read_records(tmp_path / experiment)

    return run


def laws(table):
    """Of each hold, and its mean times."""
    times = escape_times(held(table))
    return arrhenius_laws(held(table), times), times


def within(value, expected, error, most):
    """Whether a number is as expected, up to a fraction of it or to its own error."""
    print(f"{value / expected:.4f} ± {error / expected:.4f} of what is expected")
    return abs(value - expected) < max(most * expected, ERRORS * error)


# Escape.


def test_escape_follows_arrhenius_with_the_exact_barrier(records) -> None:
    found, times = laws(records("escape"))
    assert len(found) == 2
    for row in found.iter_rows(named=True):
        assert within(row["slope"], row["barrier_exact"], row["slope_error"], 0.03)
        assert within(row["kramers_ratio"], 1.0, row["kramers_ratio_error"], 0.25)
    pairs = [part["mean_time"].log().to_numpy() for part in times.partition_by("time_step")]
    errors = [part["log_error"].to_numpy() for part in times.partition_by("time_step")]
    off = (pairs[0] - pairs[1]) / np.hypot(*errors)
    print("two time steps differ by", off.round(2), "errors")
    assert (off**2).sum() < 17  # of 6 temperatures: one in a hundred
    assert times["mean_time"].max() > 30 * times["mean_time"].min()


def test_wider_networks_need_the_orbit_of_the_saddle(records) -> None:
    found, times = laws(records("escape_width"))
    assert found["power"].to_list() == [1, 3]
    for row, bare in zip(found.sort("width").iter_rows(named=True), (0.95, 0.75), strict=True):
        assert row["slope"] < bare * row["barrier_exact"]
        # The slope of T^{d/2} e^{ΔV/T} is ΔV − (d/2)·T.
        used = times.filter(pl.col("evidence"), pl.col("width") == row["width"])["temperature"].mean()
        assert within(row["slope"] + row["power"] * used, row["barrier_exact"], row["slope_error"], 0.1)
        assert within(row["barrier"], row["barrier_exact"], row["barrier_error"], 0.1)


def test_from_the_learned_state_no_orbit_is_needed(records) -> None:
    found, _ = laws(records("escape_learned"))
    assert found["power"].to_list() == [0, 0]
    for row in found.iter_rows(named=True):
        assert within(row["slope"], row["barrier_exact"], row["slope_error"], 0.1)


def test_minibatches_leave_the_learned_phase_and_never_the_unlearned_one(records) -> None:
    _, times = laws(records("escape_minibatch"))
    unlearned, learned = (times.filter(pl.col("start_phase") == phase) for phase in (0, 1))
    assert unlearned["escaped"].sum() == 0
    assert unlearned["replicas"].min() == 100
    hot = learned.drop_nulls("temperature").sort("batch")
    assert hot["temperature"].is_sorted(descending=True)
    assert hot.filter(pl.col("evidence"))["mean_time"].is_sorted()


def test_a_tanh_network_has_a_barrier_of_its_own(records) -> None:
    found, _ = laws(records("escape_tanh"))
    linear, tanh = found.sort("activation").iter_rows(named=True)
    exact = saddle_of_tanh(linear["l2"]) - 0.5
    assert within(linear["slope"], linear["barrier_exact"], linear["slope_error"], 0.03)
    assert within(tanh["slope"], exact, tanh["slope_error"], 0.03)
    assert tanh["barrier_exact"] is None
    assert tanh["slope"] > linear["barrier_exact"] + 2 * tanh["slope_error"]


def saddle_of_tanh(l2):
    """𝓛 of the saddle between θ = 0 and the learned state, width 1: the root of ∇𝓛 near the linear network's."""

    def gradient(theta):
        w1, w2, w3 = theta
        h1 = np.tanh(w1)
        h2 = np.tanh(w2 * h1)
        miss, slope1, slope2 = w3 * h2 - 1, 1 - h1**2, 1 - h2**2
        return (
            np.array([miss * w3 * slope2 * w2 * slope1, miss * w3 * slope2 * h1, miss * h2]) + 2 * l2 * theta
        )

    found = root(gradient, [0.31, 0.31, 0.31], tol=1e-12)
    assert found.success
    assert found.x.min() > 0.1
    w1, w2, w3 = found.x
    return 0.5 * (1 - w3 * np.tanh(w2 * np.tanh(w1))) ** 2 + l2 * (found.x**2).sum()


def test_hysteresis_closes_as_noise_grows(records) -> None:
    onsets = onset_under_noise(records("hysteresis_noise")).sort("temperature")
    width = (onsets["control_up"] - onsets["control_down"]).drop_nulls()
    print(onsets.select("temperature", "control_up", "control_down"))
    assert len(width) >= 4
    assert width[-1] < 0.5 * width[0]


# Grokking.


def test_modular_addition_is_generalised_long_after_it_was_fitted(records) -> None:
    marks = milestones(records("grokking"))
    found = grokking(marks)
    print(found.select("l2", "fit_steps", "leave_steps", "generalise_steps", "delay", "delay_factor"))
    assert (found["generalised"] == found["seeds"]).all()
    assert (found["delay"] > 10).all()
    (row,) = control_exponents(marks).iter_rows(named=True)
    print(f"leaves after λ^({row['leave_exponent']:.3f} ± {row['leave_exponent_error']:.3f})")
    assert row["leave_exponent"] < -ERRORS * row["leave_exponent_error"]


def test_few_samples_are_fitted_early_and_generalised_late_in_time_to_the_l2_term(records) -> None:
    marks = milestones(records("grokking_sparse"))
    found = grokking(marks).sort("samples", "l2")
    print(found.select("samples", "l2", "fit_steps", "generalise_steps", "delay", "delay_factor"))
    print(found.select("samples", "l2", "test_error_plateau", "test_error_end", "error_end"))
    assert (found["generalised"] == found["seeds"]).all()
    few, some, all_ = found.partition_by("samples", maintain_order=True)
    assert few["delay"].min() > 50
    assert some["delay"].min() > 10
    assert all_["delay"].max() < 5
    assert (found["test_error_end"] < found["test_error_plateau"] / 10).all()
    for row in control_exponents(marks).filter(pl.col("samples") < 500).iter_rows(named=True):
        assert within(-row["generalise_exponent"], 1.0, row["generalise_exponent_error"], 0.1)


@pytest.mark.parametrize("experiment", ["grokking_noise", "grokking_sparse_noise"])
def test_langevin_noise_does_not_shorten_the_plateau(records, experiment) -> None:
    """Without noise networks generalise as well, and with it no sooner: the plateau is no metastable minimum."""
    marks = milestones(records(experiment))
    found, ratios = grokking(marks).sort("temperature"), noise_ratios(marks)
    print(ratios.select("temperature", "leave_ratio", "leave_factor", "generalise_ratio", "generalise_pairs"))
    assert found["temperature"][0] == 0
    assert found["generalised"][0] == found["seeds"][0]
    assert (ratios["leave_ratio"] > 0.8).all()


def test_minibatches_slow_adam_down_in_fitting_and_leaving_alike(records) -> None:
    ratios = noise_ratios(milestones(records("grokking_minibatch"))).sort("batch")
    print(ratios.select("batch", "fit_ratio", "leave_ratio", "generalise_ratio", "generalise_pairs"))
    for name in ("fit_ratio", "leave_ratio"):
        assert ratios[name].is_sorted(descending=True)
        assert (ratios[name] > 1).all()
