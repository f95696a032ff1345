"""The way of a minimum along the control parameter, to where it ends."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from jaxtyping import Float
from torch import Tensor

from spinodal.continuation.charts import SOLVED, Control, Level
from spinodal.continuation.events import (
    FULL,
    GLANCE,
    KICK,
    Event,
    branch_off,
    branch_off_rest,
    inspect,
    locate_fold,
    locate_pitchfork,
    purify,
    track,
)
from spinodal.continuation.family import unit
from spinodal.continuation.points import LOOSE, TIGHT, Point, point_at
from spinodal.continuation.rows import Row
from spinodal.continuation.walk import Leg, Stride, advance

MOST_STEPS = 2000
"""Steps after which a row is given up."""

PERSISTENT = 3e-3
"""‖θ‖ relative to where the row began, below which P's gradient counts as vanishing."""


class Kind(StrEnum):
    """How the way of a minimum ends."""

    FOLD = "fold"
    PITCHFORK = "pitchfork"
    NONE = "none"
    """It does not: the minimum persists to the end of the stretch."""
    LOST = "lost"
    """It could not be followed; the reason says why."""


@dataclass(frozen=True)
class End:
    """Where the way of one row ends.

    Attributes:
        kind: how.
        point: there; where it is lost the last that was sound.
        event: of a fold or a pitchfork.
        passed: pitchforks on the way at which the minimum went over to one of other symmetry.
        reason: where it is lost.
    """

    kind: Kind
    point: Point
    event: Event | None = None
    passed: tuple[Event, ...] = ()
    reason: str = ""


@dataclass
class Way:
    """A minimum on its way; `follow` is what a row does.

    Attributes:
        value: c where it begins.
        beyond: c where it need not be followed any further.
        passed: pitchforks so far.
        legs: the smooth branch it is on, since the last of them.
    """

    value: float
    beyond: float
    passed: list[Event] = field(default_factory=list)
    legs: list[Leg] = field(default_factory=list)

    @property
    def direction(self) -> float:
        """+1 or −1: whether c grows or falls."""
        return 1.0 if self.beyond >= self.value else -1.0

    def past(self, control: float) -> bool:
        """Whether c lies beyond the end of the stretch.

        Args:
            control: c.
        """
        return (control - self.beyond) * self.direction > 0

    def follow(self, theta: Float[Tensor, " n"]) -> Row[End]:
        """Follow the minimum from θ.

        Args:
            theta: A minimum at `value`, relaxed so far that Newton's steps find it.
        """
        start = yield from point_at(theta, self.value)
        reach = 0.1 * float(theta.norm()) + 1e-6
        point = yield from Control().correct(theta, self.value, self.value, LOOSE, reach)
        if point is None:
            return self._lost(start, "no minimum of 𝓛 is near the state that was given")
        for _ in range(6):
            seen = yield from inspect(point, FULL)
            if not seen.negative:
                return (yield from self._go(replace(point, mode=seen.mode)))
            # Relaxed to a saddle so weak that it passed for a minimum: there is one close by.
            kicked = point.theta + KICK * max(float(theta.norm()), 0.5) * seen.mode
            new = yield from Control().correct(kicked, self.value, self.value, TIGHT, reach)
            if new is None:
                break
            point = new
        return self._lost(start, "the state that was given is a saddle of 𝓛")

    def _lost(self, point: Point, reason: str) -> End:
        return End(Kind.LOST, point, None, tuple(self.passed), reason)

    def _go(self, point: Point) -> Row[End]:
        if _at_rest(point):
            return (yield from self._rest(point))
        size = float(point.theta.norm())
        if point.tangent is None:
            point = yield from Level().tangent(point, None, SOLVED)
        if point.slope * self.direction < 0:
            point = point.reversed()
        stride = Stride(0.02 * size)
        for _ in range(MOST_STEPS):
            leg = yield from advance(point, self.legs[-1].first if self.legs else None, stride)
            if leg is None:
                return self._lost(point, f"no point of the branch is found beyond c = {point.control:.6g}")
            if float(leg.last.theta.norm()) < PERSISTENT * size:
                return (yield from self._to_rest(leg.last))
            turned = leg.last.slope * self.direction < 0
            fold = None
            if turned:
                fold = yield from locate_fold(leg)
                if fold is None:
                    if stride.length < 1e-4 * size:
                        return self._lost(point, f"the fold near c = {leg.last.control:.6g} is not located")
                    stride.length /= 4
                    continue
                leg = replace(leg, last=replace(fold.point, mode=point.mode))
            seen = yield from inspect(leg.last, FULL if turned else GLANCE)
            if seen.negative and not turned:  # or rather, ∇𝓛 is not small enough for one to know?
                x = leg.ends[1]
                exact = yield from leg.chart.correct(leg.last.theta, leg.last.control, x, TIGHT, 0.01 * size)
                if exact is not None:
                    seen = yield from inspect(replace(exact, mode=seen.mode), FULL)
            branching = seen.negative and (not turned or abs(float(seen.mode @ leg.last.t)) < 0.7)
            if branching:
                along = abs(float(unit(leg.last.push) @ seen.mode))
                if along > 0.02 and not turned:  # it stands on the far side of a fold that was stepped over
                    stride.length /= 4
                    if stride.length < 1e-6 * size:
                        return self._lost(
                            point, f"an instability near c = {leg.last.control:.6g} is not resolved"
                        )
                    continue
                end = yield from self._branch(leg, seen.mode)
                if end is None:  # no symmetry: the branch bends, and the step has crossed to another one
                    stride.length = float((leg.last.theta - leg.first.theta).norm()) / 4
                    if stride.length < 1e-6 * size:
                        where = f"c = {leg.last.control:.6g}"
                        return self._lost(point, f"the pitchfork before {where} is not located")
                    continue
                if isinstance(end, End):
                    return end
                point, self.legs, stride = end, [], Stride(0.01 * size)
                continue
            if self.past(leg.last.control):
                return (yield from self._arrive(leg))
            if fold is not None:
                if not fold.pitchfork:
                    return End(Kind.FOLD, fold.point, fold, tuple(self.passed))
                if fold.onwards is None:
                    where = f"c = {fold.point.control:.6g}"
                    return self._lost(fold.point, f"no branch goes on from the pitchfork at {where}")
                self.passed.append(fold)
                point, self.legs, stride = fold.onwards, [], Stride(0.01 * size)
                continue
            point = replace(leg.last, mode=seen.mode)
            self.legs.append(replace(leg, last=point))
        return self._lost(point, f"{MOST_STEPS} steps did not suffice")

    def _arrive(self, leg: Leg) -> Row[End]:
        """The minimum at the end of the stretch, which lies on a leg."""
        theta, _ = leg.state_at(leg.crossing(self.beyond))
        reach = 0.5 * float((leg.last.theta - leg.first.theta).norm())
        point = yield from Control().correct(theta, self.beyond, self.beyond, TIGHT, reach)
        if point is None:
            return self._lost(leg.first, f"no minimum is found at c = {self.beyond:.6g}")
        return End(Kind.NONE, point, None, tuple(self.passed))

    def _branch(self, leg: Leg, mode: Float[Tensor, " n"]) -> Row[End | Point | None]:
        """Locate the pitchfork that made a leg's end a saddle; the way ends there, or goes on elsewhere."""
        mode = yield from purify(leg.last, mode)
        first = len(self.legs)
        while first:  # a glance may have overlooked the mode so far
            value, _ = yield from track(leg.first, mode)
            if value > 0:
                break
            first -= 1
            leg = replace(self.legs[first], last=leg.first)
        event = yield from locate_pitchfork(leg, mode)
        if event is None:
            return None
        if self.past(event.point.control):
            return (yield from self._arrive(Leg(leg.chart, leg.first, event.point)))
        on = yield from branch_off(event, self.direction)
        return self._go_over(event, on)

    def _go_over(self, event: Event, on: Point | None) -> End | Point:
        if on is None:
            return End(Kind.PITCHFORK, event.point, event, tuple(self.passed))
        self.passed.append(event)
        return on

    def _rest(self, point: Point) -> Row[End]:
        """The way of a point at which ∇P = 0, as θ = 0: θ does not move, and the lowest eigenvalue is followed."""
        first, last = point, (yield from point_at(point.theta, self.beyond))
        seen = yield from inspect(last, FULL)
        if not seen.negative:
            return End(Kind.NONE, last, None, tuple(self.passed))
        event = yield from _lose_rest(first, last, seen.mode)
        if event is None:
            return self._lost(point, "the pitchfork of the state at rest is not located")
        on = self._go_over(event, (yield from branch_off_rest(event, self.direction)))
        return on if isinstance(on, End) else (yield from self._go(on))

    def _to_rest(self, point: Point) -> Row[End]:
        """A branch on which ∇P vanishes continuously, as at the onset of a network with one hidden layer."""
        level = yield from Level().tangent(point, None, SOLVED)
        end = point.control - level.slope / Level().rate(level) * point.penalty
        control = end + self.direction * max(10 * abs(end - point.control), 1e-4 * abs(end))
        reach = 10 * float(point.theta.norm())
        rest = yield from Control().correct(point.theta, control, control, LOOSE, reach)
        if rest is None or not _at_rest(rest):
            return self._lost(point, f"∇P vanishes near c = {point.control:.6g}")
        back = yield from point_at(rest.theta, point.control)
        seen = yield from inspect(back, FULL)
        event = (yield from _lose_rest(rest, back, seen.mode)) if seen.negative else None
        if event is None:
            return self._lost(point, f"∇P vanishes near c = {point.control:.6g}")
        if self.past(event.point.control):
            return self._lost(point, f"∇P vanishes near c = {point.control:.6g}")
        self.passed.append(event)
        self.legs = []
        return (yield from self._rest(rest))


def _at_rest(point: Point) -> bool:
    return float(point.push.norm()) <= 1e-10


def _lose_rest(first: Point, last: Point, mode: Float[Tensor, " n"]) -> Row[Event | None]:
    """Find c between two at which a state that does not move loses its stability, by the secant.

    For P = ‖θ‖² the eigenvalue is linear in c, and one step is exact.
    """
    (before, _), (after, mode) = (yield from track(first, mode)), (yield from track(last, mode))
    a, b = (first.control, before), (last.control, after)
    for _ in range(30):
        if not a[1] > 0 > b[1]:
            return None
        control = b[0] - b[1] * (b[0] - a[0]) / (b[1] - a[1])
        point = yield from point_at(first.theta, control)
        value, mode = yield from track(point, mode)
        error = abs(value * (b[0] - a[0]) / (b[1] - a[1]))
        if error <= 1e-10 * abs(control):
            return Event(point, mode, 0.0, error + 4e-16 * abs(control))
        a, b = ((control, value), b) if value > 0 else (a, (control, value))
    return None
