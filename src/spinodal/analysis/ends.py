"""From the trajectories that jump to the rows on either side, and to by how much the observable jumps between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float64, Int

from spinodal.analysis.branch import Columns
from spinodal.analysis.extrapolation import ROWS, Jumped, Side, follow, jumped
from spinodal.analysis.seeds import Jump

APART = 0.04
"""Of the change of ‖θ‖² in a phase: rows of a branch that ends are at least so far apart. A bisected jump has many at
its end, and what so near ones differ by is noise."""


def with_ends(jumps: Sequence[Jump]) -> list[Jump]:
    """Follow the branches on both sides of many jumps, of one observable and table, into their brackets.

    Returns:
        The jumps, with their `ends`.
    """
    if not jumps:
        return []
    branches = [jump.branch for jump in jumps]
    columns, observable = branches[0].columns, branches[0].observable
    before, after = (_side([_rows(jump, way) for jump in jumps], columns, observable) for way in (-1, 1))
    rising = np.array([branch.control[0] < branch.control[-1] for branch in branches])
    far = np.where(rising, [jump.high for jump in jumps], [jump.low for jump in jumps])
    kicked = np.array([branch.kicked for branch in branches])
    is_rest = np.array([observable == "error" and branch.held is None for branch in branches])
    ends = np.array(follow(before, after, far, is_rest, kicked))
    if observable == "error":
        for i, jump in enumerate(jumps):
            ends[:, i] = _known(jump, ends[:, i])
    return [replace(jump, ends=ends[:, i]) for i, jump in enumerate(jumps)]


def _known(jump: Jump, ends: Float64[np.ndarray, "5 w"]) -> Float64[np.ndarray, "5 w"]:
    """Put E at the end of the minimum, where it was located, in the place of what the branch before leads to.

    The branch after begins so near that what it does from there to its next row, as a line, is its error.
    """
    branch, i = jump.branch, jump.at + 1
    at, error = branch.column("located")[i], branch.column("located_E")[i]
    if not np.isfinite(error):
        return ends
    off = 0.0
    if i < jump.last:
        rise = np.diff(branch.values[i : i + 2]) / np.diff(branch.control[i : i + 2])
        off = abs(float(rise[0])) * abs(float(branch.control[i] - at))
    known = [error, 0.0, branch.values[i], off, 0.0]
    return np.repeat(np.array(known)[:, None], ends.shape[1], axis=1)


def jumped_by(group: Sequence[Jump]) -> Jumped:
    """Return by how much seeds jump at one transition: at least one jump, as `with_ends` returns them."""
    return jumped(np.stack([jump.ends for jump in group if jump.ends is not None], axis=1))


def _rows(jump: Jump, way: int) -> Int[np.ndarray, " r"]:
    """Return the rows of the records on one side of a jump that are used, the nearest first."""
    branch = jump.branch
    if way > 0:
        return branch.rows[jump.at + 1 : min(jump.last, jump.at + ROWS) + 1]
    points = np.arange(jump.at, jump.first - 1, -1)
    size = branch.penalty[points]
    least = APART * abs(size[0] - size[-1])
    kept = [0]
    for i in range(1, len(size)):
        if not least > 0 or abs(size[i] - size[kept[-1]]) >= least:
            kept.append(i)
    return branch.rows[points[kept[:ROWS]]]


def _side(rows: Sequence[Int[np.ndarray, " _"]], columns: Columns, observable: str) -> Side:
    table = np.full((len(rows), ROWS), -1)
    for line, known in zip(table, rows, strict=True):
        line[: len(known)] = known
    errors = np.nan_to_num(columns[f"{observable}_se"])
    values = (columns["control_value"], columns[observable], errors, columns["rest"], columns["penalty"])
    return Side(*(np.where(table >= 0, each[table], np.nan) for each in values))
