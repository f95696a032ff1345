"""Transitions lined up along depth, width or the number of samples."""

import polars as pl
import pytest

from spinodal.analysis import compare, dependence, find_transitions, seed_jumps
from spinodal.theory import spinodal

STRENGTHS = (1.0, 0.5)


@pytest.fixture
def lined_up(branch):
    def make(**axes):
        """Branches of two seeds for every value of one axis."""
        ((axis, values),) = axes.items()
        parts = []
        for value in values:
            made = {axis: value} if axis in ("depth", "width") else {}
            columns = {} if made else {axis: value}
            for seed in (0, 1):
                parts.append(
                    branch(seed=seed, strengths=STRENGTHS, curve=f"{axis}{value}", **made, **columns)
                )
        table = pl.concat(parts)
        return table, dependence(table, compare(find_transitions(table), table))

    return make


@pytest.mark.parametrize(("axis", "values"), [("width", (3, 4, 6)), ("samples", (16, 64, 256))])
def test_the_same_at_every_width_and_number_of_samples(lined_up, axis, values):
    _, found = lined_up(**{axis: values})
    assert found["axis"].unique().to_list() == [axis]
    assert found["value"].to_list() == [value for value in values for _ in STRENGTHS]
    assert found["from_onset"].to_list() == [0, 1] * 3
    onset = found.filter(from_onset=0)
    assert onset["location"].n_unique() == 1
    assert onset["jump"].max() - onset["jump"].min() < 1e-6
    assert onset["inside"].all()


def test_depth_moves_every_transition_as_predicted(lined_up):
    depths = (3, 4, 5)
    table, found = lined_up(depth=depths)
    exact = [at for depth in depths for at in sorted(spinodal(STRENGTHS, depth), reverse=True)]
    assert found["control_exact"].to_list() == pytest.approx(exact)
    seeds = seed_jumps(table, found)
    assert len(seeds) == 2 * len(found)
    pairs = seeds.join(
        found.select("value", "from_onset", "location", mean="jump", error="jump_error"),
        on=["value", "from_onset"],
    )
    assert (pairs["location"] / pairs["location_right"] - 1).abs().max() < 1e-9
    assert ((pairs["jump"] - pairs["mean"]).abs() <= pairs["error"]).all()


def test_what_differs_in_two_things_or_has_too_few_values_is_left_out(branch, lined_up):
    _, found = lined_up(width=(3, 4))
    assert found.is_empty()
    made = [branch(strengths=STRENGTHS, width=width, depth=width, curve=str(width)) for width in (3, 4, 5)]
    table = pl.concat(made)
    assert dependence(table, compare(find_transitions(table), table)).is_empty()


def test_what_differs_in_something_no_column_tells_is_left_out(branch):
    made = [branch(strengths=STRENGTHS, width=w, curve=f"{w}{x}") for w in (3, 4, 5) for x in "ab"]
    table = pl.concat(made)
    assert dependence(table, compare(find_transitions(table), table)).is_empty()
