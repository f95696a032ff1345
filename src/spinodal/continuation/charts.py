"""Points of a branch of stationary points, and the coordinates it is followed in.

`Level` has P as its coordinate: E is minimised on the levels P = const (for P = ‖θ‖² on spheres), and c is the Lagrange
multiplier. Folds in c are no singularities there, and where soft modes bend a branch the minimisation finds it again;
the chart ends where P turns. `Plane` has the component of θ along a border d as its coordinate: it passes everything
that is transversal to d. `Control` has c itself. None but the first step of `Level` onto a sphere is special to ‖θ‖².
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from spinodal.continuation.computations import (
    bordered,
    evaluate,
    evaluate_on_level,
    level_tangent,
    newton,
    newton_anywhere,
)
from spinodal.continuation.family import unit
from spinodal.continuation.rows import Request, Row

TIGHT = 1e-12
"""‖∇𝓛‖ at events, as a fraction of ‖c∇P‖."""

LOOSE = 1e-8
"""The same on the way."""

FORCING = 1e-5
"""Relative residuals of Newton's steps: soft modes need them small."""

SOLVED = 1e-6
"""Relative residuals of tangents on the way."""


@dataclass(frozen=True)
class Point:
    """A stationary point of one row.

    Attributes:
        theta: θ [n].
        control: c.
        error: E.
        penalty: P.
        force: ∇𝓛 [n].
        push: ∇P [n].
        tangent: dθ/ds [n], of length one, once known.
        slope: dc/ds, once the tangent is known.
        mode: the lowest mode of ∇²𝓛 as last looked for [n].
    """

    theta: Float[Tensor, " n"]
    control: float
    error: float
    penalty: float
    force: Float[Tensor, " n"]
    push: Float[Tensor, " n"]
    tangent: Float[Tensor, " n"] | None = None
    slope: float = float("nan")
    mode: Float[Tensor, " n"] | None = None

    @property
    def t(self) -> Float[Tensor, " n"]:
        """The tangent, which must be known."""
        assert self.tangent is not None
        return self.tangent

    @property
    def scale(self) -> float:
        """‖c∇P‖, against which ∇𝓛 is small; of E's own size where P has no gradient."""
        return abs(self.control) * float(self.push.norm())

    @property
    def loss(self) -> float:
        """𝓛."""
        return self.error + self.control * self.penalty

    @property
    def steepness(self) -> float:
        """|cos| of the angle between the branch and ∇P."""
        return abs(float(unit(self.push) @ self.t))

    @property
    def floor(self) -> float:
        """Residuals of linear equations that mean nothing: A·v of zero modes is ∇𝓛 turned, and rounding."""
        size = max(float(self.theta.norm()), 1e-300)
        return 10 * float(self.force.norm()) / size + 1e-13 * self.scale / size

    def converged(self, tolerance: float) -> bool:
        """Whether ∇𝓛 is a small enough fraction of ‖c∇P‖, or rounding.

        Args:
            tolerance: The fraction.
        """
        return float(self.force.norm()) <= max(tolerance * self.scale, 1e-15 * len(self.theta) ** 0.5)

    def along(self, direction: Float[Tensor, " n"], slope: float) -> Point:
        """Return the point with a tangent.

        Args:
            direction: dθ/dx, x any coordinate.
            slope: dc/dx.
        """
        length = float(direction.norm())
        return replace(self, tangent=direction / length, slope=slope / length)

    def reversed(self) -> Point:
        """Return the point with its tangent turned round."""
        return replace(self, tangent=-self.t, slope=-self.slope)


def scalar(value: float, like: Tensor) -> Tensor:
    """Return a number as a tensor of no dimensions."""
    return like.new_tensor(value)


def no_borders(theta: Float[Tensor, " n"]) -> Float[Tensor, "0 n"]:
    """Return borders of which there are none."""
    return theta.new_zeros(0, len(theta))


def point_at(theta: Float[Tensor, " n"], control: float) -> Row[Point]:
    """Compute a point where θ and c are given."""
    error, penalty, gradient, push = yield Request(evaluate, (theta,))
    return Point(theta, control, float(error), float(penalty), gradient + control * push, push)


def _level_point(theta: Float[Tensor, " n"], level: float) -> Row[Point]:
    theta, error, penalty, gradient, push = yield Request(evaluate_on_level, (theta, scalar(level, theta)))
    control = -float(gradient @ push / push.square().sum())
    return Point(theta, control, float(error), float(penalty), gradient + control * push, push)


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

        def borders(point: Point) -> Tensor:
            b = unit(point.push)
            if self.border is None:
                return b[None]
            return torch.stack([b, unit(self.border - (self.border @ b) * b)])

        def step(point: Point) -> Row[Point]:
            request = (point.theta, scalar(point.control, theta), borders(point), -point.force)
            (step,) = yield Request(newton_anywhere, (*request, scalar(FORCING, theta)))
            return (yield from _level_point(point.theta + step, x))

        start = yield from _level_point(theta, x)
        if not self.minimum:
            return (yield from newtons_method(start, step, tolerance, reach))
        return (
            yield from minimise(start, lambda theta: _level_point(theta, x), borders, tolerance, reach)
        )

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

        def step(point: Point) -> Row[Point]:
            numbers = (scalar(each, theta) for each in (FORCING, 0.0))
            request = (point.theta, scalar(point.control, theta), point.push, self.border, -point.force)
            step, change = yield Request(bordered, (*request, *numbers))
            return (yield from point_at(point.theta + step, point.control + float(change)))

        return (yield from newtons_method(point, step, tolerance, reach))

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
        if self.minimum:
            return (
                yield from minimise(
                    point, lambda theta: point_at(theta, x), self._borders, tolerance, reach
                )
            )

        def step(point: Point) -> Row[Point]:
            request = (point.theta, scalar(x, theta), self._borders(point), -point.force)
            (step,) = yield Request(newton_anywhere, (*request, scalar(FORCING, theta)))
            return (yield from point_at(point.theta + step, x))

        return (yield from newtons_method(point, step, tolerance, reach))

    def tangent(self, point: Point, like: Point | None, tolerance: float) -> Row[Point]:  # noqa: D102
        request = (point.theta, scalar(point.control, point.theta), self._borders(point), -point.push)
        (tangent,) = yield Request(newton_anywhere, (*request, scalar(tolerance, point.theta)))
        found = point.along(tangent, 1.0)
        return found if like is None or float(found.t @ like.t) >= 0 else found.reversed()


def newtons_method(
    point: Point, step: Callable[[Point], Row[Point]], tolerance: float, reach: float, steps: int = 12
) -> Row[Point | None]:
    """Take Newton's steps, to a minimum or a saddle.

    With soft modes ‖∇𝓛‖ may grow for a step, as they move far: it may not twice in succession.

    Args:
        point: Where to begin.
        step: Makes the next point.
        tolerance: ‖∇𝓛‖ as a fraction of ‖c∇P‖.
        reach: The stationary point may lie this far from where it began.
        steps: At most so many.

    Returns:
        The stationary point; None if there is none within reach.
    """
    start, grown, best = point.theta, 0, point
    for _ in range(steps):
        if point.converged(tolerance):
            return point
        point = yield from step(point)
        if not float((point.theta - start).norm()) <= reach:
            return None
        shorter = float(point.force.norm()) < 0.5 * float(best.force.norm())
        grown = 0 if shorter else grown + 1
        if not shorter and best.converged(10 * tolerance):
            return best  # rounding: it does not get shorter than this
        if grown == 3:
            return None
        best = point if float(point.force.norm()) < float(best.force.norm()) else best
    return best if best.converged(tolerance) else None


def minimise(
    point: Point,
    move: Callable[[Tensor], Row[Point]],
    borders: Callable[[Point], Tensor],
    tolerance: float,
    reach: float,
    steps: int = 60,
    longest: float = float("inf"),
) -> Row[Point | None]:
    """Minimise by Newton steps within a trust region, each accepted by the slope at its end.

    Differences of 𝓛 drown in rounding long before slopes do.

    Args:
        point: Where to begin.
        move: Makes the point of another θ, on the same level or at the same c.
        borders: Directions that are not free, at a point.
        tolerance: ‖∇𝓛‖ as a fraction of ‖c∇P‖.
        reach: The minimum may lie this far from where it began.
        steps: At most so many.
        longest: Length of a step, where the way down matters.

    Returns:
        The minimum; None if there is none within reach.
    """
    start, radius = point.theta, min(0.5 * reach, longest)
    for _ in range(steps):
        if point.converged(tolerance):
            return point
        size = float(point.force.norm())
        forcing = min(0.1, max(1e-3, size / max(point.scale, 1e-300)))
        numbers = (scalar(each, start) for each in (radius, forcing))
        request = (point.theta, scalar(point.control, start), borders(point), point.force, *numbers)
        step, image, _ = yield Request(newton, request)
        new = yield from move(point.theta + step)
        slope = float(point.force @ step)
        expected = slope + float(image @ step)
        mismatch = abs(float(new.force @ step) - expected) / max(abs(slope), 1e-300)
        if point.converged(10 * tolerance) and not float(new.force.norm()) < size:
            return point  # rounding: it does not get shorter than this
        if mismatch <= 0.5:
            point = new
            radius = min(radius * (2.0 if mismatch <= 0.1 else 1.0), longest)
        else:
            radius = float(step.norm()) / 4
        if not float((point.theta - start).norm()) <= reach:
            return None
    return point if point.converged(tolerance) else None
