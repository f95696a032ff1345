"""The same of hysteresis."""

from collections.abc import Callable

import numpy as np
import polars as pl
from test_verdicts import judged, the

from spinodal import theory

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
    return [(found[1]["control_reach"] * s, found[2]["control_reach"] * s) for s in scatter]


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
