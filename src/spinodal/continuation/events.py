"""Where a branch turns or branches: folds and pitchforks, located and told apart."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from spinodal.continuation.charts import Chart, Control, Level, Plane
from spinodal.continuation.computations import lowest, newton_anywhere, tracked
from spinodal.continuation.family import unit
from spinodal.continuation.points import TIGHT, Point, point_at, scalar
from spinodal.continuation.rows import Request, Row
from spinodal.continuation.walk import STEEP, Leg

EXACT = 1e-10
"""Relative error of c at which an event counts as located."""

SYMMETRIC = 1e-5
"""|cos| between a mode and ∇P below which the branch does not answer to it: a symmetry forbids it."""

FULL, GLANCE, TRACK = 120, 40, 40
"""Products for a thorough look at the lowest mode, for one on the way, and for following a known mode."""


ONWARDS, KICK, CLOSE = 3e-4, 0.01, 0.05
"""How far beyond a pitchfork the other branch is looked for, how far off the unstable one the search begins, and how
far it may end, as fractions of ‖θ‖."""


@dataclass(frozen=True)
class Event:
    """Where ∇²𝓛 becomes singular along a branch.

    Attributes:
        point: there; its tangent is that of the branch it was reached on.
        mode: the null vector, of length one [n].
        overlap: |cos| between mode and ∇P: 0 at a pitchfork, where a symmetry forbids more.
        error: bound of the error of c.
        onwards: where it was reached on the branch of lower symmetry, a point of the symmetric branch beyond it.
    """

    point: Point
    mode: Float[Tensor, " n"]
    overlap: float
    error: float
    onwards: Point | None = None

    @property
    def pitchfork(self) -> bool:
        """Whether the branch does not answer to the mode."""
        return self.overlap < SYMMETRIC


@dataclass(frozen=True)
class Lowest:
    """The lower end of the spectrum of ∇²𝓛.

    Attributes:
        value: the lowest eigenvalue found.
        mode: its mode [n].
        index: how many were found that are negative beyond rounding and what is left of ∇𝓛.
    """

    value: float
    mode: Float[Tensor, " n"]
    index: int

    @property
    def negative(self) -> bool:
        """Whether one is."""
        return self.index > 0


def inspect(point: Point, products: int) -> Row[Lowest]:
    """Look for the lowest mode of ∇²𝓛, from where it was seen last and a random direction.

    A Ritz value is an upper bound: one that is negative proves a negative eigenvalue. Zero modes of symmetries are off
    by ‖∇𝓛‖ over the part of ‖θ‖ that is turned, and by rounding.

    Args:
        point: Where.
        products: At most so many.
    """
    generator = torch.Generator().manual_seed(len(point.theta))
    start = torch.randn(len(point.theta), generator=generator, dtype=torch.float64).to(point.theta)
    start = unit(start) if point.mode is None else unit(start) + point.mode
    floor = 100 * float(point.force.norm()) / max(float(point.theta.norm()), 1e-6)
    request = (point.theta, scalar(point.control, start), start, scalar(floor, start))
    value, mode, index = yield Request(lowest, request, (min(products, len(start)),))
    return Lowest(float(value), mode, int(index))


def purify(point: Point, mode: Float[Tensor, " n"]) -> Row[Float[Tensor, " n"]]:
    """Iterate the lowest mode, by Lanczos from what it found last, until it does not turn any more.

    Args:
        point: Where.
        mode: The mode as first found; others as soft may be mixed with it.
    """
    floor = scalar(0.0, mode)
    for _ in range(20):
        before, request = mode, (point.theta, scalar(point.control, mode), mode, floor)
        _, mode, _ = yield Request(lowest, request, (min(FULL, len(mode)),))
        if abs(float(mode @ before)) > 1 - 1e-12:
            break
    return mode


def track(point: Point, mode: Float[Tensor, " n"]) -> Row[tuple[float, Float[Tensor, " n"]]]:
    """Find the eigenvalue and the mode that continue a known one.

    Args:
        point: Where.
        mode: As it was at a neighbour.
    """
    steps = min(TRACK, len(mode))
    value, mode, _ = yield Request(tracked, (point.theta, scalar(point.control, mode), mode), (steps,))
    return float(value), mode


def locate_fold(leg: Leg) -> Row[Event | None]:
    """Find where c has its extremum on a leg, at whose ends dc/ds has different signs.

    The null vector is the tangent: ∇²𝓛·t = −(dc/ds)∇P = 0.

    Args:
        leg: Of a branch.

    Returns:
        The fold; or the pitchfork at which a branch of lower symmetry turns into its mirror image.
    """
    restored = yield from _restored(leg)
    if restored is not None:
        return restored
    if not (isinstance(leg.chart, Level) and min(leg.first.steepness, leg.last.steepness) >= STEEP):
        border = unit(leg.first.t + leg.last.t)
        leg = Leg(Plane(leg.first.theta, border), leg.first, leg.last)
    reach = 0.5 * float((leg.last.theta - leg.first.theta).norm())
    whole, (a, b) = leg, leg.ends
    bend = (leg.slope_at(leg.last) - leg.slope_at(leg.first)) / (b - a)
    best: Event | None = None
    for _ in range(12):
        point = yield from leg.chart.correct(*leg.state_at(x := leg.extremum()), x, TIGHT, reach)
        if point is None:
            break
        point = yield from leg.chart.tangent(point, leg.first, 1e-7)
        error = leg.slope_at(point) ** 2 / abs(bend)  # twice what a parabola through the ends has
        if best is None or error < best.error:
            best = _event(point, point.t, error, _overlap_at_extremum(point, whole))
        if error <= 1e-3 * EXACT * abs(point.control):
            break
        same = (point.slope > 0) == (leg.first.slope > 0)
        leg = Leg(leg.chart, point, leg.last) if same else Leg(leg.chart, leg.first, point)
    return best if best is not None and best.error <= EXACT * abs(best.point.control) else None


def _overlap_at_extremum(point: Point, leg: Leg) -> float:
    """|cos| between tangent and ∇P where dc/ds is zero, by the secant from an end of the leg to a point close by."""
    other = max(leg.first, leg.last, key=lambda each: abs(each.slope))
    here, there = (float(unit(each.push) @ each.t) for each in (point, other))
    return abs(here - point.slope * (there - here) / (other.slope - point.slope))


def _event(point: Point, mode: Float[Tensor, " n"], error: float, overlap: float) -> Event:
    """An event with c corrected for what is left of ∇𝓛 along the mode, where the branch answers to it."""
    answer = float(mode @ point.push)
    if overlap >= SYMMETRIC:
        change = -float(mode @ point.force) / answer
        error += abs(change) + 1e-15 * float(point.push.norm()) / abs(answer)
        point = replace(point, control=point.control + change)
    return Event(point, mode, overlap, error + 4e-16 * abs(point.control))


def locate_pitchfork(leg: Leg, mode: Float[Tensor, " n"]) -> Row[Event | None]:
    """Find where a mode that the branch does not answer to becomes zero, by the secant through its eigenvalues.

    Args:
        leg: At whose ends the eigenvalue has different signs.
        mode: At its end.
    """
    chart: Chart = leg.chart if isinstance(leg.chart, Control) else Level(mode)
    if not isinstance(chart, Control) and min(leg.first.steepness, leg.last.steepness) < STEEP:
        chart = Plane(leg.first.theta, unit(leg.first.t + leg.last.t))
    leg = replace(leg, chart=chart)
    (a, b), reach = leg.ends, float((leg.last.theta - leg.first.theta).norm())
    at_a, _ = yield from track(leg.first, mode)
    at_b, mode = yield from track(leg.last, mode)
    if not at_a * at_b < 0:
        return None
    per_x = abs((leg.last.control - leg.first.control) / (b - a))
    older, newer = (a, at_a), (b, at_b)
    for _ in range(40):
        rate = (newer[1] - older[1]) / (newer[0] - older[0])
        x = newer[0] - newer[1] / rate if rate else (a + b) / 2
        if not min(a, b) < x < max(a, b):
            x = (a + b) / 2
        point = yield from chart.correct(*leg.state_at(x), x, TIGHT, reach)
        if point is None:
            return None
        value, mode = yield from track(point, mode)
        older, newer = newer, (x, value)
        error = abs(value * (x - older[0]) / (value - older[1])) * per_x
        if error <= EXACT * abs(point.control):
            point = yield from chart.tangent(point, leg.first, 1e-6)
            return _event(point, mode, error, abs(float(unit(point.push) @ mode)))
        a, b = (x, b) if value * at_a > 0 else (a, x)
    return None


def branch_off(event: Event, direction: float) -> Row[Point | None]:
    """Find the minimum of lower symmetry that leaves a pitchfork towards larger or smaller c.

    A little further on, E is minimised on its level of P from both sides of the unstable branch. At a supercritical
    pitchfork that ends close by, as the square root of the distance; at a subcritical one there is nothing close by.
    Modes of several dimensions (three units alike) have cubic terms, and then the minimum close by is reached by a
    jump, however small: a minimum within `CLOSE` counts as the same one.

    Args:
        event: A pitchfork, with the unstable branch's tangent.
        direction: +1 or −1, of c.

    Returns:
        The minimum, with its tangent onwards; None where there is none.
    """
    start = event.point
    size = max(float(start.theta.norm()), 0.5)
    found: Point | None = None
    for sign in (1.0, -1.0):
        guess = start.theta + size * (ONWARDS * start.t + sign * KICK * event.mode)
        x = start.penalty + ONWARDS * size * Level().rate(start)
        point = yield from Level().correct(guess, start.control, x, TIGHT, CLOSE * size)
        if point is not None and (found is None or point.error < found.error):
            found = point
    if found is None:
        return None
    found = yield from Level().tangent(found, start, 1e-6)
    seen = yield from inspect(found, FULL)
    if seen.negative or found.slope * direction < 0:
        return None
    return replace(found, mode=seen.mode)


def branch_off_rest(event: Event, direction: float) -> Row[Point | None]:
    """Find the minimum that leaves a state at rest, where ∇P = 0 and θ did not move with c so far.

    Args:
        event: Where the state loses its stability.
        direction: +1 or −1, of c.

    Returns:
        The minimum, with its tangent onwards; None where there is none close by.
    """
    start = event.point
    size = max(float(start.theta.norm()), 0.5)
    control = start.control + direction * ONWARDS * abs(start.control)
    guess = start.theta + KICK * size * event.mode
    point = yield from Control().correct(guess, control, control, TIGHT, 2 * CLOSE * size)
    if point is None:
        return None
    point = yield from Level().tangent(point, None, 1e-6)
    point = point if point.slope * direction > 0 else point.reversed()
    seen = yield from inspect(point, FULL)
    return None if seen.negative else replace(point, mode=seen.mode)


def _restored(leg: Leg) -> Row[Event | None]:
    """Find the pitchfork at which a branch of lower symmetry turns into its mirror image, from the symmetric branch.

    There dc/ds and ∇P·t change sign together, and no chart of the branch itself is regular. The symmetric branch is: it
    is found at c on both sides.
    """
    at = [float(unit(each.push) @ each.t) for each in (leg.first, leg.last)]
    span = leg.last.slope - leg.first.slope
    if not at[0] * at[1] < 0 or abs(at[0] - leg.first.slope * (at[1] - at[0]) / span) > 0.1 * min(
        map(abs, at)
    ):
        return None
    theta, control = leg.state_at(leg.extremum())
    middle = yield from point_at(theta, control)
    mode = unit(leg.first.t + leg.last.t)
    request = (theta, scalar(control, theta), mode[None], -middle.push, scalar(1e-5, theta))
    (z,) = yield Request(newton_anywhere, request)
    change = 0.3 * max(abs(control - each.control) for each in (leg.first, leg.last))
    change = min(change, 0.05 * float(theta.norm() / z.norm())) * (1.0 if leg.first.slope > 0 else -1.0)
    found, chart = [], Control(minimum=False, border=mode)
    for side in (-change, change):
        x, reach = (
            control + side,
            float((leg.last.theta - leg.first.theta).norm()) + abs(change * float(z.norm())),
        )
        point = yield from Control(minimum=False).correct(theta + side * z, x, x, TIGHT, reach)
        if point is None:
            return None
        point = yield from chart.tangent(point, None, 1e-6)
        found.append(point if change > 0 else point.reversed())
    if not float(found[0].t @ found[1].t) > 0.5:
        return None
    event = yield from locate_pitchfork(Leg(chart, found[0], found[1]), mode)
    return event and replace(event, onwards=found[1])
