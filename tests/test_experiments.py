"""What the experiments claim, of the experiments themselves: run whole, each as a user would, with -m slow."""

import os

import polars as pl
import pytest

from spinodal import find
from spinodal.analysis import agreement, coexistence, compare, find_transitions, hysteresis
from spinodal.cli import main
from spinodal.records import read_records

pytestmark = pytest.mark.slow


@pytest.fixture
def records(tmp_path, monkeypatch):
    """Runs an experiment and reads what it has recorded."""
    monkeypatch.setenv("SPINODAL_OUTPUTS", str(tmp_path))

    def run(experiment, *overrides):
        assert main(["run", f"experiment={experiment}", "logger=none", *overrides]) == 0
        table = read_records(tmp_path / experiment)
        assert table["stationary"].all()
        assert table["minimum"].all()
        return table

    return run


def agree(table, jumps):
    """E alone and R alone jump at the same λ, within one spacing of the grid, in every seed."""
    found = agreement(table)
    assert len(found) == jumps
    assert found["agrees"].all()


def test_curvature_jumps_where_the_error_does(records):
    table = records("curvature")
    agree(table, jumps=5 * 3 * (1 + 3 + 5))
    unlearned = table.filter(pl.col("learned_features") == 0)
    assert unlearned["scalar_curvature"].abs().max() < 1e-6
    assert compare(find_transitions(table), table)["inside"].all()


def test_of_digits_too(records):
    agree(records("curvature_digits"), jumps=3 * 3)


def test_more_complex_data_has_more_transitions_where_predicted(records):
    """In every seed: K of them, each bracket of relative width 1e-4 around the exact spinodal."""
    table = records("complexity")
    for seed in range(5):
        own = table.filter(seed=seed)
        found = compare(find_transitions(own), own)
        assert found["status"].eq("matched").all()
        assert found["order"].eq(1).all()
        assert found["inside"].all()
        assert (found["control_high"] / found["control_low"]).log().max() <= 1.0001e-4
        counts = found.group_by("depth", "complexity").len().sort("depth", "complexity")
        assert counts.rows() == [(depth, features, features) for depth in (3, 4) for features in range(1, 6)]


def test_one_hidden_layer_has_kinks_and_more_have_jumps(records):
    table = records("order")
    found = compare(find_transitions(table), table)
    assert found["status"].eq("matched").all()
    assert found["seeds"].eq(5).all()
    assert found.sort("depth", "location")["order"].to_list() == [2, 2, *6 * [1]]
    kinks = found.filter(depth=2).sort("location")["location"].to_list()
    assert kinks == pytest.approx([0.25, 0.5], rel=1e-4)


@pytest.mark.parametrize("axis", ["width", "samples"])
def test_transitions_are_where_predicted_at_any(axis, records):
    table = records(f"order_{axis}")
    for seed in range(5):
        own = table.filter(seed=seed)
        found = compare(find_transitions(own), own)
        assert found["status"].eq("matched").all()
        assert found["inside"].all()


def test_only_deep_networks_have_hysteresis(records):
    found = hysteresis(records("hysteresis"))
    assert found["depth"].to_list() == [2, 2, 3, 3, 4, 4]
    flat, deep = found.filter(depth=2), found.filter(pl.col("depth") > 2)
    assert (flat["area"].abs() <= 2 * flat["area_error"]).all()
    assert flat["area_error"].max() < 1e-6
    assert (deep["area"] > 20 * deep["area_error"]).all()
    assert (deep["reach_deviation"].abs() < 3).all()


def test_phases_coexist_where_theory_has_it(records):
    found = coexistence(records("coexistence"))
    assert len(found) == 8  # two depths, two sets of strengths, two transitions each
    assert (found["control_coexistence"] / found["control_exact"] - 1).abs().max() < 1e-3


def test_digits_have_a_transition_for_each_class_but_one(records):
    """Deep linear networks near the estimate from measured strengths and variances; tanh networks as often."""
    table = records("digits_complexity", "data.complexity=1,2,4")
    found = compare(find_transitions(table), table)
    linear, tanh = (found.filter(activation=name) for name in ("linear", "tanh"))
    assert linear["status"].eq("matched").all()
    assert linear["deviation_percent"].abs().max() < 5
    large = tanh.filter(pl.col("learned_features_before") > pl.col("learned_features_after"))
    for rows in (linear, large):
        counts = rows.group_by("complexity").len().sort("complexity").rows()
        assert counts == [(1, 1), (2, 2), (4, 4)]


@pytest.mark.skipif(
    "SPINODAL_MNIST" not in os.environ, reason="SPINODAL_MNIST names no folder with IDX files"
)
def test_mnist_loses_nine_features_one_by_one(records):
    """So a survey suggests; of that, nothing is evidence."""
    table = records("mnist", f"data.path={os.environ['SPINODAL_MNIST']}").sort("l2")
    assert table["rank"].to_list() == sorted(table["rank"], reverse=True)
    assert table["scalar_curvature"].is_finite().all()
    found = find(table)
    sides = found.survey.filter("jumps").select("rank_before", "rank_after", "transition").rows()
    assert sides == [(rank, rank - 1, None) for rank in range(9, 0, -1)]
    assert found.transitions["location"].is_null().all()
