"""From minima taken back to the λ before to whether E jumps between two rows: as tested, and not as it looks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from jaxtyping import Float64

from spinodal.analysis.curves import trajectory
from spinodal.analysis.seeds import Jump


def taken_back(jumps: Sequence[Jump]) -> bool | None:
    """Return whether most of some jumps, taken back, restore E.

    It is true where they do all over their brackets, false where they do not, and None where neither is known of most.

    Args:
        jumps: One for each seed.
    """
    answers = [_restored(jump) for jump in jumps]
    return next((each for each in (False, True) if 2 * answers.count(each) > len(answers)), None)


def _restored(jump: Jump) -> bool | None:
    """The same of one jump, by the rows of its trajectory, in the order of the path."""
    branch = jump.branch
    control, answers = branch.path, branch.columns.at("reversible", branch.stages)
    order = np.argsort(control, kind="stable")[:: -1 if control[0] > control[-1] else 1]
    control, answers = control[order], answers[order][1:]
    inside = (np.minimum(control[:-1], control[1:]) < jump.high) & (
        jump.low < np.maximum(control[:-1], control[1:])
    )
    if (answers[inside] == 0).any():
        return False
    return True if inside.any() and (answers[inside] == 1).all() else None


def predict_restored(curve: pl.DataFrame, jumping: Float64[np.ndarray, " r"]) -> pl.DataFrame:
    """Replace what ways back have shown, where there were any, by what theory predicts.

    Args:
        curve: Records of an up branch.
        jumping: Features alive in each row, by theory, that end with a jump.
    """
    if "reversible" not in curve.columns:
        return curve
    same = pl.col("_jumping").diff().over(trajectory(), order_by="control_value") == 0
    answer = pl.when(pl.col("reversible").is_not_null()).then(same)
    return curve.with_columns(_jumping=jumping).with_columns(reversible=answer).drop("_jumping")
