"""One step along a branch: predicted, corrected, and refused where the branch is not smooth between its ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

from jaxtyping import Float
from torch import Tensor

from spinodal.continuation.charts import SOLVED, Chart, Level, Plane
from spinodal.continuation.points import LOOSE, TIGHT, Point
from spinodal.continuation.rows import Row

STEEP = 0.08
"""|cos| between branch and ∇P above which P is a good coordinate."""

LONGEST = 0.12
"""Length of a step, as a fraction of ‖θ‖."""

SHORTEST = 1e-7
"""The same below which a branch counts as lost."""

ACROSS = 0.06
"""The part of a step along ∇P, as a fraction of ‖θ‖."""

NEAR = 0.35
"""A point may lie this far from where it was predicted, as a fraction of the step."""

SMOOTH = 1e-4
"""E must be −∫c dP along a step, up to this fraction: else the step has crossed to another branch."""


@dataclass(frozen=True)
class Leg:
    """A piece of a branch between two points, in a chart.

    Attributes:
        chart: the coordinate x.
        first: where it begins.
        last: where it ends.
    """

    chart: Chart
    first: Point
    last: Point

    @property
    def ends(self) -> tuple[float, float]:
        """The coordinates of both ends."""
        return self.chart.coordinate(self.first), self.chart.coordinate(self.last)

    def slope_at(self, point: Point) -> float:
        """Return dc/dx of a point.

        Args:
            point: Whose tangent is known.
        """
        return point.slope / self.chart.rate(point)

    def state_at(self, x: float) -> tuple[Float[Tensor, " n"], float]:
        """Interpolate θ and c by the cubic that has both ends' values and derivatives.

        Args:
            x: The coordinate.
        """
        (a, b), (first, last) = self.ends, (self.first, self.last)
        h, u = b - a, (x - a) / (b - a)
        values = (1 + 2 * u) * (1 - u) ** 2, u**2 * (3 - 2 * u)
        slopes = h * u * (1 - u) ** 2, -h * u**2 * (1 - u)
        theta = values[0] * first.theta + values[1] * last.theta
        theta = (
            theta + slopes[0] / self.chart.rate(first) * first.t + slopes[1] / self.chart.rate(last) * last.t
        )
        control = values[0] * first.control + values[1] * last.control
        control += slopes[0] * self.slope_at(first) + slopes[1] * self.slope_at(last)
        return theta, control

    def extremum(self) -> float:
        """Find x at which the cubic of c has its extremum; c' has different signs at the ends."""
        (a, b), h = self.ends, self.ends[1] - self.ends[0]
        left, right = h * self.slope_at(self.first), h * self.slope_at(self.last)
        rise = self.last.control - self.first.control
        # dc/du = left + 2(3·rise − 2·left − right) u + 3(left + right − 2·rise) u², u from 0 to 1.
        p, q = 3 * rise - 2 * left - right, 3 * (left + right - 2 * rise)
        root = p * p - q * left
        guesses = [left / (left - right)]
        if root >= 0:
            lower = -(p + (sqrt(root) if p >= 0 else -sqrt(root)))
            guesses = [
                u for u in ((lower / q if q else -1), (left / lower if lower else -1)) if 0 < u < 1
            ] or guesses
        return a + (b - a) * min(max(guesses[0], 0.02), 0.98)

    def crossing(self, control: float) -> float:
        """Find x at which the cubic of c has a value between those of the ends, by bisection.

        Args:
            control: The value.
        """
        a, b = self.ends
        below = self.first.control < control
        for _ in range(60):
            middle = (a + b) / 2
            if (self.state_at(middle)[1] < control) == below:
                a = middle
            else:
                b = middle
        return (a + b) / 2

    def smooth(self) -> bool:
        """Whether both ends lie on one smooth branch, as far as their values and derivatives show."""
        a, b = self.ends
        h, first, last = b - a, self.first, self.last
        left, right = self.slope_at(first), self.slope_at(last)
        if isinstance(self.chart, Level):
            integral = h * (first.control + last.control) / 2 + h * h * (left - right) / 12
            return abs(last.error - first.error + integral) <= SMOOTH * abs(h) * (
                abs(first.control) + abs(last.control)
            )
        change = max(abs(last.control - first.control), abs(h) * (abs(left) + abs(right)) / 4)
        missing = abs(last.control - first.control - h * (left + right) / 2)
        return float(first.t @ last.t) > 0.8 and missing <= 0.2 * change + 1e-12 * abs(last.control)


@dataclass
class Stride:
    """How long the steps of a row are.

    Attributes:
        length: of the next one.
        failures: steps refused since the last one that was taken.
    """

    length: float
    failures: int = 0


def advance(
    point: Point,
    before: Point | None,
    stride: Stride,
    accept: Callable[[Leg], bool] = lambda leg: True,
    minimum: bool = True,
) -> Row[Leg | None]:
    """Take one step along a branch, in the direction of the point's tangent.

    Args:
        point: Where the row is.
        before: Where it was before, for the bend of the branch.
        stride: Step length; adapted.
        accept: A further condition on the step.
        minimum: Whether E is minimised on levels of P; else points of any index are followed.

    Returns:
        The step; None if the branch is lost.
    """
    size = float(point.theta.norm())
    while stride.length >= SHORTEST * size:
        chart: Chart = Plane(point.theta, point.t)
        longest = LONGEST * size
        if point.steepness >= STEEP and stride.failures < 5:
            chart, longest = Level(minimum=minimum), min(longest, ACROSS * size / point.steepness)
        ds = stride.length = min(stride.length, longest)
        bend, turn = 0.0 * point.theta, 0.0
        if before is not None and (back := float((point.theta - before.theta).norm())) > 0:
            bend, turn = (point.t - before.t) / back, (point.slope - before.slope) / back
        x = chart.coordinate(point) + ds * chart.rate(point)
        guess = point.theta + ds * point.t + 0.5 * ds**2 * bend
        control = point.control + ds * point.slope + 0.5 * ds**2 * turn
        tolerance = LOOSE if stride.failures < 2 else TIGHT  # where modes are soft, or zero by a symmetry
        new = yield from chart.correct(guess, control, x, tolerance, NEAR * ds)
        if new is not None:
            off = float((new.theta - guess).norm()) / ds
            new = yield from chart.tangent(new, point, SOLVED)
            leg = Leg(chart, point, new)
            if leg.smooth() and accept(leg):
                stride.failures = 0
                stride.length = ds * (2.5 if off < 0.01 else 1.6 if off < 0.1 else 1.0)
                return leg
        stride.length, stride.failures = ds / 2, stride.failures + 1
    return None
