"""Rows of a survey are evidence of nothing, whatever is asked of them."""

from collections.abc import Callable

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from spinodal import find
from spinodal.analysis.claims.branches import up_branches
from spinodal.analysis.findings import Findings

Make = Callable[..., pl.DataFrame]


@pytest.fixture
def records(loop: Make, branch: Make) -> pl.DataFrame:
    """Loops and up branches of the exact theory, which have all that can be found without noise."""
    loops = [loop(down=(0.06, 0.02), seed=seed) for seed in (0, 1)]
    loops += [loop(seed=0, strengths=strengths) for strengths in ((1.0,), (1.0, 0.5, 0.25))]
    branches = [branch(seed=seed, complexity=3, minimum=True, curve="up") for seed in (0, 1)]
    return pl.concat([*loops, *branches], how="diagonal_relaxed")


@pytest.mark.parametrize("name", sorted(set(Findings.tables) - {"survey"}))
def test_rows_of_a_survey_count_for_no_more_than_rows_that_did_not_relax(
    name: str, records: pl.DataFrame
) -> None:
    """Whatever is found is the same, but for the words of a reason."""
    surveyed = records.with_columns(criterion=pl.lit("flow"), minimum=pl.lit(None, pl.Boolean))
    unrelaxed = records.with_columns(stationary=pl.lit(False))
    tables = [getattr(find(each), name) for each in (surveyed, unrelaxed)]
    if name == "claims":
        assert set(tables[0]["decision"]) == {"not decided"}
        tables = [each.drop("reason") for each in tables]
    assert_frame_equal(*tables)


def test_what_a_survey_suggests_is_marked_where_exact_rows_bear_it_out(loop: Make) -> None:
    exact = loop(down=(0.06, 0.02)).filter(branch="up")
    assert find(exact).found.height == 2
    assert find(exact).survey.is_empty()
    only = pl.col("l2") < 0.15
    mixed = exact.with_columns(
        criterion=pl.when(only).then(pl.lit("flow")), minimum=pl.when(~only).then(pl.col("minimum"))
    )
    found = find(mixed)
    assert found.found.select("index", "seeds_all").rows() == [(1, 1)]
    first, second = found.survey.sort("control_low").iter_rows(named=True)
    assert first["control_low"] < 0.0937 < first["control_high"]
    assert second["control_low"] < 0.2362 < second["control_high"]
    assert (first["transition"], second["transition"]) == (None, 1)
    assert second["before"] < second["after"]


def test_a_claim_names_the_survey_as_the_reason_why_a_transition_is_not_seen(branch: Make) -> None:
    found = find(branch(complexity=3, criterion="flow"))
    ((up,),) = up_branches(found, found.quiet, ["task"], "depth")
    assert len(up.missing) == 3
    assert "are only surveyed: relaxation=exact, or protocol.refine, decides" in up.unseen


def test_where_the_rank_alone_changes_is_listed_beside_where_the_error_seems_to_jump(loop: Make) -> None:
    """With one λ between two jumps no grid separates them from a slope; how many features are alive is known."""
    columns = {
        "criterion": pl.lit("flow"),
        "minimum": pl.lit(None, pl.Boolean),
        "rank": pl.col("learned_features"),
    }
    up = loop(down=(0.06, 0.02)).filter(branch="up").with_columns(**columns)
    between = up.filter(pl.col("l2").is_between(0.09375, 0.2362352))["l2"]
    coarse = up.filter(~pl.col("l2").is_in(between[1:].implode()))
    for rows, jumps in ((up, [True, True]), (coarse, [True, False])):
        places = find(rows).survey
        sides = places.select("rank_before", "rank_after", "jumps", "seeds", "seeds_all").rows()
        assert sides == [(2, 1, jumps[0], 1, 1), (1, 0, jumps[1], 1, 1)]
        for at, (low, high) in zip(
            (0.09375, 0.2362352), places.select("control_low", "control_high").rows(), strict=True
        ):
            assert low < at < high
    again = pl.concat([up, up.with_columns(seed=pl.lit(1, pl.Int64), point=pl.lit("other"))])
    assert find(again).survey["seeds"].to_list() == [2, 2]
