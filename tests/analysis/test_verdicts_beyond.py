"""The same of hysteresis, escape and grokking."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from test_escape import held_rows
from test_escape import table as held_table
from test_verdicts import judged, records, the

from spinodal import theory
from spinodal.records import SCHEMA

Table = Callable[..., pl.DataFrame]


# Hysteresis.

NOISE = 0.05


def looped(loop: Table, downs: list[tuple[float, float]], **columns: object) -> pl.DataFrame:
    parts = [loop(down, seed, width=4, perturbation=NOISE, **columns) for seed, down in enumerate(downs)]
    return pl.concat(parts)


def reached(loop: Table) -> list[tuple[float, float]]:
    """Where theory says that noise of this size learns again, for three seeds about it."""
    row = looped(loop, [(0.05, 0.02)] * 2)
    found = {q["feature"]: q for q in _loops(row)}
    scatter = (0.93, 1.0, 1.07)
    return [(found[1]["l2_reach"] * s, found[2]["l2_reach"] * s) for s in scatter]


def _loops(table: pl.DataFrame) -> list[dict[str, float]]:
    from spinodal.analysis import hysteresis

    return list(hysteresis(table).drop_nulls("feature").iter_rows(named=True))


def test_loops_where_noise_says_and_none_at_depth_two(loop: Table) -> None:
    deep, flat = looped(loop, reached(loop)), pl.concat([loop(seed=seed, depth=2) for seed in range(3)])
    found = [each for each in judged(deep, flat) if each.claim == "hysteresis"]
    assert [each.decision for each in found] == ["confirmed"] * 4
    assert "no loop" in found[0].case


def test_down_branches_that_come_back_elsewhere_are_not_confirmed(loop: Table) -> None:
    early = looped(loop, [(0.15, 0.07)] * 3)
    assert the("hysteresis", "way down", early).decision == "not confirmed"
    assert the("hysteresis", "way up", early).decision == "confirmed"


def test_a_deep_network_without_a_loop_is_not_confirmed(loop: Table) -> None:
    """Each feature comes back where it was lost."""
    closed = looped(loop, [tuple(theory.spinodal([1, 0.5], 3))] * 3)
    assert the("hysteresis", "loop, widths", closed).decision == "not confirmed"


def test_a_loop_at_depth_two_is_not_confirmed(loop: Table) -> None:
    deep = looped(loop, reached(loop))
    faked = looped(loop, [(0.06, 0.03)] * 3).with_columns(depth=pl.lit(2, pl.Int64), curve=pl.lit("faked"))
    faked = faked.with_columns(point=pl.col("point") + "-faked")
    assert the("hysteresis", "depth 2", deep, faked).decision == "not confirmed"


def test_no_loop_is_not_decided_where_none_would_have_been_seen(loop: Table) -> None:
    flat = pl.concat([loop(seed=seed, depth=2) for seed in range(3)])
    alone = the("hysteresis", "depth 2", flat)
    assert alone.decision == "not decided"
    blurred = flat.with_columns(grad_max=0.01)  # far from minima: where 𝓛 is stationary, nobody knows
    assert the("hysteresis", "depth 2", blurred, looped(loop, reached(loop))).decision == "not decided"


def test_a_loop_that_loses_nothing_decides_nothing(loop: Table) -> None:
    """It turns below the first spinodal: no area, and none claimed."""
    short = looped(loop, [(0.06, 0.03)] * 3, l2=np.geomspace(0.01, 0.08, 40))
    verdict = the("hysteresis", "loop, widths", short)
    assert verdict.decision == "not decided"
    assert "wider range" in verdict.reason


def test_a_grid_on_which_a_loop_would_not_be_seen_refutes_none(loop: Table) -> None:
    """A tanh network, of which no theory says how wide its loops are: where minima are blurred, one may be there."""
    ends = tuple(theory.spinodal([1, 0.5], 3))
    sharp, blurred = (
        the("hysteresis", "loop, widths", looped(loop, [ends] * 3, activation="tanh", grad_max=grad_max))
        for grad_max in (0.0, 0.05)
    )
    assert sharp.decision == "not confirmed"
    assert blurred.decision == "not decided"
    assert "a finer grid" in blurred.reason


def test_features_that_noise_reaches_and_that_stay_lost_are_not_confirmed(loop: Table) -> None:
    """Noise that must reach them within the grid, seed after seed; unless rows that did not relax hide it."""
    stuck = looped(loop, [()] * 3)
    verdict = the("hysteresis", "way down", stuck)
    assert verdict.decision == "not confirmed"
    assert "not learned again in 3 runs" in verdict.reason
    last = (pl.col("branch") == "down") & (pl.col("l2") < 0.02)
    unrelaxed = stuck.with_columns(stationary=~last)
    assert the("hysteresis", "way down", unrelaxed).decision == "not decided"


def test_the_verdict_on_the_way_down_is_what_its_numbers_say(loop: Table) -> None:
    """Measured, predicted and their stated errors: what the table shows is what is judged."""
    table = looped(loop, [(0.08, 0.04), (0.085, 0.043), (0.09, 0.046)])
    verdict = the("hysteresis", "way down", table)
    off = [
        abs(one.value - other.value) / np.hypot(one.error or 0.0, other.error or 0.0)
        for one, other in zip(verdict.measured, verdict.predicted, strict=True)
    ]
    assert verdict.decision == (
        "confirmed" if max(off) <= 3 else "not decided" if max(off) <= 5 else "not confirmed"
    )
    assert f"{max(off):.1f} errors" in verdict.reason


# Escape.


def escaping(factor: float = 1.0, count: int = 400, rates: tuple[float, ...] = (7, 8, 9, 10)) -> pl.DataFrame:
    """Times of Kramers' law; with a barrier that is so many times as high, if asked for."""
    (way,) = theory.escapes(0.15, 0, [1.0], (1, 2, 2, 1))
    rows = []
    for rate in rates:
        temperature = way.barrier / rate
        mean = float(way.time(temperature)) * np.exp((factor - 1) * (rate - rates[0]))
        rows += held_rows(temperature, mean, count, longest=3 * mean)
    return held_table(rows)


def test_the_slope_is_the_barrier() -> None:
    verdict = the("grokking", "escape", escaping())
    assert verdict.decision == "confirmed"
    (way,) = theory.escapes(0.15, 0, [1.0], (1, 2, 2, 1))
    assert verdict.predicted[0].value == pytest.approx(way.barrier)
    assert verdict.measured[0].value == pytest.approx(way.barrier, rel=0.15)


@pytest.mark.parametrize("factor", [0.6, 1.4])
def test_another_slope_is_not_confirmed(factor: float) -> None:
    assert the("grokking", "escape", escaping(factor)).decision == "not confirmed"


def test_few_replicas_or_temperatures_decide_nothing() -> None:
    few = the("grokking", "escape", escaping(count=12))
    assert few.decision == "not decided"
    two = the("grokking", "escape", escaping(rates=(7, 8)))
    assert two.decision == "not decided"
    assert "2 temperatures" in two.reason
    unknown = escaping().with_columns(activation=pl.lit("tanh"))
    assert "no theory" in the("grokking", "escape", unknown).reason


def test_escape_times_on_no_straight_line_decide_nothing() -> None:
    table = escaping()
    warm = pl.col("temperature") == table["temperature"].max()
    bent = table.with_columns(
        escape_time=pl.when(warm).then(4 * pl.col("escape_time")).otherwise("escape_time")
    )
    verdict = the("grokking", "escape", bent)
    assert verdict.decision == "not decided"
    assert "no straight line" in verdict.reason


# Grokking.

STEPS = np.unique(np.geomspace(1, 10_000, 41).astype(int))


def training(
    fit: int = 100, generalise: int = 3000, seeds: int = 3, falls: float = 0.3, **columns: object
) -> pl.DataFrame:
    """Networks that fit and generalise at these steps, and whose 𝓛 falls by this part in between."""
    parts = []
    for seed in range(seeds):
        late = np.clip(np.log(STEPS / fit) / np.log(1e4 / fit), 0, 1)
        varying = {
            "trained_steps": STEPS,
            "stage": range(len(STEPS)),
            "accuracy": (fit * (1 + 0.1 * seed) <= STEPS).astype(float),
            "test_accuracy": (generalise * (1 + 0.1 * seed) <= STEPS).astype(float),
            "error": np.where(fit > STEPS, 1.0, 0.1 * (1 - falls * late)),
            "norm": np.sqrt(10 * (1 - falls * late)),
        }
        constant = {"task": "modular_addition", "depth": 2, "l2": 1e-2, "seed": seed, "point": f"p{seed}"}
        constant |= {"stages": len(STEPS), "stationary": False, "branch": "train", "curve": "t", **columns}
        parts.append(records({k: v for k, v in varying.items() if k not in columns}, **constant))
    return pl.concat(parts)


def test_a_delay_is_confirmed_and_a_plateau_that_falls_is_no_minimum() -> None:
    delay, stuck = judged(training())
    assert (delay.decision, stuck.decision) == ("confirmed", "not confirmed")
    assert delay.measured[0].value == pytest.approx(30, rel=0.3)
    assert "a slope" in stuck.reason


def test_without_delay_nothing_groks() -> None:
    verdict = the("grokking", "delay", training(generalise=100))
    assert verdict.decision == "not confirmed"


def test_looks_too_far_apart_decide_nothing() -> None:
    """Every third of them: 2 and more steps between two looks, so that a delay of 2 is not told from none."""
    few = training(generalise=120).filter(pl.col("stage") % 3 == 0)
    verdict = the("grokking", "delay", few)
    assert verdict.decision == "not decided"
    assert "protocol.records" in verdict.reason
    (delay,) = verdict.measured
    assert delay.error is not None
    assert delay.error > 0.3 * delay.value
    # A long delay is one, all the same.
    assert the("grokking", "delay", training().filter(pl.col("stage") % 3 == 0)).decision == "confirmed"


def test_unfinished_training_decides_nothing() -> None:
    assert "0 of 3 seeds generalised" in the("grokking", "delay", training(generalise=20_000)).reason
    assert "0 of 3 seeds fitted" in the("grokking", "delay", training(fit=20_000)).reason
    assert "no error" in the("grokking", "delay", training(seeds=1)).reason
    assert {each.decision for each in judged(training(generalise=20_000))} == {"not decided"}


def test_what_rests_or_was_shaken_is_left_to_the_probe() -> None:
    for table in (training(falls=0.0), training(temperature=1e-3)):
        stuck = the("grokking", "rests", table)
        assert stuck.decision == "not decided"
        assert "spinodal probe" in stuck.reason


def test_all_columns_are_records_columns() -> None:
    assert training().columns == list(SCHEMA)
