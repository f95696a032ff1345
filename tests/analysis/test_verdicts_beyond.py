"""The same of curvature and hysteresis."""

from collections.abc import Callable

import numpy as np
import polars as pl
from test_verdicts import decisions, judged, the

from spinodal import theory

Table = Callable[..., pl.DataFrame]


# Curvature.


def measured(branch: Table, *widths: int, moved: float = 1.0) -> pl.DataFrame:
    """Branches with exact curvature; their R moved along λ, if asked for."""
    tables = [branch(seed, width=width, complexity=3, digits=1e-3) for width in widths for seed in range(2)]
    table = pl.concat(tables).with_columns(accuracy=1 - pl.col("error") / pl.col("error").max())
    if moved == 1.0:
        return table
    shifted = pl.col("scalar_curvature").shift(5).over("point").fill_null(strategy="backward")
    return table.with_columns(scalar_curvature=shifted)


def test_r_jumps_with_the_accuracy_and_foresees_less_than_the_norm(branch: Table) -> None:
    """So it is on the exact branches of deep linear networks: a claim that does not hold is told as such."""
    table = measured(branch, 4, 8)
    jumps = the("curvature", "jumps", table)
    assert jumps.decision == "confirmed"
    assert [each.value for each in jumps.measured] == [12, 12]
    r = the("curvature", "R foresees", table)
    assert r.decision == "not confirmed"
    assert "‖θ‖" in r.reason
    assert r.section == "foresight"


def test_r_that_jumps_elsewhere_is_not_confirmed(branch: Table) -> None:
    jumps = the("curvature", "jumps", measured(branch, 4, moved=1.3))
    assert jumps.decision == "not confirmed"


def test_few_jumps_decide_nothing(branch: Table) -> None:
    table = branch(strengths=(1.0,), complexity=1)
    table = table.with_columns(accuracy=1 - pl.col("error") / pl.col("error").max())
    assert decisions("curvature", table) == ["not decided"] * 3


def test_what_foresees_better_than_every_control_is_confirmed(branch: Table) -> None:
    """A soft mode whose square falls to zero on a straight line, exactly at λ_sp, in each phase."""
    table = measured(branch, 4, 8)
    ends = sorted(theory.spinodal([1.0, 0.6, 0.36], 3))
    ahead = pl.when(pl.col("l2") < ends[0]).then(ends[0]).when(pl.col("l2") < ends[1]).then(ends[1])
    straight = table.with_columns(soft_mode=(ahead.otherwise(ends[2]) - pl.col("l2")).clip(0).sqrt())
    verdict = the("curvature", "soft mode foresees", straight)
    assert verdict.decision == "confirmed"
    assert "at all 6 transitions" in verdict.reason


def test_r_on_a_grid_that_would_hide_its_jumps_decides_nothing(branch: Table) -> None:
    """R goes down within two intervals instead of one: steep where the accuracy jumps, without a jump of its own."""
    table = pl.concat([branch(seed, width=4, complexity=3, points=60) for seed in range(2)])
    table = table.with_columns(accuracy=1 - pl.col("error") / pl.col("error").max())
    between = pl.col("scalar_curvature").rolling_mean(3, center=True, min_samples=1).over("point")
    blurred = table.with_columns(scalar_curvature=between)
    jumps = the("curvature", "jumps", blurred)
    assert jumps.measured[1].value < jumps.predicted[0].value
    assert jumps.decision == "not decided"
    assert "moves steeply" in jumps.reason


def test_foresight_needs_rows_before_the_jump_and_a_second_seed(branch: Table) -> None:
    one = measured(branch, 4, 8).filter(pl.col("seed") == 0)
    verdict = the("curvature", "R foresees", one)
    assert verdict.decision == "not decided"
    assert "two seeds" in verdict.reason
    tables = [branch(seed, width=width, complexity=3, points=9) for width in (4, 8) for seed in range(2)]
    few = pl.concat(tables).with_columns(accuracy=1 - pl.col("error") / pl.col("error").max())
    assert {each.decision for each in judged(few) if "foresees" in each.case} <= {"not decided"}


def test_campaigns_without_r_say_nothing_of_it(loop: Table) -> None:
    assert decisions("curvature", loop((0.06, 0.03))) == []


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
