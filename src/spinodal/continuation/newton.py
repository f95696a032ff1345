"""Newton's method for one row: to minima within a trust region, and to any stationary point."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from spinodal.continuation.computations import newton
from spinodal.continuation.points import Point, scalar
from spinodal.continuation.rows import Request, Row


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
