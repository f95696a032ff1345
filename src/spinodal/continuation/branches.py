"""Branches of stationary points of any index, followed through folds: minima, and the saddles they end with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from jaxtyping import Float
from torch import Tensor

from spinodal.continuation.charts import Control, Plane
from spinodal.continuation.events import FULL, Event, inspect, locate_fold
from spinodal.continuation.family import unit
from spinodal.continuation.points import TIGHT, Point
from spinodal.continuation.rows import Row
from spinodal.continuation.walk import Leg, Stride, advance

SMALL = 0.02
"""‖θ‖ relative to where a branch began, below which it is followed no further."""


class What(StrEnum):
    """What can happen on a branch."""

    FOLD = "fold"
    PITCHFORK = "pitchfork"
    NORM_TURN = "norm turn"
    """P has an extremum along the branch."""


@dataclass(frozen=True)
class Happening:
    """What happens at a point of a branch.

    Attributes:
        what: it is.
        control: c there.
        error: bound of the error of c.
        overlap: |cos| between the null vector and ∇P.
        theta: θ there [n].
        arclength: from where the branch began.
    """

    what: What
    control: float
    error: float
    overlap: float
    theta: Float[Tensor, " n"]
    arclength: float


@dataclass(frozen=True)
class BranchPoint:
    """A point of a branch.

    Attributes:
        arclength: ‖dθ‖ along the branch from where it began, by chords.
        control: c.
        error: E.
        penalty: P.
        slope: dc/ds.
        index: negative eigenvalues of ∇²𝓛, as many as Lanczos finds.
        lowest: the lowest eigenvalue of ∇²𝓛.
        grad_max: max |∇𝓛|.
        theta: θ [n].
    """

    arclength: float
    control: float
    error: float
    penalty: float
    slope: float
    index: int
    lowest: float
    grad_max: float
    theta: Float[Tensor, " n"]


@dataclass
class Trail:
    """A branch in the making.

    Attributes:
        points: so far.
        happenings: so far.
        arclength: so far.
        end: why it ends where it does.
    """

    points: list[BranchPoint] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    arclength: float = 0.0
    end: str = ""

    def note(self, event: Event, what: What | None = None) -> None:
        """Add an event.

        Args:
            event: The last point's.
            what: A fold or a pitchfork, as the event has it, by default.
        """
        kind = what or (What.PITCHFORK if event.pitchfork else What.FOLD)
        numbers = event.point.control, event.error, event.overlap, event.point.theta, self.arclength
        self.happenings.append(Happening(kind, *numbers))

    def add(self, point: Point, length: float) -> Row[Point]:
        """Add a point, after its spectrum was looked at.

        Args:
            point: With its tangent.
            length: Of the way to it.
        """
        seen = yield from inspect(point, FULL)
        self.arclength += length
        self.points.append(
            BranchPoint(
                self.arclength,
                point.control,
                point.error,
                point.penalty,
                point.slope,
                seen.index,
                seen.value,
                float(point.force.abs().max()),
                point.theta,
            )
        )
        return replace(point, mode=seen.mode)

    def walk(
        self, point: Point, done: Callable[[Leg], bool], most: int = 400, minimum: bool = False
    ) -> Row[Leg | None]:
        """Follow a branch onwards, whatever its index.

        At a pitchfork that it reaches from the side of lower symmetry it goes on along the symmetric branch, in the
        same direction of c; its mirror image would lead it back.

        Args:
            point: With its tangent.
            done: Whether a leg is the last one.
            most: Steps.
            minimum: Whether levels of P are minimised on.

        Returns:
            The last leg; None where the branch ends otherwise, for the reason `end`.
        """
        size, stride, before = float(point.theta.norm()), Stride(0.01 * float(point.theta.norm())), None
        for _ in range(most):
            leg = yield from advance(point, before, stride, minimum=minimum)
            if leg is None:
                self.end = f"no point of the branch is found beyond c = {point.control:.6g}"
                return None
            length = float((leg.last.theta - leg.first.theta).norm())
            if done(leg):
                yield from self.add(leg.last, length)
                self.end = "the end of the stretch is reached"
                return leg
            if leg.first.slope * leg.last.slope < 0:
                event = yield from locate_fold(leg)
                if event is None:
                    stride.length = length / 4
                    if stride.length < 1e-5 * size:
                        self.end = f"the fold near c = {leg.last.control:.6g} is not located"
                        return None
                    continue
                self.note(event)
                if event.pitchfork:
                    on = event.onwards
                    if on is None:
                        self.end = f"no branch goes on from the pitchfork at c = {event.point.control:.6g}"
                        return None
                    point, before, stride = (yield from self.add(on, length)), None, Stride(0.01 * size)
                    continue
            if float(leg.first.push @ leg.first.t) * float(leg.last.push @ leg.last.t) < 0:
                turn = yield from _turn(leg)
                if turn is not None:
                    self.note(turn, What.NORM_TURN)
            before = leg.first
            point = yield from self.add(leg.last, length)
            if float(point.theta.norm()) < SMALL * size:
                self.end = "P vanishes"
                return None
        self.end = f"{most} steps did not suffice"
        return None


def _turn(leg: Leg) -> Row[Event | None]:
    """Where P has its extremum on a leg, by the secant on ∇P·t."""
    chart = Plane(leg.first.theta, unit(leg.first.t + leg.last.t))
    leg = replace(leg, chart=chart)
    (a, b) = leg.ends
    at_a, at_b = (float(each.push @ each.t) for each in (leg.first, leg.last))
    reach = 0.5 * float((leg.last.theta - leg.first.theta).norm())
    point, value = leg.first, at_a
    for _ in range(12):
        x = a - at_a * (b - a) / (at_b - at_a)
        new = yield from chart.correct(*leg.state_at(x), x, TIGHT, reach)
        if new is None:
            return None
        point = yield from chart.tangent(new, leg.first, 1e-7)
        value = float(point.push @ point.t)
        if abs(value) <= 1e-7 * abs(at_b - at_a):
            break
        a, at_a, b, at_b = (x, value, b, at_b) if value * at_a > 0 else (a, at_a, x, value)
    error = abs(point.slope * value * (leg.ends[1] - leg.ends[0]) / (at_b - at_a)) if at_b != at_a else 0.0
    return Event(point, point.t, point.steepness, error + 1e-15 * abs(point.control))


def saddle_at(fold: Point, control: float, trail: Trail) -> Row[Point | None]:
    """Find the saddle that a minimum ended with, at a value of c.

    Args:
        fold: With its tangent onwards.
        control: c, on the side of the fold where the minimum is.
        trail: What lies on the way.
    """
    side = 1.0 if fold.control > control else -1.0
    fold = replace(
        fold, slope=-side * abs(fold.slope)
    )  # zero up to rounding: it must not count as another fold
    leg = yield from trail.walk(fold, lambda leg: (control - leg.last.control) * side >= 0)
    if leg is None:
        return None
    theta, _ = leg.state_at(leg.crossing(control))
    reach = float((leg.last.theta - leg.first.theta).norm())
    point = yield from Control(minimum=False).correct(theta, control, control, TIGHT, reach)
    if point is None:
        trail.end = f"no saddle is found at c = {control:.6g}"
    return point
