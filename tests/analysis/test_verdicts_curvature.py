"""Verdicts on the claim about R, on exact branches with exact curvature."""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from spinodal import theory
from spinodal.analysis.claims import Verdict
from spinodal.analysis.findings import Findings, Kept, find

Table = Callable[..., pl.DataFrame]


def judged(table: pl.DataFrame) -> list[Verdict]:
    return [each for each in find(table).verdicts if each.claim == "curvature"]


def decisions(table: pl.DataFrame) -> list[str]:
    return [each.decision for each in judged(table)]


def the(case: str, table: pl.DataFrame) -> Verdict:
    """The one verdict on something."""
    (found,) = [each for each in judged(table) if case in each.case]
    return found


def measured(branch: Table, *widths: int, moved: float = 1.0) -> pl.DataFrame:
    """Branches with exact curvature; their R moved along λ, if asked for."""
    tables = [branch(seed, width=width, complexity=3, digits=1e-3) for width in widths for seed in range(2)]
    table = pl.concat(tables).with_columns(accuracy=1 - pl.col("error") / pl.col("error").max())
    if moved == 1.0:
        return table
    shifted = pl.col("scalar_curvature").shift(5).over("point").fill_null(strategy="backward")
    return table.with_columns(scalar_curvature=shifted)


def test_r_jumps_with_the_accuracy_and_foresees_less_than_the_norm(branch: Table) -> None:
    """So it is on the exact branches of deep linear networks: a claim that does not hold gets that verdict."""
    table = measured(branch, 4, 8)
    jumps = the("jumps", table)
    assert jumps.decision == "confirmed"
    assert [each.value for each in jumps.measured] == [12, 12]
    r = the("R foresees", table)
    assert r.decision == "not confirmed"
    assert "‖θ‖" in r.reason
    assert r.section == "foresight"


def test_r_that_jumps_elsewhere_is_not_confirmed(branch: Table) -> None:
    jumps = the("jumps", measured(branch, 4, moved=1.3))
    assert jumps.decision == "not confirmed"


def test_few_jumps_decide_nothing(branch: Table) -> None:
    table = branch(strengths=(1.0,), complexity=1)
    table = table.with_columns(accuracy=1 - pl.col("error") / pl.col("error").max())
    assert decisions(table) == ["not decided"] * 3


def test_what_foresees_better_than_every_control_is_confirmed(branch: Table) -> None:
    """A soft mode whose square falls to zero on a straight line, exactly at λ_sp, in each phase."""
    table = measured(branch, 4, 8)
    ends = sorted(theory.spinodal([1.0, 0.6, 0.36], 3))
    ahead = pl.when(pl.col("l2") < ends[0]).then(ends[0]).when(pl.col("l2") < ends[1]).then(ends[1])
    straight = table.with_columns(soft_mode=(ahead.otherwise(ends[2]) - pl.col("l2")).clip(0).sqrt())
    verdict = the("soft mode foresees", straight)
    assert verdict.decision == "confirmed"
    assert "at all 6 transitions" in verdict.reason


def test_r_on_a_grid_that_would_hide_its_jumps_decides_nothing(branch: Table) -> None:
    """R goes down within two intervals instead of one: steep where the accuracy jumps, without a jump of its own."""
    table = pl.concat([branch(seed, width=4, complexity=3, points=60) for seed in range(2)])
    table = table.with_columns(accuracy=1 - pl.col("error") / pl.col("error").max())
    between = pl.col("scalar_curvature").rolling_mean(3, center=True, min_samples=1).over("point")
    blurred = table.with_columns(scalar_curvature=between)
    jumps = the("jumps", blurred)
    assert jumps.measured[1].value < jumps.predicted[0].value
    assert jumps.decision == "not decided"
    assert "moves steeply" in jumps.reason


def test_foresight_needs_rows_before_the_jump_and_a_second_seed(branch: Table) -> None:
    one = measured(branch, 4, 8).filter(pl.col("seed") == 0)
    verdict = the("R foresees", one)
    assert verdict.decision == "not decided"
    assert "two seeds" in verdict.reason
    tables = [branch(seed, width=width, complexity=3, points=9) for width in (4, 8) for seed in range(2)]
    few = pl.concat(tables).with_columns(accuracy=1 - pl.col("error") / pl.col("error").max())
    assert {each.decision for each in judged(few) if "foresees" in each.case} <= {"not decided"}


def test_transitions_without_one_of_the_observables_are_not_compared(branch: Table) -> None:
    table = measured(branch, 4, 8)
    bare = pl.when(pl.col("width") == 8).then(None).otherwise(pl.col("norm"))
    assert "of 3 transitions" in the("R foresees", table.with_columns(norm=bare)).reason


def test_campaigns_without_r_say_nothing_of_it(loop: Table) -> None:
    assert decisions(loop((0.06, 0.03))) == []


def test_under_noise_nothing_is_judged(branch: Table) -> None:
    """Held replicas leave a branch before it ends: their jumps are no transitions of the landscape."""
    table = measured(branch, 4, 8)
    held = measured(branch, 12).with_columns(
        hold_time=pl.lit(10.0), temperature=pl.lit(1e-3), task=pl.lit("held"), scalar_curvature=pl.lit(1.0)
    )
    assert {each.case.partition(",")[0] for each in judged(pl.concat([table, held]))} == {"linear teacher"}
    assert repr(judged(pl.concat([table, held]))) == repr(judged(table))  # some are NaN


def test_an_accuracy_that_counts_samples_has_the_error_of_a_frequency(branch: Table) -> None:
    """Of four samples each jump is of one: within the scatter of a frequency, so that R jumps alone."""
    table = pl.concat([branch(seed, width=4, complexity=3, points=60, samples=4) for seed in range(2)])
    share = 1 - pl.col("error") / pl.col("error").max()
    exact, counted = table.with_columns(accuracy=share), table.with_columns(accuracy=(4 * share).round() / 4)
    shown = [the("jumps", each).predicted[0].value for each in (exact, counted)]
    assert shown[0] == 6
    assert shown[1] < shown[0]


def test_verdicts_are_those_of_the_kept_tables(branch: Table, tmp_path: Path) -> None:
    table = measured(branch, 4)
    first, again = (Findings(table, Kept(tmp_path, "key")) for _ in range(2))
    assert repr(first.verdicts) == repr(again.verdicts) == repr(find(table).verdicts)  # some are NaN
    kept = pl.read_parquet(tmp_path / "key" / "accuracy_agreement.parquet")
    assert kept["agrees"].all()
    assert not kept["hidden"].any()
