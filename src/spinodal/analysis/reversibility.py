"""Where a branch was taken back from λ to λ: whether E jumps between two rows, as tested and not as it looks."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise

import numpy as np
import polars as pl
from jaxtyping import Float64

from spinodal.analysis.curves import trajectory
from spinodal.analysis.seeds import Jump

TESTED = "reversible"
"""The column of the records: of each row, whether it restores E at the row before it on the path."""

Restored = Callable[[Hashable, Sequence[Jump]], bool | None]
"""From a branch and the jumps of its seeds to whether most of them, taken back, restore E: then they are none."""


def restored_in(table: pl.DataFrame) -> Restored:
    """Return what the records of refined branches hold of jumps.

    Args:
        table: Records, of now or of before there was the column.

    Returns:
        A function of a branch and of jumps of it, one of each seed. True: most restore E in all that their brackets
        hold; False: most do not, somewhere in them; None: neither is known of most.
    """
    tested: dict[tuple[Hashable, str], list[tuple[float, float, bool | None]]] = {}
    if TESTED in table.columns:
        named = table.select("branch", trajectory().alias("_name"), "stage", "l2", TESTED)
        known = named.filter(pl.col(TESTED).is_not_null().any().over("branch", "_name"))
        for (branch, name), rows in known.sort("stage").partition_by("branch", "_name", as_dict=True).items():
            falls = rows["l2"][0] > rows["l2"][-1]
            path = rows.sort("l2", descending=falls)
            tested[branch, name] = [
                (min(one, other), max(one, other), answer)
                for (one, other), answer in zip(pairwise(path["l2"]), path[TESTED][1:], strict=True)
            ]

    def of_seed(branch: Hashable, jump: Jump) -> bool | None:
        between = tested.get((branch, jump.trajectory), [])
        answers = [answer for low, high, answer in between if low < jump.high and jump.low < high]
        return False if False in answers else True if answers and all(answers) else None

    def of_most(branch: Hashable, jumps: Sequence[Jump]) -> bool | None:
        answers = [of_seed(branch, jump) for jump in jumps]
        return next((each for each in (False, True) if 2 * answers.count(each) > len(answers)), None)

    return of_most


def predict_restored(curve: pl.DataFrame, jumping: Float64[np.ndarray, " r"]) -> pl.DataFrame:
    """Replace, in the rows that were taken back, what that showed by what theory predicts.

    Args:
        curve: Records of an up branch.
        jumping: Features alive in each row, by theory, that end with a jump.
    """
    if TESTED not in curve.columns:
        return curve
    lost = pl.col("_jumping").diff().over(trajectory(), order_by="l2") != 0
    foreseen = {TESTED: pl.when(pl.col(TESTED).is_not_null()).then(~lost)}
    return curve.with_columns(_jumping=jumping).with_columns(**foreseen).drop("_jumping")
