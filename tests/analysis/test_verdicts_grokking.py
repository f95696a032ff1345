"""Verdicts on grokking and on escape, on records of which everything is known."""

import numpy as np
import polars as pl
import pytest
from test_escape import held_rows
from test_escape import table as held_table

from spinodal import theory
from spinodal.analysis.claims import Verdict
from spinodal.analysis.findings import find
from spinodal.records import SCHEMA, with_control


def judged(table: pl.DataFrame) -> list[Verdict]:
    return [each for each in find(table).verdicts if each.claim == "grokking"]


def the(case: str, table: pl.DataFrame) -> Verdict:
    """The one verdict on something."""
    (found,) = [each for each in judged(table) if case in each.case]
    return found


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
    verdict = the("escape", escaping())
    assert verdict.decision == "confirmed"
    (way,) = theory.escapes(0.15, 0, [1.0], (1, 2, 2, 1))
    assert verdict.predicted[0].value == pytest.approx(way.barrier)
    assert verdict.measured[0].value == pytest.approx(way.barrier, rel=0.15)


@pytest.mark.parametrize("factor", [0.6, 1.4])
def test_another_slope_is_not_confirmed(factor: float) -> None:
    assert the("escape", escaping(factor)).decision == "not confirmed"


def test_few_replicas_or_temperatures_decide_nothing() -> None:
    few = the("escape", escaping(count=12))
    assert few.decision == "not decided"
    two = the("escape", escaping(rates=(7, 8)))
    assert two.decision == "not decided"
    assert "2 temperatures" in two.reason
    unknown = escaping().with_columns(activation=pl.lit("tanh"))
    assert "no theory" in the("escape", unknown).reason


def test_escape_times_on_no_straight_line_decide_nothing() -> None:
    table = escaping()
    warm = pl.col("temperature") == table["temperature"].max()
    bent = table.with_columns(
        escape_time=pl.when(warm).then(4 * pl.col("escape_time")).otherwise("escape_time")
    )
    verdict = the("escape", bent)
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
        rows = pl.DataFrame(varying).with_columns(**{name: pl.lit(each) for name, each in constant.items()})
        parts += rows.with_columns(loss=pl.col("error") + pl.col("l2") * pl.col("norm") ** 2).rows(named=True)
    return with_control(pl.DataFrame(parts, schema=SCHEMA))


def test_a_delay_is_confirmed_and_a_plateau_that_falls_is_no_minimum() -> None:
    delay, stuck = judged(training())
    assert (delay.decision, stuck.decision) == ("confirmed", "not confirmed")
    assert delay.measured[0].value == pytest.approx(30, rel=0.3)
    assert "a slope" in stuck.reason


def test_without_delay_nothing_groks() -> None:
    verdict = the("delay", training(generalise=100))
    assert verdict.decision == "not confirmed"


def test_looks_too_far_apart_decide_nothing() -> None:
    """Every third of them: 2 and more steps between two looks, so that a delay of 2 is not told from none."""
    few = training(generalise=120).filter(pl.col("stage") % 3 == 0)
    verdict = the("delay", few)
    assert verdict.decision == "not decided"
    assert "protocol.records" in verdict.reason
    (delay,) = verdict.measured
    assert delay.error is not None
    assert delay.error > 0.3 * delay.value
    # A long delay is one, all the same.
    assert the("delay", training().filter(pl.col("stage") % 3 == 0)).decision == "confirmed"


def test_unfinished_training_decides_nothing() -> None:
    assert "0 of 3 seeds generalised" in the("delay", training(generalise=20_000)).reason
    assert "0 of 3 seeds fitted" in the("delay", training(fit=20_000)).reason
    assert "no error" in the("delay", training(seeds=1)).reason
    assert {each.decision for each in judged(training(generalise=20_000))} == {"not decided"}


def test_what_rests_or_was_shaken_is_left_to_the_probe() -> None:
    for table in (training(falls=0.0), training(temperature=1e-3)):
        stuck = the("rests", table)
        assert stuck.decision == "not decided"
        assert "spinodal probe" in stuck.reason
