"""From the trajectories that jump to the rows on either side, and to by how much the observable jumps between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float64, Int

from spinodal.analysis.branch import Branch
from spinodal.analysis.extrapolation import ROWS, Ends, Jumped, Side, follow, jumped
from spinodal.analysis.seeds import Jump

APART = 0.04
"""Of the change of ‖θ‖² in a phase: rows of a branch that ends are at least so far apart. A bisected jump has many at
its end, and what so near ones differ by is noise."""


def with_ends(curve: Sequence[tuple[Branch, Jump]], observable: str) -> list[Jump]:
    """Follow the branches on both sides of many jumps into their brackets.

    Args:
        curve: Each jump with the trajectory that it is of.
        observable: That the trajectories were made with.

    Returns:
        The jumps, with their `ends`.
    """
    if not curve:
        return []
    before, after = (_side([(path, _rows(path, jump, way)) for path, jump in curve]) for way in (-1, 1))
    far = np.array([jump.high if path.control[0] < path.control[-1] else jump.low for path, jump in curve])
    kicked = np.array([path.kicked for path, _ in curve])
    is_rest = np.array([observable == "error" and path.held is None for path, _ in curve])
    found = follow(before, after, far, is_rest, kicked)
    return [
        replace(jump, ends=Ends(*(part[i : i + 1] for part in found))) for i, (_, jump) in enumerate(curve)
    ]


def jumped_by(group: Sequence[Jump]) -> Jumped:
    """Return by how much seeds jump at one transition.

    Args:
        group: Jumps as `with_ends` returns them, at least one.
    """
    ends = [jump.ends for jump in group if jump.ends is not None]
    return jumped(Ends(*(np.concatenate(parts) for parts in zip(*ends, strict=True))))


def _rows(path: Branch, jump: Jump, way: int) -> Int[np.ndarray, " r"]:
    """Return the points on one side of a jump that are used, the nearest first."""
    if way > 0:
        return np.arange(jump.at + 1, min(jump.last, jump.at + ROWS) + 1)
    points = np.arange(jump.at, jump.first - 1, -1)
    size = path.penalty[points]
    least = APART * abs(size[0] - size[-1])
    kept = [0]
    for i in range(1, len(size)):
        if not least > 0 or abs(size[i] - size[kept[-1]]) >= least:
            kept.append(i)
    return points[kept[:ROWS]]


def _side(rows: Sequence[tuple[Branch, Int[np.ndarray, " _"]]]) -> Side:
    def column(name: str) -> Float64[np.ndarray, "b r"]:
        table = np.full((len(rows), ROWS), np.nan)
        for line, (path, points) in zip(table, rows, strict=True):
            values = getattr(path, name)
            line[: len(points)] = 0.0 if values is None else values[points]
        return table

    return Side(*(column(name) for name in ("control", "values", "errors", "rest", "penalty")))
