"""Where one trajectory has a kink: its slope changes at once, more than the bend of the branch accounts for.

Where it is smooth, a branch bends between two neighbouring λ about as much as it does beside them. At a kink, the
second-order transition, it does not: the lines through two points on either side meet between these λ, and next to
them it bends far less. Lines are in the power of λ in which the branch is one (E in λ²: between two transitions of a
deep linear network of depth 2 it is exactly that). Where a phase bends as much as at the kink, and where an
observable arrives with infinite slope (‖θ‖ at depth 2, as √(λ_sp − λ)), nothing is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int

from spinodal.analysis.jumps import KNOWN, SIGNIFICANCE, around, noise_between

SHARP = 0.7
"""A kink is at least this fraction of the change of slope about its interval: the rest may be a bend.

The slope of log(1 + e^{2x/w}), a crossover of width w, passes up to w = 1.1 spacings of the grid."""

FLAT = 0.01
"""A branch that ends in less than this fraction of the slope it had is constant, and two points show it."""

RESOLUTION = 1e-4
"""A kink lifts the branch by at least this fraction of the whole range within one spacing."""


COARSE = 2.0
"""Between two points further apart in λ than by this factor there may be anything: no branch is drawn there."""

NEAR = 0.02
"""The lines meet within the interval up to this fraction of it: a kink may be at a point of the grid."""


class FoundKink(NamedTuple):
    """A kink between points `interval` and `interval` + 1 of a path."""

    interval: int
    l2: float
    """Where the two lines meet."""
    l2_error: float
    """How far they would meet from there if they bent as they do beside it, and what noise makes of it."""
    slope: float
    """Change of the slope over ln λ, for rising λ."""
    slope_error: float
    """What the branches' bend beside it makes of that, and noise."""


def find_kinks(
    l2: Float64[np.ndarray, " l"],
    values: Float64[np.ndarray, " l"],
    jumps: Sequence[int] = (),
    power: float = 1.0,
    errors: Float64[np.ndarray, " l"] | None = None,
) -> list[FoundKink]:
    """Find the kinks of one trajectory.

    There must be three points on either side that belong to the branch; two where it is constant beyond.

    Args:
        l2: λ of each point in the order of the path, strictly rising or strictly falling.
        values: The observable there.
        jumps: Intervals in which it jumps, as `find_jumps` returns them.
        power: Of λ, in which the observable is a straight line far from a transition.
        errors: Standard errors of the values, where they are known.

    Returns:
        One per kink, in the order of the path.
    """
    if len(values) < 5:
        return []
    q = l2**power
    sides = _sides(q, values, jumps, power)
    rounding = np.finfo(np.float64).eps * np.abs(values).max()
    known = around(errors, len(values) - 1)[sides.interval]
    found = _select(sides, np.maximum(RESOLUTION * np.ptp(values), KNOWN * known * sides.error))
    # As in `find_jumps`: the noise that kinks are judged by must be free of them.
    while found:
        noise = noise_between(q, values, sorted({*jumps, *sides.interval[found].tolist()}))[sides.interval]
        noise = np.maximum(noise, np.maximum(known, rounding))
        kept = [k for k in _select(sides, SIGNIFICANCE * noise * sides.error) if k in found]
        if kept == found:
            return [_kink(sides, k, q, power, float(noise[k])) for k in found]
        found = kept
    return []


class _Sides(NamedTuple):
    """The lines on either side of each interval that has one beside it on both; NaN where there is none."""

    interval: Int[np.ndarray, " i"]
    left: Float64[np.ndarray, " i"]
    """Slope of the line before, over q."""
    right: Float64[np.ndarray, " i"]
    bend_before: Float64[np.ndarray, " i"]
    """dslope/dq beside the interval."""
    bend_after: Float64[np.ndarray, " i"]
    steps: Float64[np.ndarray, "3 i"]
    """In q: before the interval, across it, after it."""
    meet: Float64[np.ndarray, " i"]
    """q at which the lines meet, counted from the first point of the interval."""
    error: Float64[np.ndarray, " i"]
    """Of what the change of slope makes across the interval, in units of the noise of one point."""
    turn: Float64[np.ndarray, "2 i"]
    """Change of the slope over q at the first point of the line before, and at the last of the line after."""


def _sides(
    q: Float64[np.ndarray, " l"], values: Float64[np.ndarray, " l"], jumps: Sequence[int], power: float
) -> _Sides:
    dq = np.diff(q)
    slope = np.diff(values) / dq
    slope[list(jumps)] = np.nan  # no branch goes through a jump
    slope[np.abs(np.diff(np.log(q))) > abs(power) * np.log(COARSE)] = np.nan
    change = np.diff(slope)
    turn, bend = (
        np.pad(each, 1, constant_values=np.nan) for each in (change, 2 * change / (dq[:-1] + dq[1:]))
    )
    at = np.arange(1, len(dq) - 1)
    left, right, steps = slope[at - 1], slope[at + 1], np.stack([dq[at - 1], dq[at], dq[at + 1]])
    with np.errstate(divide="ignore", invalid="ignore"):
        meet = (values[at + 1] - values[at] - right * dq[at]) / (left - right)
    error = np.abs(steps[1]) * np.sqrt(2 / steps[0] ** 2 + 2 / steps[2] ** 2)
    return _Sides(
        at,
        left,
        right,
        bend[at - 1],
        bend[at + 2],
        steps,
        meet,
        error,
        np.stack([turn[at - 1], turn[at + 2]]),
    )


def _select(sides: _Sides, threshold: Float64[np.ndarray, " i"]) -> list[int]:
    change, reach = (
        np.abs(sides.right - sides.left),
        np.abs(sides.steps[1] + 0.5 * (sides.steps[0] + sides.steps[2])),
    )
    slopes = np.abs(np.stack([sides.left, sides.right]))
    bends = np.abs(np.stack([sides.bend_before, sides.bend_after]))
    constant = slopes < FLAT * slopes[::-1]
    beside = np.where(np.isnan(bends) & constant, 0.0, bends).max(axis=0)  # NaN if either is not known
    strength = change * np.abs(sides.steps[1])
    with np.errstate(over="ignore"):
        slack = NEAR + np.divide(threshold, strength, out=np.full_like(strength, np.inf), where=strength > 0)
    place = sides.meet / sides.steps[1]
    with np.errstate(invalid="ignore"):
        good = (change - beside * reach > SHARP * change) & (strength > threshold)
        good &= (place > -slack) & (place < 1 + slack)
    found: list[int] = []
    for k in np.flatnonzero(good).tolist():
        if found and k - found[-1] <= 1:
            # One kink next to a point of the grid is seen from both sides: it is where the lines meet.
            if abs(place[k] - 0.5) < abs(place[found[-1]] - 0.5):
                found[-1] = k
        else:
            found.append(k)
    return found


def _kink(sides: _Sides, k: int, q: Float64[np.ndarray, " l"], power: float, noise: float) -> FoundKink:
    before, across, after = sides.steps[:, k]
    change = sides.right[k] - sides.left[k]
    t = sides.meet[k]
    u = t - across
    lift = [
        np.nan_to_num(bend) * 0.5 * at * (at + step)
        for bend, at, step in ((sides.bend_before[k], t, before), (sides.bend_after[k], u, -after))
    ]
    shift = (lift[0] - lift[1]) / change
    spread = (1 + t / before) ** 2 + (t / before) ** 2 + (1 - u / after) ** 2 + (u / after) ** 2
    place = float(q[sides.interval[k]] + t + shift)
    error = float(np.hypot(0.5 * shift, noise * np.sqrt(spread) / change))
    # The nearest row of a side may be beyond the kink: where the lines meet without that row.
    first, last = np.nan_to_num(sides.turn[:, k])
    without = first * (before + t) / (-change - first), last * (u - after) / (-change - last)
    error = float(np.hypot(error, np.hypot(*without)))
    # What the branches bend by up to where they meet; of what is known of a bend, half may be wrong.
    bent = np.nan_to_num(sides.bend_after[k]) * (u - 0.5 * after)
    bent -= np.nan_to_num(sides.bend_before[k]) * (t + 0.5 * before)
    slope = abs(power) * (change + bent)
    slope_noise = noise * np.sqrt(2 / before**2 + 2 / after**2)
    slope_error = np.hypot(place * np.hypot(0.5 * bent, slope_noise), change * error) * abs(power)
    l2 = place ** (1 / power)
    return FoundKink(
        int(sides.interval[k]),
        l2,
        l2 * error / (abs(power) * place),
        float(np.sign(power) * slope * place),
        float(slope_error),
    )
