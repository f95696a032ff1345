"""Coordinates in which a branch of stationary points is followed.

`Level` has P as its coordinate: E is minimised on the levels P = const (for P = ‖θ‖² on spheres), and c is the Lagrange
multiplier. Folds in c are no singularities there, and where soft modes bend a branch the minimisation finds it again;
the chart ends where P turns. `Plane` has the component of θ along a border d as its coordinate: it passes everything
that is transversal to d. `Control` has c itself. Nothing here needs ∇P = 2θ; for P = ‖θ‖² levels are spheres.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from spinodal.continuation.computations import bordered, level_tangent, newton_anywhere
from spinodal.continuation.family import unit
from spinodal.continuation.newton import minimise, newtons_method
from spinodal.continuation.points import Point, no_borders, point_at, point_on_level, scalar
from spinodal.continuation.rows import Request, Row

FORCING = 1e-5
"""Relative residuals of Newton's steps: soft modes need them small."""

SOLVED = 1e-6
"""Relative residuals of tangents on the way."""


@runtime_checkable
class Chart(Protocol):
    """A coordinate x along a branch."""

    def coordinate(self, point: Point) -> float:
        """Return x of a point."""

    def rate(self, point: Point) -> float:
        """Return dx/ds of a point whose tangent is known."""

    def correct(
        self, theta: Float[Tensor, " n"], control: float, x: float, tolerance: float, reach: float
    ) -> Row[Point | None]:
        """Find the branch's point at x.

        Args:
            theta: A guess.
            control: A guess of c.
            x: Its coordinate.
            tolerance: ‖∇𝓛‖ as a fraction of ‖c∇P‖.
            reach: The point may lie this far from the guess.

        Returns:
            The point without its tangent; None if there is none within reach.
        """

    def tangent(self, point: Point, like: Point | None, tolerance: float) -> Row[Point]:
        """Find the tangent, in the direction of a neighbour's.

        Args:
            point: Stationary.
            like: The neighbour; None for that of growing x.
            tolerance: Relative residual.
        """


@dataclass(frozen=True)
class Level:
    """The penalty P as coordinate.

    Attributes:
        border: a mode that is kept out of θ's way, as on the unstable side of a pitchfork.
        minimum: whether E is minimised on levels; else stationary points of any index are found by Newton's steps.
    """

    border: Float[Tensor, " n"] | None = None
    minimum: bool = True

    def coordinate(self, point: Point) -> float:  # noqa: D102
        return point.penalty

    def rate(self, point: Point) -> float:  # noqa: D102
        return float(point.push @ point.t)

    def correct(  # noqa: D102
        self, theta: Float[Tensor, " n"], control: float, x: float, tolerance: float, reach: float
    ) -> Row[Point | None]:
        if x <= 0:
            return None
        start = yield from point_on_level(theta, x)
        if not self.minimum:
            return (yield from newtons_method(start, partial(self._step, x), tolerance, reach))
        move = partial(point_on_level, level=x)
        return (yield from minimise(start, move, self._borders, tolerance, reach))

    def _borders(self, point: Point) -> Tensor:
        b = unit(point.push)
        if self.border is None:
            return b[None]
        return torch.stack([b, unit(self.border - (self.border @ b) * b)])

    def _step(self, x: float, point: Point) -> Row[Point]:
        control, forcing = (scalar(each, point.theta) for each in (point.control, FORCING))
        request = (point.theta, control, self._borders(point), -point.force, forcing)
        (step,) = yield Request(newton_anywhere, request)
        return (yield from point_on_level(point.theta + step, x))

    def tangent(self, point: Point, like: Point | None, tolerance: float) -> Row[Point]:  # noqa: D102
        near = torch.zeros_like(point.theta) if like is None or like.tangent is None else like.tangent
        numbers = (scalar(each, near) for each in (tolerance, point.floor))
        request = (point.theta, scalar(point.control, near), point.push, near, *numbers)
        tangent, curvature = yield Request(level_tangent, request)
        found = point.along(tangent, -float(curvature / point.push.norm()))
        return found if like is None or float(found.t @ like.t) >= 0 else found.reversed()


@dataclass(frozen=True)
class Plane:
    """The component of θ along a border d as coordinate.

    Attributes:
        origin: where it is zero [n].
        border: d, of length one [n].
    """

    origin: Float[Tensor, " n"]
    border: Float[Tensor, " n"]

    def coordinate(self, point: Point) -> float:  # noqa: D102
        return float(self.border @ (point.theta - self.origin))

    def rate(self, point: Point) -> float:  # noqa: D102
        return float(self.border @ point.t)

    def correct(  # noqa: D102
        self, theta: Float[Tensor, " n"], control: float, x: float, tolerance: float, reach: float
    ) -> Row[Point | None]:
        theta = theta + (x - float(self.border @ (theta - self.origin))) * self.border
        point = yield from point_at(theta, control)
        return (yield from newtons_method(point, self._step, tolerance, reach))

    def _step(self, point: Point) -> Row[Point]:
        control, *numbers = (scalar(each, point.theta) for each in (point.control, FORCING, 0.0))
        request = (point.theta, control, point.push, self.border, -point.force, *numbers)
        step, change = yield Request(bordered, request)
        return (yield from point_at(point.theta + step, point.control + float(change)))

    def tangent(self, point: Point, like: Point | None, tolerance: float) -> Row[Point]:  # noqa: D102
        nothing = torch.zeros_like(point.theta)
        request = (point.theta, scalar(point.control, nothing), point.push, self.border, nothing)
        numbers = (scalar(each, nothing) for each in (tolerance, point.floor))
        tangent, slope = yield Request(bordered, (*request, *numbers))
        found = point.along(tangent, float(slope))
        return found if like is None or float(found.t @ like.t) >= 0 else found.reversed()


@dataclass(frozen=True)
class Control:
    """The control parameter c itself as coordinate.

    Attributes:
        minimum: whether points are minima, and found by minimisation; else they are found by Newton's steps.
        border: a mode that is kept out of θ's way.
    """

    minimum: bool = True
    border: Float[Tensor, " n"] | None = None

    def coordinate(self, point: Point) -> float:  # noqa: D102
        return point.control

    def rate(self, point: Point) -> float:  # noqa: D102
        return point.slope

    def _borders(self, point: Point) -> Tensor:
        return no_borders(point.theta) if self.border is None else self.border[None]

    def correct(  # noqa: D102
        self, theta: Float[Tensor, " n"], control: float, x: float, tolerance: float, reach: float
    ) -> Row[Point | None]:
        point = yield from point_at(theta, x)
        if not self.minimum:
            return (yield from newtons_method(point, self._step, tolerance, reach))
        move = partial(point_at, control=x)
        return (yield from minimise(point, move, self._borders, tolerance, reach))

    def _step(self, point: Point) -> Row[Point]:
        control, forcing = (scalar(each, point.theta) for each in (point.control, FORCING))
        request = (point.theta, control, self._borders(point), -point.force, forcing)
        (step,) = yield Request(newton_anywhere, request)
        return (yield from point_at(point.theta + step, point.control))

    def tangent(self, point: Point, like: Point | None, tolerance: float) -> Row[Point]:  # noqa: D102
        request = (point.theta, scalar(point.control, point.theta), self._borders(point), -point.push)
        (tangent,) = yield Request(newton_anywhere, (*request, scalar(tolerance, point.theta)))
        found = point.along(tangent, 1.0)
        return found if like is None or float(found.t @ like.t) >= 0 else found.reversed()
