"""Branches of stationary points: from minima through their folds onto the saddles beyond."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from spinodal.continuation.branches import BranchPoint, Happening, Trail
from spinodal.continuation.charts import SOLVED, Control, Level
from spinodal.continuation.family import Family, squared_norm
from spinodal.continuation.points import LOOSE
from spinodal.continuation.rows import Row, follow_rows
from spinodal.continuation.walk import Leg
from spinodal.geometry.derivatives import RowFunction


@dataclass(frozen=True)
class Branch:
    """One row's branch.

    Attributes:
        points: in their order along it.
        happenings: folds, pitchforks and turns of P along it.
        end: why it ends where it does.
        cost: gradients it took.
    """

    points: tuple[BranchPoint, ...]
    happenings: tuple[Happening, ...]
    end: str
    cost: float

    def column(self, name: str) -> Float[Tensor, " p"] | Int[Tensor, " p"]:
        """Return an attribute of all points.

        Args:
            name: As of `BranchPoint`, but θ.
        """
        return torch.tensor([getattr(point, name) for point in self.points], dtype=torch.float64)


def follow(
    error: RowFunction,
    theta: Float[Tensor, "R n"],
    value: Float[Tensor, " R"],
    low: Float[Tensor, " R"],
    high: Float[Tensor, " R"],
    penalty: RowFunction = squared_norm,
    max_steps: int = 400,
) -> tuple[Branch, ...]:
    """Follow the branches of stationary points through θ, towards larger c at first, whatever their index.

    Unlike `locate`, which stays on minima, this stays on the branch: it goes through folds onto saddles, and on where a
    pitchfork makes it unstable. Where it comes to one from the side of lower symmetry it goes on symmetrically. It ends
    where c leaves [low, high], where P vanishes, or where no further point is found.

    Args:
        error: E, as of `locate`.
        theta: Stationary points, near enough for Newton's method.
        value: c there.
        low: c at which a branch ends.
        high: The same above.
        penalty: P.
        max_steps: At most so many.
    """

    def row(number: int) -> Row[Trail]:
        trail, control = Trail(), float(value[number])
        within = float(low[number]), float(high[number])
        reach = 0.1 * float(theta[number].norm()) + 1e-6
        point = yield from Control(minimum=False).correct(theta[number], control, control, LOOSE, reach)
        if point is None:
            trail.end = "no stationary point is near the state that was given"
            return trail
        if float(point.push.norm()) <= 1e-10:
            trail.end = "∇P vanishes in the state that was given: it does not move with c"
            return trail
        point = yield from Level().tangent(point, None, SOLVED)
        point = yield from trail.add(point if point.slope > 0 else point.reversed(), 0.0)

        def outside(leg: Leg) -> bool:
            return not within[0] <= leg.last.control <= within[1]

        yield from trail.walk(point, outside, max_steps)
        return trail

    trails, costs = follow_rows(Family(error, penalty), [row(k) for k in range(len(value))])
    return tuple(
        Branch(tuple(trail.points), tuple(trail.happenings), trail.end, cost)
        for trail, cost in zip(trails, costs, strict=True)
    )
