"""From minima taken back to the λ before to whether E jumps between two rows: as tested, and not as it looks."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise

import numpy as np
import polars as pl
from jaxtyping import Float64

from spinodal.analysis.curves import trajectory
from spinodal.analysis.seeds import Jump


def restored_in(table: pl.DataFrame) -> Callable[[Hashable, Sequence[Jump]], bool | None]:
    """Return a function of a branch and jumps of its seeds: whether most of them, taken back, restore E.

    It is true where they do all over their brackets, false where they do not, and None where neither is known of most.

    Args:
        table: Records; those of old have no column `reversible`.
    """
    tested: dict[tuple[object, ...], list[tuple[float, float, bool | None]]] = {}
    if "reversible" in table.columns:
        own = ["branch", "_name"]
        rows = table.select("branch", trajectory().alias("_name"), "stage", "l2", "reversible").sort("stage")
        known = rows.filter(pl.col("reversible").is_not_null().any().over(own))
        for name, part in known.partition_by(own, as_dict=True).items():
            path = part.sort("l2", descending=part["l2"][0] > part["l2"][-1])
            ends, answers = pairwise(path["l2"]), path["reversible"][1:]
            tested[name] = [(min(two), max(two), each) for two, each in zip(ends, answers, strict=True)]

    def of_seed(branch: Hashable, jump: Jump) -> bool | None:
        ways = tested.get((branch, jump.trajectory), [])
        answers = [answer for low, high, answer in ways if low < jump.high and jump.low < high]
        return False if False in answers else True if answers and all(answers) else None

    def of_most(branch: Hashable, jumps: Sequence[Jump]) -> bool | None:
        answers = [of_seed(branch, jump) for jump in jumps]
        return next((each for each in (False, True) if 2 * answers.count(each) > len(answers)), None)

    return of_most


def predict_restored(curve: pl.DataFrame, jumping: Float64[np.ndarray, " r"]) -> pl.DataFrame:
    """Replace what ways back have shown, where there were any, by what theory predicts.

    Args:
        curve: Records of an up branch.
        jumping: Features alive in each row, by theory, that end with a jump.
    """
    if "reversible" not in curve.columns:
        return curve
    same = pl.col("_jumping").diff().over(trajectory(), order_by="l2") == 0
    answer = pl.when(pl.col("reversible").is_not_null()).then(same)
    return curve.with_columns(_jumping=jumping).with_columns(reversible=answer).drop("_jumping")
