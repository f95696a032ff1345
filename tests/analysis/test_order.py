"""Of which order a transition is, and how certain: on curves of which everything is known."""

import numpy as np
import polars as pl
import pytest
from synthetic import Branch, Curve, phases, records, smooth

from spinodal.analysis import find_transitions
from spinodal.theory import learned_state, spinodal

COUNT = 200


def found_in(curves: list[Curve], random: np.random.Generator) -> list[pl.DataFrame]:
    """What is found on each curve."""
    found = find_transitions(records(curves, random))
    return [found.filter(curve=f"{number:04d}") for number in range(len(curves))]


def jumps_of(branch: Branch, found: pl.DataFrame) -> list[dict[str, object] | None]:
    """For each jump of a branch the row whose bracket holds its interval."""
    l2 = branch.curve.l2
    rows = found.rows(named=True)
    return [
        next((row for row in rows if row["control_low"] <= l2[i] and l2[i + 1] <= row["control_high"]), None)
        for i in branch.intervals
    ]


def elsewhere(branch: Branch, found: pl.DataFrame) -> int:
    """How many of the rows are more than a point away from every jump or kink."""
    l2, intervals = branch.curve.l2, np.array(branch.intervals)
    return sum(
        not np.any((np.searchsorted(l2, low) - 1 <= intervals) & (intervals <= np.searchsorted(l2, high)))
        for low, high in found.select("control_low", "control_high").rows()
    )


def within(rows: list[tuple[float, float]], errors: float) -> float:
    """Fraction of (deviation, standard error) within so many standard errors."""
    deviation, error = np.array(rows).T
    return float(np.mean(np.abs(deviation) <= errors * error))


def test_smooth_curves_have_no_transitions() -> None:
    """Sigmoids down to a width of two spacings, waves, powers and more; 3 to 8 seeds, noise of 1e-9 to 10 %."""
    random = np.random.default_rng(0)
    found = found_in([smooth(random) for _ in range(COUNT)], random)
    assert sum(map(len, found)) == 0


@pytest.mark.slow
def test_false_positives_are_rare() -> None:
    """Of 4000 smooth curves less than 1 in 400 shows a jump or a kink, and less than 1 in 200 anything."""
    random = np.random.default_rng(1)
    found = [table for _ in range(20) for table in found_in([smooth(random) for _ in range(COUNT)], random)]
    assert sum(len(table) > 0 for table in found) < len(found) / 200
    assert sum(len(table.drop_nulls("order")) > 0 for table in found) < len(found) / 400


def test_every_jump_of_four_standard_errors() -> None:
    """Of the difference between the two points it lies between, √2 of the mean's; phases of 20 points or more."""
    random = np.random.default_rng(0)
    branches = [phases(random, (4, 12)) for _ in range(COUNT)]
    found = found_in([branch.curve for branch in branches], random)
    rows = [
        (branch, row)
        for branch, table in zip(branches, found, strict=True)
        for row in jumps_of(branch, table)
    ]
    assert all(row is not None for _, row in rows)
    told = [(branch.curve, row) for branch, row in rows if row is not None]
    orders = [row["order"] for _, row in told]
    assert set(orders) <= {1, None}
    assert orders.count(1) > 0.95 * len(orders)
    assert sum(elsewhere(*each) > 0 for each in zip(branches, found, strict=True)) <= 1

    deviations = []
    for curve, row in told:
        low, high = np.searchsorted(curve.l2, [row["control_low"], row["control_high"]])
        deviations.append((row["jump"] - (curve.values[high] - curve.values[low]), row["jump_error"]))
    # The errors hold where in the bracket it happens, too: they cover at least as often as the noise asks for.
    assert within(deviations, 1) > 0.6
    assert within(deviations, 2) > 0.92


@pytest.mark.slow
def test_jumps_of_four_standard_errors_are_rarely_missed() -> None:
    """Of about 4000 less than 1 in 200: by chance some look like a slope that the grid resolves.

    Hardly more often something is seen where nothing is: there by chance all seeds are close together.
    """
    random = np.random.default_rng(1)
    rows, wrong = [], 0
    for _ in range(10):
        branches = [phases(random, (4, 12)) for _ in range(COUNT)]
        found = found_in([branch.curve for branch in branches], random)
        rows += [
            row for branch, table in zip(branches, found, strict=True) for row in jumps_of(branch, table)
        ]
        wrong += sum(elsewhere(*each) > 0 for each in zip(branches, found, strict=True))
    assert rows.count(None) < len(rows) / 200
    assert wrong < 10 * COUNT / 200


@pytest.mark.parametrize(("strength", "least", "most"), [(2, 0.05, 0.4), (3, 0.6, 0.85), (4, 0.9, 1.0)])
def test_fainter_jumps_are_found_less_often(strength: float, least: float, most: float) -> None:
    random = np.random.default_rng(2)
    branches = [phases(random, (strength, strength)) for _ in range(60)]
    found = found_in([branch.curve for branch in branches], random)
    rows = [row for branch, table in zip(branches, found, strict=True) for row in jumps_of(branch, table)]
    assert least < np.mean([row is not None for row in rows]) < most
    assert sum(map(elsewhere, branches, found)) <= 1


def test_kinks() -> None:
    """Slopes that change by 20 standard errors of the mean per spacing; few are missed, none is moved."""
    random = np.random.default_rng(0)
    branches = [phases(random, (20, 40), kinks=True) for _ in range(COUNT)]
    found = found_in([branch.curve for branch in branches], random)
    deviations, missed = [], 0
    for branch, table in zip(branches, found, strict=True):
        kinks = table.filter(order=2).rows(named=True)
        for place in branch.places:
            row = next((row for row in kinks if row["control_low"] <= place <= row["control_high"]), None)
            missed += row is None
            if row is not None:
                deviations.append((row["location"] - place, row["location_error"]))
    assert missed < 0.03 * (missed + len(deviations))
    assert sum(map(len, found)) <= missed + len(deviations) + 6
    assert 0.6 < within(deviations, 1) < 0.85
    assert 0.92 < within(deviations, 2) <= 1


@pytest.mark.parametrize(("low", "high", "points"), [(0.0118, 1.246, 11), (0.02, 0.9, 12), (0.05, 0.8, 23)])
def test_a_kink_beside_a_point_of_the_grid_is_where_its_error_says(
    low: float, high: float, points: int
) -> None:
    """Two kinks within few rows of each other, from exact theory at depth 2: 0.25 and 0.5."""
    l2 = np.linspace(low, high, points)
    exact = learned_state(l2, [1, 0.5], 2).error
    found = find_transitions(
        records([Curve(l2, exact, np.zeros(points), 1)], np.random.default_rng(0))
    ).filter(order=2)
    for at, error in found.select("location", "location_error").iter_rows():
        assert min(abs(at - kink) for kink in (0.25, 0.5)) <= 3 * error


def slope(width: float, centre: float, noise: float = 0.0, points: int = 40) -> Curve:
    """A tanh of some width, in spacings, about a place in the grid."""
    i = np.arange(points)
    return Curve(
        np.geomspace(0.02, 0.4, points), 0.5 * np.tanh((i - centre) / width), np.full(points, noise), 5
    )


@pytest.mark.parametrize("noise", [0.0, 1e-6, 1e-3])
def test_a_slope_between_two_points_is_not_decided(noise: float) -> None:
    random = np.random.default_rng(0)
    for width in (0.35, 0.4, 0.5, 0.6):
        (found,) = found_in([slope(width, 20.5, noise)], random)
        assert found["order"].to_list() == [None]
        assert "slope" in found["evidence"][0]


def taken_back(curve: Curve, restored: list[bool | None], branch: str = "up") -> pl.DataFrame:
    """The one transition of a curve in the middle of which each seed, taken back, restores E, or does not."""
    table = records([curve], np.random.default_rng(0), branch=branch)
    answers = pl.Series([restored[seed] for seed in range(curve.seeds)], dtype=pl.Boolean)
    middle = len(curve.l2) // 2 + (branch == "up")
    if branch == "down":
        table = table.with_columns(stage=len(curve.l2) - 1 - pl.col("stage"))
    beyond = pl.col("l2") == curve.l2[middle]
    return find_transitions(
        table.with_columns(
            reversible=pl.when(beyond).then(pl.lit(answers).gather("seed")).otherwise(pl.col("stage") > 0)
        )
    )


@pytest.mark.parametrize("branch", ["up", "down"])
@pytest.mark.parametrize(
    ("width", "restored", "order", "evidence"),
    [
        (0.4, [None] * 5, None, "steep beside it: a slope or a jump"),
        (0.4, [False] * 5, 1, "taken back, E is not restored"),
        (0.4, [False, False, False, None, True], 1, "taken back, E is not restored"),
        (0.4, [True] * 5, 2, "steep beside it and, taken back, E is restored"),
        (0.4, [True, True, False, False, None], None, "steep beside it: a slope or a jump"),
        (0.1, [None] * 5, 1, "trajectories jump"),
        (0.1, [False] * 5, 1, "taken back, E is not restored"),
        (0.1, [True] * 5, None, "taken back, E is restored: a slope, or a loop within the bracket"),
    ],
)
def test_what_was_taken_back_decides(
    width: float, restored: list[bool | None], order: int | None, evidence: str, branch: str
) -> None:
    """A slope within its interval, or what looks like a jump: whatever it looks like, a jump is not undone."""
    row, *others = taken_back(slope(width, 20.5), restored, branch).rows(named=True)
    assert (row["order"], row["evidence"], others) == (order, evidence, [])
    assert (row["jump"] is None) == (row["jump_error"] is None) == (order == 2)


def test_a_bracket_over_several_intervals_is_continuous_only_if_each_is() -> None:
    """Rows that did not relax were not tested; a jump beside them is one all the same."""
    l2 = np.geomspace(0.02, 0.4, 40)
    table = records([Curve(l2, 1.0 * (np.arange(40) > 19), np.full(40, 1e-8), 3)], np.random.default_rng(0))
    unrelaxed = pl.col("stage").is_between(20, 21)
    table = table.with_columns(stationary=~unrelaxed)
    answers = pl.col("stage").is_between(1, 19) | (pl.col("stage") > 22)
    for there, order in ((None, None), (True, None), (False, 1)):
        at = pl.when(pl.col("stage") == 22).then(pl.lit(there)).when(answers).then(True)
        (row,) = find_transitions(table.with_columns(reversible=at)).rows(named=True)
        assert (row["order"], row["unrelaxed"]) == (order, 6)


def test_what_is_narrower_is_a_jump_by_rule() -> None:
    """No grid tells these apart; the docstring says so."""
    random = np.random.default_rng(0)
    (found,) = found_in([slope(0.1, 20.5)], random)
    assert found["order"].to_list() == [1]
    for width in (2.0, 3.0):
        (found,) = found_in([slope(width, 20.3)], random)
        assert found.is_empty()


@pytest.mark.parametrize("depth", [3, 4, 5])
@pytest.mark.parametrize("points", [24, 40, 64])
def test_first_order_of_exact_branches(depth: int, points: int) -> None:
    """They steepen as √(λ_sp − λ) before each jump, and this is not mistaken for a slope."""
    l2 = np.geomspace(0.015, 0.5, points)
    values = learned_state(l2, [1.0, 0.6, 0.36], depth).error
    (found,) = found_in([Curve(l2, values, np.full(points, 1e-10), 3)], np.random.default_rng(0))
    expected = [at for at in spinodal([1.0, 0.6, 0.36], depth).tolist() if at > 0.02]
    assert found["order"].to_list() == [1] * len(found)
    assert [
        at for at in expected if not ((found["control_low"] < at) & (at < found["control_high"])).any()
    ] == []


def test_an_unrelaxed_smear_is_no_transition_and_hides_none() -> None:
    """States on their way from one phase to the other, over four λ: where they are left out nothing is decided."""
    l2 = np.geomspace(0.02, 0.4, 40)
    values = np.where(np.arange(40) < 20, 0.1, 0.9) + 0.1 * l2
    smeared = np.where((np.arange(40) >= 18) & (np.arange(40) < 22), np.linspace(-5.5, 6, 40) * 0.3, values)
    table = records([Curve(l2, smeared, np.full(40, 1e-8), 4)], np.random.default_rng(0))
    relaxed = ~pl.col("stage").is_between(18, 21)
    (row,) = find_transitions(table.with_columns(stationary=relaxed)).rows(named=True)
    assert (row["order"], row["unrelaxed"], row["evidence"]) == (None, 16, "rows in between did not relax")
    assert (row["control_low"], row["control_high"]) == (l2[17], l2[22])
    flat = table.with_columns(
        error=pl.when(relaxed).then(pl.lit(0.5) + 0.1 * pl.col("l2")).otherwise("error")
    )
    assert find_transitions(flat.with_columns(stationary=relaxed)).is_empty()


def test_a_jump_of_few_trajectories_is_not_decided() -> None:
    l2 = np.geomspace(0.02, 0.4, 40)
    flat, jumping = (
        Curve(l2, size * (np.arange(40) > 19), np.full(40, 1e-6), seeds)
        for size, seeds in ((0.0, 4), (1.0, 1))
    )
    random = np.random.default_rng(0)
    one = records([jumping], random).with_columns(point=pl.lit("other"), seed=pl.lit(4, pl.Int64))
    (row,) = find_transitions(pl.concat([records([flat], random), one])).rows(named=True)
    assert (row["order"], row["seeds"], row["seeds_all"]) == (None, 1, 5)


def test_offsets_between_seeds_are_no_noise() -> None:
    """Seeds that lie apart by ten times the jump, all along: it is seen as well as without."""
    random = np.random.default_rng(0)
    l2 = np.geomspace(0.02, 0.4, 60)
    curve = Curve(l2, 0.1 * (np.arange(60) > 29), np.full(60, 0.02), 5)
    table = records([curve], random).with_columns(pl.col("error") + pl.col("seed"))
    (row,) = find_transitions(table).rows(named=True)
    assert row["order"] == 1
    assert abs(row["jump"] - 0.1) < 3 * row["jump_error"] < 0.05
    assert (row["control_low"], row["control_high"]) == (l2[29], l2[30])


def test_a_path_downwards() -> None:
    """What only the mean shows is told in the direction of the path, too."""
    random = np.random.default_rng(0)
    l2 = np.geomspace(0.02, 0.4, 60)
    table = records([Curve(l2, 0.2 * (np.arange(60) > 29), np.full(60, 0.04), 5)], random)
    down = table.with_columns(stage=59 - pl.col("stage"), branch=pl.lit("down"))
    up_row, row = (find_transitions(each).rows(named=True)[0] for each in (table, down))
    assert row["jump"] == pytest.approx(-up_row["jump"])
    assert (row["before"], row["after"]) == (up_row["after"], up_row["before"])


def test_long_curves_are_taken_in_parts() -> None:
    """Each jump of 300 points is found, once."""
    random = np.random.default_rng(0)
    i = np.arange(300)
    places = [40, 95, 127, 160, 191, 240]
    values = sum((-1.0) ** k * (i > at) for k, at in enumerate(places))
    (found,) = found_in([Curve(np.geomspace(0.001, 1, 300), values, np.full(300, 0.2), 4)], random)
    low = np.searchsorted(np.geomspace(0.001, 1, 300), found["control_low"].to_numpy() * (1 + 1e-9)) - 1
    assert low.tolist() == places
    assert found["order"].to_list() == [1] * 6
