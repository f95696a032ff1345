"""Branches of a table: which rows they have, in which order, and that what is found on them is found once."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from spinodal.analysis import agreement, before_onset, compare, find_transitions, foresight, unresolved
from spinodal.analysis import seeds as jumping
from spinodal.analysis.branch import joined
from spinodal.analysis.branches import Branches, branches_of
from spinodal.records import SCHEMA, with_control

L2 = np.geomspace(0.01, 1, 24)


def table(seeds: int = 2, l2: np.ndarray = L2, **columns: object) -> pl.DataFrame:
    """Of one curve: E and R jump together where λ passes 0.1, a little later in every further seed."""
    parts = []
    for seed in range(seeds):
        learned = l2 < 0.1 + 0.002 * seed
        measured = {
            "stage": np.arange(len(l2)),
            "l2": l2,
            "error": np.where(learned, l2**2, 0.5),
            "scalar_curvature": np.where(learned, 1 + l2, 0.1 * l2),
            "norm": np.where(learned, 1 - l2, 0.0),
        }
        constant = {"point": f"p{seed}", "seed": seed, "stages": len(l2), "stationary": True, "branch": "up"}
        constant |= {"curve": "c", "depth": 3, **columns}
        parts.append(pl.DataFrame(measured).with_columns(**{k: pl.lit(v) for k, v in constant.items()}))
    known = pl.concat(parts)
    missing = {name: pl.lit(None, dtype) for name, dtype in SCHEMA.items() if name not in known.columns}
    return with_control(known.with_columns(**missing)).select(*SCHEMA).cast(dict(SCHEMA))  # type: ignore[arg-type]


def test_branches_hold_the_evidence_in_the_order_of_the_path() -> None:
    falling = table(1, L2[::-1], branch="down").with_columns(stationary=pl.col("stage") != 3)
    zero = falling.head(1).with_columns(control_value=0.0, stage=pl.lit(99, pl.Int64))
    again = falling.tail(1).with_columns(error=0.25, stage=pl.lit(100, pl.Int64))
    (curve,) = branches_of(
        pl.concat([zero, again, falling]).sample(fraction=1, shuffle=True, seed=1)
    ).values()
    (branch,) = curve.branches
    np.testing.assert_array_equal(branch.control, np.delete(L2[::-1], 3))
    assert branch.values[-1] == 0.25
    np.testing.assert_array_equal(branch.left_out, L2[::-1][3:4])
    assert branch.path.tolist() == [*L2[::-1], 0.0, L2[0]]
    assert branch.unrelaxed(*L2[[-5, -3]]) == 1
    assert branch.unrelaxed(*L2[[-4, -3]]) == 0
    assert branch.errors is None
    np.testing.assert_allclose(np.sqrt(branch.penalty), branch.column("norm"))
    np.testing.assert_array_equal(branch.rest, branch.column("error"))
    assert np.isnan(branch.column("not there")).all()


def test_curves_are_read_at_once_and_each_like_alone() -> None:
    tables = [table(3), table(2, width=8), table(1, L2[::-1], branch="down")]
    together = branches_of(pl.concat(tables).sample(fraction=1, shuffle=True, seed=0))
    alone = [branches_of(each) for each in tables]
    assert {key for each in alone for key in each} == set(together)
    for each in alone:
        for key, curve in each.items():
            theirs = {branch.name: branch for branch in together[key].branches}
            for branch in curve.branches:
                np.testing.assert_array_equal(branch.control, theirs[branch.name].control)
                np.testing.assert_array_equal(branch.values, theirs[branch.name].values)
            assert len(together[key].records) == len(curve.records)


def test_another_observable_has_the_rows_that_have_both() -> None:
    sparse = table(1).with_columns(
        scalar_curvature=pl.when(pl.col("stage") % 2 == 0).then("scalar_curvature"),
        scalar_curvature_se=pl.lit(0.5),
    )
    branches = branches_of(sparse)
    (curve,), (same,) = branches.of("scalar_curvature").values(), branches.where("norm").values()
    np.testing.assert_array_equal(curve.branches[0].control, L2[::2])
    np.testing.assert_array_equal(curve.branches[0].errors, np.full(12, 0.5))
    assert [*branches.values()] == [same]
    assert branches.of("error") is branches


@pytest.mark.parametrize(
    ("columns", "observable", "power"),
    [
        ({}, "error", 2.0),
        ({}, "norm", 1.0),
        ({"control": "l2"}, "error", 2.0),
        ({"control": "kl"}, "error", 1.0),
        ({"held": "l2=0.1"}, "error", 1.0),
    ],
)
def test_the_error_leaves_with_the_square_of_l2_alone(
    columns: dict[str, str], observable: str, power: float
) -> None:
    (curve,) = branches_of(
        table(1).with_columns(**{k: pl.lit(v) for k, v in columns.items()}), observable
    ).values()
    assert curve.power == power


def test_joined_branches_rise_and_have_the_latest_row_of_each_l2() -> None:
    finer = table(1, np.sort([*L2[3:6], 0.5])).with_columns(
        point=pl.lit("finer"), stage=pl.col("stage") + 50, error=pl.lit(7.0)
    )
    (curve,) = branches_of(pl.concat([finer, table(1)])).values()
    branch = joined(curve.branches)
    np.testing.assert_array_equal(branch.control, np.sort([*L2, 0.5]))
    np.testing.assert_array_equal(branch.control[branch.values == 7.0], [*L2[3:6], 0.5])
    assert len(branch.path) == len(L2) + 4


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of points of each search for jumps."""
    made: list[int] = []
    find: Callable[..., list[int]] = jumping.find_jumps

    def counting(l2: np.ndarray, *rest: object) -> list[int]:
        made.append(len(l2))
        return find(l2, *rest)

    monkeypatch.setattr(jumping, "find_jumps", counting)
    return made


def test_finders_share_the_jumps_of_branches(searches: list[int]) -> None:
    records = table(4)
    branches = branches_of(records)
    assert isinstance(branches, Branches)
    compared = compare(find_transitions(branches), records)
    assert compared["index"].to_list() == [1]
    found = [
        foresight(branches, compared),
        before_onset(branches, compared),
        unresolved(branches, compared),
        agreement(branches),
    ]
    assert searches == 8 * [len(L2)]  # E once, and R once
    alone = [
        foresight(records, compared),
        before_onset(records, compared),
        unresolved(records, compared),
        agreement(records),
    ]
    for ours, theirs in zip(found, alone, strict=True):
        assert ours.equals(theirs)
    assert found[-1]["agrees"].to_list() == 4 * [True]
