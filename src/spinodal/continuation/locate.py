"""Where minima end along the control parameter: spinodals."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from spinodal.continuation.events import Event
from spinodal.continuation.family import Family, squared_norm
from spinodal.continuation.minima import End, Kind, Way
from spinodal.continuation.rows import follow_rows
from spinodal.geometry.derivatives import RowFunction


@dataclass(frozen=True)
class Spinodal:
    """Where the minimum of every row ends.

    Attributes:
        value: c there [R]; NaN where a row is lost, and where the minimum persists to the end of the stretch.
        bound: of the error of `value` [R].
        kind: how each ends.
        reason: why, of each that is lost; empty elsewhere.
        theta: θ there [R, n]; where the minimum persists the minimum at `beyond`, where it is lost NaN.
        mode: the null vector of ∇²𝓛 [R, n], which at a fold is the branch's tangent, onwards.
        overlap: |cos| between mode and ∇P [R]; 0 at a pitchfork.
        error: E at `theta` [R].
        penalty: P at `theta` [R].
        grad_max: max |∇𝓛| at `theta` [R].
        passed: of each row the pitchforks on the way at which the minimum went over to one of other symmetry.
        cost: gradients it took [R]; a Hessian-vector product counts two.
    """

    value: Float[Tensor, " R"]
    bound: Float[Tensor, " R"]
    kind: tuple[Kind, ...]
    reason: tuple[str, ...]
    theta: Float[Tensor, "R n"]
    mode: Float[Tensor, "R n"]
    overlap: Float[Tensor, " R"]
    error: Float[Tensor, " R"]
    penalty: Float[Tensor, " R"]
    grad_max: Float[Tensor, " R"]
    passed: tuple[tuple[Event, ...], ...]
    cost: Float[Tensor, " R"]


def locate(
    error: RowFunction,
    theta: Float[Tensor, "R n"],
    value: Float[Tensor, " R"],
    beyond: Float[Tensor, " R"],
    penalty: RowFunction = squared_norm,
) -> Spinodal:
    """Find where minima of 𝓛 = E + c·P end along c, by following each to there.

    A minimum is followed as the minimum of E on levels of P, without gaps: between two of its points E is −∫c dP, or
    the step is made again, shorter. It ends in a fold, where it meets a saddle, or in a pitchfork, where a mode that a
    symmetry keeps apart from it becomes unstable. Where a minimum of lower symmetry leaves a pitchfork onwards, the
    way goes on along that one. A fold's mode has a component along ∇P, a pitchfork's has none; nothing is decided by
    how small an eigenvalue is.

    Args:
        error: E; with a method `of(rows)` where rows have data of their own. Twice differentiable, as P.
        theta: Minima, near enough for Newton's method (as relaxed to max |∇𝓛| = 1e-8).
        value: c at which they are minima.
        beyond: c at which the search ends.
        penalty: P; ‖θ‖² by default. ∇P need not be 2θ anywhere, but must not vanish on the way, except at θ where it
            does for all c.
    """
    family = Family(error, penalty)
    ways = [Way(float(a), float(b)) for a, b in zip(value, beyond, strict=True)]
    rows = [way.follow(row) for way, row in zip(ways, theta.detach(), strict=True)]
    ends, cost = follow_rows(family, rows)
    return _together(ends, theta.new_tensor(cost))


def _together(ends: list[End], cost: Float[Tensor, " R"]) -> Spinodal:
    nan = torch.full_like(ends[0].point.theta, torch.nan)
    found = [end.kind is not Kind.LOST for end in ends]

    def numbers(values: list[float]) -> Tensor:
        kept = [each if sound else torch.nan for each, sound in zip(values, found, strict=True)]
        return cost.new_tensor(kept)

    events = [end.event for end in ends]
    return Spinodal(
        value=numbers([each.point.control if each else torch.nan for each in events]),
        bound=numbers([each.error if each else torch.nan for each in events]),
        kind=tuple(end.kind for end in ends),
        reason=tuple(end.reason for end in ends),
        theta=torch.stack([e.point.theta if ok else nan for e, ok in zip(ends, found, strict=True)]),
        mode=torch.stack([each.mode if each else nan for each in events]),
        overlap=numbers([each.overlap if each else torch.nan for each in events]),
        error=numbers([end.point.error for end in ends]),
        penalty=numbers([end.point.penalty for end in ends]),
        grad_max=numbers([float(end.point.force.abs().max()) for end in ends]),
        passed=tuple(end.passed for end in ends),
        cost=cost,
    )
