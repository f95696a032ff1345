"""Saddles between minima: how high they are, which minima they separate, and where two minima are equally deep."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from spinodal.continuation.branches import Trail, saddle_at
from spinodal.continuation.charts import Control
from spinodal.continuation.events import FULL, inspect
from spinodal.continuation.family import Family, squared_norm
from spinodal.continuation.locate import Spinodal
from spinodal.continuation.minima import Kind
from spinodal.continuation.newton import minimise
from spinodal.continuation.points import TIGHT, Point, no_borders, point_at
from spinodal.continuation.rows import Row, follow_rows
from spinodal.geometry.derivatives import RowFunction

STEP, LONGEST = 0.01, 0.02
"""The first step down from a saddle, and the longest one, as fractions of ‖θ‖."""


@dataclass(frozen=True)
class Stationary:
    """A stationary point of every row; NaN where there is none, for the row's `reason`.

    Attributes:
        theta: θ [R, n].
        control: c [R].
        error: E [R].
        penalty: P [R].
        index: negative eigenvalues of ∇²𝓛 [R]; −1 where there is no point.
        lowest: the lowest eigenvalue [R].
        mode: its mode [R, n].
        grad_max: max |∇𝓛| [R].
        reason: why there is none; empty where there is one.
        cost: gradients it took [R].
    """

    theta: Float[Tensor, "R n"]
    control: Float[Tensor, " R"]
    error: Float[Tensor, " R"]
    penalty: Float[Tensor, " R"]
    index: Int[Tensor, " R"]
    lowest: Float[Tensor, " R"]
    mode: Float[Tensor, "R n"]
    grad_max: Float[Tensor, " R"]
    reason: tuple[str, ...]
    cost: Float[Tensor, " R"]

    @property
    def loss(self) -> Float[Tensor, " R"]:
        """𝓛."""
        return self.error + self.control * self.penalty


@dataclass(frozen=True)
class Barrier:
    """A saddle and the minima on both sides of it; the first is the one of larger P.

    Attributes:
        saddle: the saddles.
        minima: the two minima [2, R].
        heights: 𝓛 of the saddle above each [2, R].
        distinct: whether the two differ in E or P by more than rounding [R]; if not they are copies of one state.
    """

    saddle: Stationary
    minima: tuple[Stationary, Stationary]
    heights: Float[Tensor, "2 R"]
    distinct: tuple[bool, ...]


@dataclass(frozen=True)
class Coexistence:
    """Where two minima have equal 𝓛.

    Attributes:
        value: c there [R]; NaN where it is not found, for the row's `reason`.
        bound: of the error of `value` [R].
        minima: the two minima there [2, R].
        reason: empty where it is found.
    """

    value: Float[Tensor, " R"]
    bound: Float[Tensor, " R"]
    minima: tuple[Stationary, Stationary]
    reason: tuple[str, ...]


_Found = tuple[Point | None, int, float, str]
"""A point, its index, its lowest eigenvalue; or the reason why there is none."""


def saddles(
    error: RowFunction,
    spinodal: Spinodal,
    value: Float[Tensor, " R"],
    penalty: RowFunction = squared_norm,
) -> Stationary:
    """Find the saddles that minima end with, at values of c at which the minima still exist.

    Each is followed from its fold, through turns of P and pitchforks at which it becomes more symmetric.

    Args:
        error: E, as of `locate`.
        spinodal: What `locate` found.
        value: c.
        penalty: P.
    """

    def row(number: int) -> Row[_Found]:
        if spinodal.kind[number] is not Kind.FOLD:
            return None, -1, torch.nan, f"no saddle leaves a row that ends as {spinodal.kind[number]}"
        fold = yield from point_at(spinodal.theta[number], float(spinodal.value[number]))
        trail = Trail()
        point = yield from saddle_at(fold.along(spinodal.mode[number], 0.0), float(value[number]), trail)
        return (yield from _looked_at(point, trail.end))

    found, cost = follow_rows(Family(error, penalty), [row(k) for k in range(len(value))])
    return _stationary(found, cost, value, spinodal.theta.shape[-1])


def barrier(
    error: RowFunction,
    theta: Float[Tensor, "R n"],
    value: Float[Tensor, " R"],
    penalty: RowFunction = squared_norm,
) -> Barrier:
    """Measure how high saddles lie above the minima on both sides, which are found by descending to them.

    Args:
        error: E, as of `locate`.
        theta: Near saddles, as `saddles` returns them.
        value: c.
        penalty: P.
    """

    def row(number: int) -> Row[tuple[_Found, _Found, _Found]]:
        control = float(value[number])
        nothing = (None, -1, torch.nan, "no saddle is near the state that was given")
        if not bool(theta[number].isfinite().all()):
            return nothing, nothing, nothing
        reach = 0.1 * float(theta[number].norm())
        point = yield from Control(minimum=False).correct(theta[number], control, control, TIGHT, reach)
        if point is None:
            return nothing, nothing, nothing
        saddle = yield from _looked_at(point, "")
        if saddle[1] < 1:
            return (None, -1, torch.nan, "the state that was given is no saddle"), nothing, nothing
        assert saddle[0] is not None
        sides = []
        for sign in (1.0, -1.0):
            sides.append((yield from _descended(saddle[0], sign)))
        sides.sort(key=lambda found: -found[0].penalty if found[0] else torch.inf)
        return saddle, sides[0], sides[1]

    found, cost = follow_rows(Family(error, penalty), [row(k) for k in range(len(value))])
    saddle, first, second = (
        _stationary([each[k] for each in found], cost, value, theta.shape[-1]) for k in range(3)
    )
    heights = torch.stack([saddle.loss - first.loss, saddle.loss - second.loss])
    apart = [
        (abs(a - b) > 1e-8 * (abs(a) + abs(b)))
        for a, b in zip(first.penalty.tolist(), second.penalty.tolist(), strict=True)
    ]
    return Barrier(saddle, (first, second), heights, tuple(apart))


def coexistence(
    error: RowFunction,
    first: Float[Tensor, "R n"],
    second: Float[Tensor, "R n"],
    value: Float[Tensor, " R"],
    penalty: RowFunction = squared_norm,
) -> Coexistence:
    """Find c at which two minima have equal 𝓛, by Newton's method: d𝓛/dc = P.

    Args:
        error: E, as of `locate`.
        first: Minima at c = value.
        second: Others, at the same c.
        value: c to begin with.
        penalty: P.
    """
    Result = tuple[Point | None, Point | None, float, str]

    def row(number: int) -> Row[Result]:
        control = float(value[number])
        states = [first[number], second[number]]
        if not all(bool(each.isfinite().all()) for each in states):
            return None, None, torch.nan, "there are no two minima to begin with"
        last: tuple[Point, Point] | None = None
        change = 0.0
        for _ in range(50):
            a, b = (yield from _moved(states[0], control)), (yield from _moved(states[1], control))
            if a is None or b is None:  # it went too far
                if last is None or abs(change) < 1e-6 * abs(control):
                    return None, None, torch.nan, f"a minimum is lost at c = {control:.6g}"
                control, change = control - change / 2, change / 2
            else:
                last = yield from _tangents(a, b)
                apart = a.penalty - b.penalty
                if abs(apart) <= 1e-9 * (a.penalty + b.penalty):
                    return None, None, torch.nan, "the two minima are copies of one state"
                change = -(a.loss - b.loss) / apart
                noise = 4e-16 * (abs(a.loss) + abs(b.loss)) / abs(apart)
                if abs(change) <= max(1e-11 * abs(control), 2 * noise):
                    return a, b, abs(change) + noise, ""
                # Not so far that a minimum would be left behind.
                change = max(-0.1 * abs(control), min(0.1 * abs(control), change))
                control += change
            step = control - last[0].control
            states = [each.theta + step / each.slope * each.t for each in last]
        return None, None, torch.nan, "Newton's method does not converge"

    found, cost = follow_rows(Family(error, penalty), [row(k) for k in range(len(value))])
    ends = []
    for k in range(2):
        points: list[_Found] = [(each[:2][k], 0, torch.nan, each[3]) for each in found]
        ends.append(_stationary(points, cost, value, first.shape[-1]))
    bounds = value.new_tensor([each[2] for each in found])
    return Coexistence(ends[0].control, bounds, (ends[0], ends[1]), tuple(each[3] for each in found))


def _moved(theta: Float[Tensor, " n"], control: float) -> Row[Point | None]:
    reach = 0.1 * float(theta.norm()) + 1e-6
    return (yield from Control().correct(theta, control, control, TIGHT, reach))


def _tangents(first: Point, second: Point) -> Row[tuple[Point, Point]]:
    first = yield from Control().tangent(first, None, 1e-4)
    return first, (yield from Control().tangent(second, None, 1e-4))


def _looked_at(point: Point | None, reason: str) -> Row[_Found]:
    """A point with its index, or the reason why there is none."""
    if point is None:
        return None, -1, torch.nan, reason
    seen = yield from inspect(point, FULL)
    return replace(point, mode=seen.mode), seen.index, seen.value, ""


def _descended(saddle: Point, sign: float) -> Row[_Found]:
    """The minimum on one side of a saddle, by short steps downhill."""
    assert saddle.mode is not None
    size = float(saddle.theta.norm())
    start = yield from point_at(saddle.theta + sign * STEP * size * saddle.mode, saddle.control)
    point: Point | None = start
    for _ in range(5):
        assert point is not None
        point = yield from minimise(
            point,
            lambda theta: point_at(theta, saddle.control),
            lambda point: no_borders(point.theta),
            TIGHT,
            float("inf"),
            steps=1000,
            longest=LONGEST * size,
        )
        found = yield from _looked_at(point, "no minimum is found below the saddle")
        if found[0] is None or found[1] == 0:
            return found
        # A symmetry has led the descent to another saddle.
        assert found[0].mode is not None
        point = yield from point_at(found[0].theta + STEP * size * found[0].mode, saddle.control)
    return None, -1, torch.nan, "the descent from the saddle ends in saddles"


def _stationary(found: list[_Found], cost: list[float], value: Float[Tensor, " R"], n: int) -> Stationary:
    points = [each[0] for each in found]
    nothing = value.new_full((n,), torch.nan)

    def numbers(name: str) -> Tensor:
        return value.new_tensor([torch.nan if point is None else getattr(point, name) for point in points])

    return Stationary(
        theta=torch.stack([nothing if point is None else point.theta for point in points]),
        control=numbers("control"),
        error=numbers("error"),
        penalty=numbers("penalty"),
        index=torch.tensor([each[1] for each in found]),
        lowest=value.new_tensor([each[2] for each in found]),
        mode=torch.stack([nothing if p is None or p.mode is None else p.mode for p in points]),
        grad_max=value.new_tensor([torch.nan if p is None else float(p.force.abs().max()) for p in points]),
        reason=tuple(each[3] for each in found),
        cost=value.new_tensor(cost),
    )
