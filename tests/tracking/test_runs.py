"""What W&B is told, as a function of the records."""

import math
import statistics

import polars as pl
import pytest

from spinodal.records import COLUMNS, OBSERVED, SCHEMA, with_control
from spinodal.theory import coexistence, spinodal
from spinodal.tracking.jobs import Job
from spinodal.tracking.metrics import axis_of, means, survival
from spinodal.tracking.runs import runs_of

CONFIGURATION = {
    "data": {"complexity": 2},
    "model": {"depth": 3},
    "l2": [0.1, 0.2],
    "paths": {"campaign": "/home/somebody/outputs/c"},
    "logger": {"mode": "offline"},
}


def row(**columns):
    return {
        "point": "0123456789ab",
        "curve": "c",
        "job": "j",
        "campaign": "c",
        "task": "linear_teacher",
        "error_name": "squared",
        "complexity": 2,
        "noise": 0.0,
        "samples": 12,
        "activation": "linear",
        "bias": False,
        "depth": 3,
        "width": 4,
        "branch": "up",
        "seed": 2,
        "stage": 0,
        "stages": 2,
        "l2": 0.1,
        "error": 0.25,
        "overlaps": [0.9, 0.5],
        "strengths": [1.0, 0.6],
        "variances": [1.0, 1.0],
        "stationary": True,
        "minimum": True,
        "steps": 100,
        "training_steps": [50, 100],
        "training_loss": [0.5, 0.25],
        "training_grad_max": [0.125, 0.0],
    } | columns


def table(*rows):
    return with_control(pl.DataFrame([row(**each) for each in rows], schema=SCHEMA))


def all_runs(table, unit="replica", **configuration):
    return list(runs_of(table, Job({**CONFIGURATION, "logger": {"unit": unit}, **configuration})))


def the_run(*rows, unit="replica"):
    (run,) = all_runs(table(*rows), unit)
    return run


def test_a_replica_is_named_for_people():
    run = the_run({"stage": 0}, {"stage": 1, "l2": 0.2})
    assert run.name == "K=2 L=3 λ=0.1…0.2 up seed 2"
    assert (run.group, run.job_type) == ("c", "replica")
    assert set(run.tags) == {"linear_teacher", "linear", "up", "K=2", "L=3", "width 4"}
    assert the_run({"stages": 1, "branch": "quench", "l2": 0.05}).name == "K=2 L=3 λ=0.05 quench seed 2"


def test_the_same_point_is_the_same_run_and_only_in_its_campaign():
    run = the_run({})
    assert run.id == the_run({"stage": 1, "error": 0.5, "job": "another"}).id
    others = [{"point": "ba9876543210"}, {"branch": "down"}, {"campaign": "d"}]
    assert len({run.id, *(the_run(other).id for other in others)}) == 4
    assert run.id.startswith("0123456789ab-up-")


def test_a_loop_is_a_run_for_each_branch():
    up, down = all_runs(
        table(
            {"stage": 0, "l2": 0.1, "stages": 3},
            {"stage": 1, "l2": 0.2, "stages": 3},
            {"stage": 2, "l2": 0.1, "stages": 3, "branch": "down"},
        )
    )
    assert [up.config["branch"], down.config["branch"]] == ["up", "down"]
    assert list(up.history) == [0, 1]
    assert list(down.history) == [2]
    assert up.complete
    assert down.complete


def test_each_stage_tells_its_training_curve_and_every_observable():
    run = the_run(
        {}, {"stage": 1, "l2": 0.2, "error": 0.5, "minimum": None, "training_grad_max": [math.inf, 0.0]}
    )
    first, second = run.history.values()
    assert first == [
        {"training/steps": 50, "training/loss": 0.5, "training/grad_max": 0.125},
        {
            "training/steps": 100,
            "training/loss": 0.25,
            "training/grad_max": 0.0,
            "stage": 0,
            "l2": 0.1,
            "error": 0.25,
            "overlaps/1": 0.9,
            "overlaps/2": 0.5,
            "stationary": 1,
            "minimum": 1,
            "steps": 100,
        },
    ]
    # Steps are counted from the start of the branch; what is not finite or not known is left out.
    assert second[0] == {"training/steps": 150, "training/loss": 0.5}
    assert "minimum" not in second[-1]


def test_every_measured_column_is_an_observable():
    """A column added to the records goes to W&B without anybody doing anything."""
    numeric = {column.name for column in COLUMNS if column.dtype in {pl.Float64, pl.Boolean}}
    asked_for = {"noise", "bias", "init_scale", "lr", "perturbation", "temperature", "time_step", "hold_time"}
    assert numeric - asked_for <= set(OBSERVED)


@pytest.mark.parametrize(("columns", "axis"), [({}, "l2"), ({"trained_steps": 10}, "trained_steps")])
def test_each_metric_has_its_axis(columns, axis):
    (rows,) = the_run(columns).history.values()
    for row in rows:
        for name in row:
            assert axis_of(name, row) == ("training/steps" if name.startswith("training/") else axis)


def test_what_is_not_a_number_is_not_told():
    (rows,) = the_run({"effective_temperature": math.nan, "error": math.inf, "norm": 1.0}).history.values()
    assert not {"effective_temperature", "error"} & rows[-1].keys()
    assert rows[-1]["norm"] == 1.0


def test_stages_come_in_the_order_of_the_path_bisected_or_not():
    path = [{"stage": stage, "l2": l2} for stage, l2 in enumerate((0.1, 0.4, 0.2, 0.3))]
    assert list(the_run(*(row | {"refine": 1} for row in path)).history) == [0, 2, 3, 1]
    assert list(the_run(*path).history) == [0, 1, 2, 3]
    rows = [
        {"stage": stage, "l2": l2, "branch": "down", "refine": 1} for stage, l2 in enumerate((0.4, 0.1, 0.2))
    ]
    assert list(the_run(*rows).history) == [0, 2, 1]


def test_the_configuration_is_scientific_resolved_and_says_what_is_predicted():
    config = the_run({}, {"stage": 1, "l2": 0.2}).config
    assert config["data"] == {"complexity": 2}
    assert (config["depth"], config["seed"], config["l2"]) == (3, 2, [0.1, 0.2])
    assert config["strengths"] == [1.0, 0.6]
    assert config["predicted"]["spinodal"] == pytest.approx(spinodal([1.0, 0.6], 3))
    assert config["predicted"]["coexistence"] == pytest.approx(coexistence([1.0, 0.6], 3))
    assert not {"paths", "logger", "sweep"} & config.keys()
    assert "predicted" not in the_run({"activation": "tanh"}).config
    assert the_run({"stages": 1}).config["l2"] == 0.1


def test_complete_means_every_stage():
    assert not the_run({}).complete
    assert not the_run({"stages": None}).complete
    assert the_run({}, {"stage": 1}).complete
    saddle = the_run({}, {"stage": 1, "minimum": False})
    told = {"complete": True, "rows": 2, "minima": 1, "best/error": 0.25}
    assert saddle.summary == told


def test_means_are_of_minima_and_have_their_standard_errors():
    errors = [0.1, 0.4, 0.25]
    rows = [{"error": error, "learned_features": 1, "seed": seed} for seed, error in enumerate(errors)]
    unsettled = [
        {"error": 100.0, "seed": 7, "stationary": False},
        {"error": 100.0, "seed": 8, "minimum": False},
    ]
    (told,) = means(table(*rows, *unsettled)).iter_rows(named=True)
    assert (told["replicas"], told["minima"]) == (5, 3)
    assert told["error"] == pytest.approx(statistics.fmean(errors))
    assert told["error_se"] == pytest.approx(statistics.stdev(errors) / math.sqrt(3))
    assert told["learned_features"] == 1
    assert told["test_error"] is None


def test_a_job_has_a_run_for_each_strength_of_noise():
    held = {"branch": "escape", "stages": 1, "time_step": 0.25, "escaped": True}
    rows = [held | {"point": f"{t}-{s}", "seed": s, "temperature": t} for t in (0.1, 0.2) for s in (0, 1)]
    cold, hot = all_runs(table(*rows), "job")
    assert (cold.name, hot.name) == tuple(f"K=2 L=3 λ=0.1…0.2 T={t} escape 2 seeds" for t in (0.1, 0.2))
    assert cold.id != hot.id
    assert cold.config["temperature"] == 0.1
    assert cold.history[0.1, None][0]["replicas"] == 2


def test_a_job_tells_which_part_of_its_replicas_is_still_in_its_phase():
    held = {"branch": "escape", "stages": 1, "temperature": 0.1, "time_step": 0.25, "campaign": "c"}
    ends = [(10.0, True), (30.0, True), (20.0, False), (40.0, True), (50.0, False)]
    rows = [
        held | {"point": f"p{seed}", "seed": seed, "escape_time": time, "escaped": escaped}
        for seed, (time, escaped) in enumerate(ends)
    ]
    told = the_run(*rows, unit="job").history["escape/survival",]
    assert ("escape/survival",) not in the_run(*rows, rows[0] | {"stages": 2}, unit="job").history
    assert {axis_of("escape/survival", each) for each in told} == {"escape/time"}
    # Who was let go at 20 counts among those at risk until then, and not after.
    expected = {0: 1, 10: 4 / 5, 20: 4 / 5, 30: 8 / 15, 40: 4 / 15, 50: 4 / 15}
    assert {each["escape/time"]: each["escape/survival"] for each in told} == pytest.approx(expected)


def test_survival_is_thinned():
    rows = table(*({"escape_time": float(time), "escaped": True} for time in range(1, 1001)))
    told = survival(rows)
    assert len(told) == 65
    assert (told[0]["escape/survival"], told[-1]["escape/survival"]) == (1, 0)
    assert told[30]["escape/survival"] == pytest.approx(1 - told[30]["escape/time"] / 1000)


def test_of_a_training_there_are_means_at_every_look_though_nothing_is_relaxed():
    looks = [
        {"point": f"p{seed}", "seed": seed, "branch": "train", "stage": stage, "trained_steps": steps}
        | {"stationary": False, "minimum": None, "error": error}
        for seed, errors in enumerate([(1.0, 0.5), (3.0, 0.7)])
        for stage, (steps, error) in enumerate(zip((1, 10), errors, strict=True))
    ]
    run = the_run(*looks, unit="job")
    told = {each["trained_steps"]: each["error"] for stage in run.history.values() for each in stage}
    assert told == pytest.approx({1: 2.0, 10: 0.6})


def test_a_job_tells_of_a_stage_when_all_its_replicas_are_there():
    here = [{"point": point, "seed": seed} for seed, point in enumerate("ab")]
    rows = [*here, here[0] | {"stage": 1, "l2": 0.2}]
    half = the_run(*rows, unit="job")
    assert [place for place, _ in half.history] == [0.1]
    assert not half.complete
    full = the_run(*rows, here[1] | {"stage": 1, "l2": 0.2}, unit="job")
    assert [place for place, _ in full.history] == [0.1, 0.2]
    assert full.complete
    assert (full.id, full.name) == (half.id, "K=2 L=3 λ=0.1…0.2 up 2 seeds")
    assert full.config["seeds"] == [0, 1]
    assert "seed" not in full.config
