"""Verdicts on synthetic records of which everything is known: yes, no, and not decided, each for its own reason."""

import math
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float64
from polars.testing import assert_frame_equal

from spinodal import theory
from spinodal.analysis import compare, find_transitions
from spinodal.analysis.claims import Verdict, claims, silent
from spinodal.analysis.claims.rules import Ruling, refuted, settled, there, worst
from spinodal.analysis.deep_linear import predicted_rows
from spinodal.analysis.deviation import RESOLUTION, deviation
from spinodal.analysis.findings import find
from spinodal.analysis.resolution import shown
from spinodal.records import SCHEMA, with_control

L2 = np.geomspace(0.01, 0.8, 80)
Table = Callable[..., pl.DataFrame]


def records(columns: dict[str, object], **constant: object) -> pl.DataFrame:
    """Rows with all columns that records have."""
    table = pl.DataFrame(columns).with_columns(
        **{name: pl.lit(value) for name, value in constant.items()},
        **{name: pl.lit(None, dtype) for name, dtype in SCHEMA.items() if name not in {*columns, *constant}},
    )
    return with_control(table).select(*SCHEMA).cast(dict(SCHEMA))


def up(
    depth: int = 3,
    strengths: tuple[float, ...] = (1.0, 0.5),
    seeds: int = 3,
    l2: Float64[np.ndarray, " l"] = L2,
    moved: float = 1.0,
    as_depth: int | None = None,
    **columns: object,
) -> pl.DataFrame:
    """Up branches of the exact theory: of one depth, told as another; all λ multiplied by `moved`."""
    state = theory.learned_state(l2 / moved, strengths, depth)
    parts = []
    for seed in range(seeds):
        noise = 1e-9 * np.random.default_rng(seed).normal(size=len(l2))
        constant = {
            "task": "linear_teacher",
            "error_name": "squared",
            "complexity": len(strengths),
            "samples": 64,
            "noise": 0.0,
            "activation": "linear",
            "bias": False,
            "depth": as_depth or depth,
            "width": 8,
            "branch": "up",
            "curve": f"{strengths}-{as_depth or depth}",
            "seed": seed,
            "stages": len(l2),
            "stationary": True,
            "minimum": True,
            **columns,
        }
        varying = {
            "point": [f"{seed}-{strengths}-{depth}-{as_depth}"] * len(l2),
            "l2": l2,
            "stage": range(len(l2)),
            "error": np.abs(state.error + noise),
            "accuracy": 1 - state.error / state.error[-1] + noise,
            "norm": np.sqrt(state.norm_squared),
            "learned_features": state.alive.sum(axis=1),
            "strengths": [list(strengths)] * len(l2),
            "variances": [[1.0] * len(strengths)] * len(l2),
        }
        parts.append(
            records({name: value for name, value in varying.items() if name not in columns}, **constant)
        )
    return pl.concat(parts)


def judged(*tables: pl.DataFrame) -> list[Verdict]:
    return find(pl.concat(tables)).verdicts


def decisions(claim: str, *tables: pl.DataFrame) -> list[str]:
    return [each.decision for each in judged(*tables) if each.claim == claim]


def the(claim: str, case: str, *tables: pl.DataFrame) -> Verdict:
    """The one verdict on something."""
    (found,) = [each for each in judged(*tables) if each.claim == claim and case in each.case]
    return found


def test_within_three_errors_agrees_and_beyond_five_contradicts() -> None:
    assert [settled(10 + off, 1.0, 10.0, "x").decision for off in (-2.9, 2.9, 4.9, 5.1)] == [
        *("confirmed", "confirmed", "not decided", "not confirmed")
    ]
    # An error of the prediction counts like that of the measurement.
    assert settled(15.0, 1.0, 10.0, "x", predicted_error=2.0).decision == "confirmed"


def test_an_agreement_that_nothing_could_have_contradicted_is_none() -> None:
    loose = settled(0.9, 0.5, 1.0, "x")
    assert loose.decision == "not decided"
    assert "50 % only" in loose.reason
    assert settled(9.0, 0.5, 1.0, "x").decision == "not confirmed"


@given(st.floats(-1e3, 1e3), st.floats(1e-6, 1e3), st.floats(-1e3, 1e3).filter(bool), st.floats(0, 1e3))
def test_what_is_told_in_errors_is_what_is_judged(at: float, error: float, there: float, own: float) -> None:
    """From the two numbers and their stated errors alone: nothing is added in silence."""
    off = abs(at - there) / math.hypot(error, own)
    ruling = settled(at, error, there, "x", own, precise=math.inf)
    assert ruling.decision == ("confirmed" if off <= 3 else "not decided" if off <= 5 else "not confirmed")
    assert abs(deviation(at, error, there, own)) == pytest.approx(off)


def test_no_stated_error_is_less_than_the_resolution_of_minima() -> None:
    """A kink known to 1e-11 by its fit alone is known to a millionth, in the ± itself; and so it is judged."""
    found = find_transitions(pl.concat([up(2), up(3)]))
    for name in ("location", "jump", "kink"):
        known = found.drop_nulls(f"{name}_error")
        assert (known[f"{name}_error"] >= RESOLUTION * known[name].abs()).all()
    table = pl.concat([up(2), up(3)])
    for row in compare(found, table).drop_nulls("deviation").iter_rows(named=True):
        assert row["deviation"] * row["location_error"] == pytest.approx(
            row["location"] - row["control_exact"]
        )


def test_what_is_there_is_seen_and_what_is_not_is_not() -> None:
    assert [there(value, 1.0, "x", size=5.0).decision for value in (5.1, 3, 1, 0, -8)] == [
        *("confirmed", "not decided", "not confirmed", "not confirmed", "not confirmed")
    ]
    assert there(0.1, 0.0, "x").decision == "confirmed"
    assert there(0.0, 0.0, "x", size=1e-3).decision == "not confirmed"
    # With errors so large, or of a size that nobody knows, it may be there all the same.
    assert there(0.0, 1.0, "x", size=4.0).decision == "not decided"
    assert there(0.0, 1.0, "x").decision == "not decided"


def test_several_things_are_as_good_as_the_worst() -> None:
    good, bad, open_ = Ruling("confirmed", "a"), Ruling("not confirmed", "b"), Ruling("not decided", "c")
    assert worst([good, open_, bad]) == bad
    assert worst([good, open_]) == open_
    assert worst([good, good]) == good
    assert worst([]).decision == "not decided"
    assert worst([good, good], "all") == Ruling("confirmed", "all")
    assert worst([good, open_], "all") == open_


def test_what_may_not_be_seen_refutes_nothing() -> None:
    assert refuted("2 for 3", "") == Ruling("not confirmed", "2 for 3")
    assert refuted("2 for 3", ": too coarse") == Ruling("not decided", "2 for 3: too coarse")


def test_claims_of_which_nobody_speaks_are_not_decided() -> None:
    found = list(silent([Verdict("order", "", (), (), "confirmed", "")]))
    assert [each.claim for each in found] == [claim for claim in claims() if claim != "order"]
    assert {each.decision for each in found} == {"not decided"}


# Order.


def test_kinks_at_depth_two_and_jumps_beyond() -> None:
    found = [each for each in judged(up(2), up(3), up(4)) if each.claim == "order"]
    assert [each.decision for each in found] == ["confirmed"] * 3
    for verdict, at in zip(found, (0.5, 0.236235, 0.192450), strict=True):
        assert verdict.predicted[0].value == pytest.approx(at, rel=1e-5)
        assert verdict.measured[0].value == pytest.approx(at, rel=0.03)
        assert verdict.section == "branches"


def test_one_depth_alone_says_nothing_of_the_order() -> None:
    assert decisions("order", up(3)) == []
    assert decisions("order", up(3), up(4)) == []


@pytest.mark.parametrize("depth", [2, 3])
def test_theory_is_taken_back_where_the_branch_was(depth: int) -> None:
    """Where the branch was not, nothing is known of theory's either."""
    table = up(depth).with_columns(reversible=pl.when(pl.col("stage") > 3).then(pl.lit(True)))
    rows = predicted_rows(table)
    assert rows is not None
    for path in rows.sort("l2").partition_by("seed"):
        assert path["reversible"][:4].null_count() == 4
        kept = path["learned_features"].diff()[4:] == 0
        assert path["reversible"][4:].to_list() == [depth == 2 or each for each in kept]
        assert not all(kept)
    older = predicted_rows(table.drop("reversible"))
    assert older is not None
    assert "reversible" not in older.columns


@pytest.mark.parametrize(("real", "told", "order"), [(2, 3, "2nd"), (3, 2, "1st")])
def test_another_order_than_the_depth_asks_for_is_told(real: int, told: int, order: str) -> None:
    """A kink where a jump is claimed, and the other way round, exactly where the transition is predicted."""
    at = [float(theory.spinodal(1.0, depth)) for depth in (told, real)]
    faked = up(real, (1.0,), moved=at[0] / at[1], as_depth=told)
    verdict = the("order", f"depth {told}", faked, up(5 - told, (1.0,)))
    assert verdict.decision == "not confirmed"
    assert f"it is of {order} order" in verdict.reason


def test_a_slope_that_the_grid_does_not_resolve_is_not_decided() -> None:
    """A tanh of one spacing's width in place of the jump."""
    at, spacing = float(theory.spinodal(1.0, 3)), np.log(L2[1] / L2[0])
    slope = 0.25 * (1 + np.tanh(np.log(L2 / at) / (0.45 * spacing)))
    sloping = up(3, (1.0,), error=pl.Series(slope))
    verdict = the("order", "depth 3", sloping, up(2, (1.0,)))
    assert verdict.decision == "not decided"
    # Unless it was taken back: then it is one, or a jump.
    for restored, order in ((True, "2nd order"), (False, "1st order")):
        at_the_jump = pl.when(pl.col("l2") > at).then(restored | (pl.col("l2").shift() > at)).otherwise(True)
        tested = sloping.with_columns(reversible=at_the_jump.over("seed"))
        verdict = the("order", "depth 3", tested, up(2, (1.0,)))
        assert verdict.measured[0].name == f"{order} at λ ="
        assert (verdict.decision == "not confirmed") == restored


@pytest.mark.parametrize(
    ("moved", "decision"), [(0.84, "not confirmed"), (0.9, "not decided"), (1.22, "not confirmed")]
)
def test_transitions_elsewhere_than_predicted_are_not_confirmed(moved: float, decision: str) -> None:
    """This grid knows λ to 2.8 %."""
    verdict = the("order", "depth 3", up(3, moved=moved), up(2))
    assert verdict.decision == decision
    assert "errors from the prediction" in verdict.reason


def test_a_missing_transition_is_not_confirmed_unless_rows_there_did_not_relax() -> None:
    flat = {"error": pl.Series(0.1 + 0.5 * L2**2)}
    verdict = the("order", "depth 3", up(3, (1.0,), **flat), up(2, (1.0,)))
    assert (verdict.decision, verdict.measured) == ("not confirmed", ())
    at = float(theory.spinodal(1.0, 3))
    unrelaxed = up(3, (1.0,)).with_columns(stationary=(pl.col("l2") < 0.8 * at) | (pl.col("l2") > 3 * at))
    verdict = the("order", "depth 3", unrelaxed, up(2, (1.0,)))
    assert verdict.decision == "not decided"
    assert "did not relax" in verdict.reason


def test_a_grid_that_ends_before_the_onset_decides_nothing() -> None:
    verdict = the("order", "depth 3", up(3, l2=np.geomspace(0.01, 0.22, 60)), up(2))
    assert verdict.decision == "not decided"
    assert "outside the grid" in verdict.reason


@pytest.mark.parametrize("points", [6, 8, 10, 12])
def test_what_a_coarse_grid_does_not_show_is_not_decided(points: int) -> None:
    """Depth 2 and 3 as they are; nothing of them is refuted by a grid on which theory itself looks no better."""
    coarse = np.geomspace(0.02, 0.8, points)
    found = decisions("order", up(3, l2=coarse), up(2, l2=coarse))
    assert len(found) == 2
    assert "not confirmed" not in found
    assert found[1] == "not decided"


def test_agreement_within_a_bracket_of_a_third_of_lambda_confirms_nothing() -> None:
    """A transition counts as the predicted one within 25 %: with such an error none could ever disagree."""
    verdict = the("order", "depth 3", up(3, (1.0,), l2=np.geomspace(0.02, 0.6, 13)), up(2, (1.0,)))
    assert verdict.decision == "not decided"
    assert "a finer grid" in verdict.reason


def test_what_theory_shows_on_many_curves_is_what_it_shows_on_each() -> None:
    """Without those that it does not apply to, which show nothing; and with rows left out that did not relax."""
    coarse = np.geomspace(0.02, 0.8, 12)
    curves = [up(3, l2=coarse), up(2), up(4).with_columns(stationary=pl.col("l2") > 0.1)]
    known = shown(pl.concat([*curves, up(3, activation="tanh")]))
    each = pl.concat([shown(curve) for curve in curves])
    order = ("depth", "status", "location", "control_exact")
    assert_frame_equal(known.sort(order), each.sort(order))
    for depth, missing in ((2, 0), (3, 0), (4, 1)):
        assert known.filter(depth=depth, status="missing").height == missing
    assert shown(up(3, activation="tanh")).is_empty()


# Complexity.

TEACHERS = [tuple(0.6**k for k in range(K)) for K in range(1, 6)]


def test_k_features_have_k_transitions_where_predicted() -> None:
    found = [each for each in judged(*(up(3, each) for each in TEACHERS)) if each.claim == "complexity"]
    assert [each.decision for each in found] == ["confirmed"] * 2
    number, places = found
    assert (
        [each.value for each in number.measured]
        == [each.value for each in number.predicted]
        == [1, 2, 3, 4, 5]
    )
    assert [each.value for each in places.predicted] == pytest.approx(
        sorted(theory.spinodal(TEACHERS[-1], 3))
    )
    assert "15 transitions within 3 errors" in places.reason


def test_shifted_transitions_are_as_many_but_not_there() -> None:
    found = judged(*(up(3, each, moved=1.2) for each in TEACHERS[:3]))
    assert [each.decision for each in found] == ["confirmed", "not confirmed"]


def taken_for(table: pl.DataFrame, strengths: tuple[float, ...]) -> pl.DataFrame:
    """The same branch, with the strengths of others in its records."""
    told = {"strengths": pl.lit(list(strengths)), "variances": pl.lit([1.0] * len(strengths))}
    return table.with_columns(**told, complexity=pl.lit(len(strengths), pl.Int64))


def test_a_missing_and_an_unexpected_transition() -> None:
    fewer = taken_for(up(3, TEACHERS[1]), TEACHERS[2])
    verdict = the("complexity", "number", up(3, TEACHERS[0]), up(3, TEACHERS[1]), fewer)
    assert verdict.decision == "not confirmed"
    assert "K = 3: 2 for 3" in verdict.reason
    more = taken_for(up(3, (1.0, 0.3, 0.15)), (1.0, 0.3))
    verdict = the("complexity", "number", up(3, TEACHERS[0]), more, up(3, TEACHERS[2]))
    assert verdict.decision == "not confirmed"
    assert "unexpected" in verdict.reason


def test_transitions_that_the_grid_cannot_tell_apart_are_not_decided() -> None:
    coarse = np.geomspace(0.01, 0.8, 30)
    close = [(1.0,), (1.0, 0.93), (1.0, 0.93, 0.3)]
    verdict = the("complexity", "number", *(up(3, each, l2=coarse) for each in close))
    assert verdict.decision == "not decided"
    assert "too coarse" in verdict.reason


@pytest.mark.parametrize("columns", [{}, {"activation": "tanh"}])
@pytest.mark.parametrize("points", [8, 10, 12])
def test_a_coarse_grid_refutes_no_number_of_transitions(points: int, columns: dict[str, object]) -> None:
    """With a theory and without one: K = 3 in neighbouring intervals, of which some look like a slope."""
    coarse = np.geomspace(0.02, 0.4, points)
    found = judged(*(up(3, each, l2=coarse, seeds=2, **columns) for each in TEACHERS[:3]))
    number, places = [each for each in found if each.claim == "complexity"]
    assert number.decision == places.decision == "not decided"


def test_a_fine_grid_refutes_without_a_theory_too() -> None:
    """Three features lost one by one, of which E shows two: on a grid that would show the third."""
    table = up(3, TEACHERS[2], activation="tanh")
    state = theory.learned_state(L2, TEACHERS[1], 3)
    fewer = table.with_columns(error=pl.Series(np.tile(state.error, 3)))
    others = [up(3, each, activation="tanh") for each in TEACHERS[:2]]
    verdict = the("complexity", "number", *others, fewer)
    assert verdict.decision == "not confirmed"
    assert "K = 3: 2 for 3" in verdict.reason


def test_places_are_those_of_the_most_complex_data_found_there_or_not() -> None:
    """Where nothing was found near them, their places are not confirmed by those of less complex data."""
    coarse = np.geomspace(0.02, 0.4, 12)
    tables = [up(3, TEACHERS[0]), up(3, TEACHERS[1]), up(3, TEACHERS[2], l2=coarse)]
    places = the("complexity", "λ of", *tables)
    assert [each.value for each in places.predicted] == pytest.approx(sorted(theory.spinodal(TEACHERS[2], 3)))
    assert places.decision == "not decided"
    assert "K = 3" in places.reason


def test_where_no_theory_speaks_features_are_counted_and_places_left_open() -> None:
    tanh = [up(3, each, moved=0.8, activation="tanh", task="digits") for each in TEACHERS]
    number, places = [each for each in judged(*tanh) if each.claim == "complexity"]
    assert (number.decision, places.decision) == ("confirmed", "not decided")
    assert len(places.measured) == 5
    # Jumps that lose no feature are told, and do not count as lost features.
    kept = [each.with_columns(learned_features=pl.col("complexity")) for each in tanh]
    assert the("complexity", "number", *kept).decision == "not decided"
    # Where the rank of the outputs is known it is that which counts, and overlaps with features of the data do not.
    ranked = [each.with_columns(rank=old["learned_features"]) for each, old in zip(kept, tanh, strict=True)]
    assert the("complexity", "number", *ranked).decision == "confirmed"
    rankless = [each.with_columns(rank=pl.lit(0, pl.Int64)) for each in tanh]
    assert the("complexity", "number", *rankless).decision == "not decided"
    partly = [each.with_columns(rank=pl.when(pl.col("seed") > 0).then(0)) for each in tanh]  # some are older
    assert the("complexity", "number", *partly).decision == "confirmed"
    short = [up(3, each, l2=np.geomspace(0.01, 0.2, 60), activation="tanh") for each in TEACHERS]
    assert "does not go well beyond" in the("complexity", "number", *short).reason


def test_estimates_are_right_to_ten_per_cent() -> None:
    digits = [up(3, each, moved=1.05, task="digits") for each in TEACHERS[:3]]
    assert the("complexity", "λ of", *digits).decision == "confirmed"
    digits = [up(3, each, moved=1.2, task="digits") for each in TEACHERS[:3]]
    assert the("complexity", "λ of", *digits).decision == "not confirmed"
