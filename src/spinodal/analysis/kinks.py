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
from jaxtyping import Float64

from spinodal.analysis.jumps import KNOWN, SIGNIFICANCE, Points, around, noise_between

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
    control: float
    """Where the two lines meet."""
    control_error: float
    """How far they would meet from there if they bent as they do beside it, and what noise makes of it."""
    slope: float
    """Change of the slope over ln λ, for rising λ."""
    slope_error: float
    """What the branches' bend beside it makes of that, and noise."""


def find_kinks(
    control: Points,
    values: Points,
    jumps: Sequence[int] = (),
    power: float = 1.0,
    errors: Points | None = None,
) -> list[FoundKink]:
    """Find the kinks of one trajectory.

    There must be three points on either side that belong to the branch; two where it is constant beyond. The arguments
    are those of `find_jumps`, and the jumps that it returns.

    Returns:
        One per kink, in the order of the path.
    """
    if len(values) < 5:
        return []
    q = control**power
    sides = _sides(q, values, jumps, power)
    # Of what the change of slope makes across the interval, in units of the noise of one point.
    error = np.abs(sides.across) * np.sqrt((2 / sides.step**2).sum(axis=0))
    known = around(errors, len(values) - 1)[1:-1]
    least = np.maximum(known, np.finfo(np.float64).eps * np.abs(values).max())
    # As in `find_jumps`: the noise that kinks are judged by must be free of them.
    kept, found = _select(sides, np.maximum(RESOLUTION * np.ptp(values), KNOWN * known * error)), None
    while kept and kept != found:
        found = kept
        noise = np.maximum(least, noise_between(q, values, [*jumps, *(k + 1 for k in found)])[1:-1])
        kept = [k for k in _select(sides, SIGNIFICANCE * noise * error) if k in found]
    return [_kink(sides, k, q, power, float(noise[k])) for k in kept]


class _Sides(NamedTuple):
    """The lines before and after each interval that has another on both sides; NaN where no branch is.

    Interval k of these is k + 1 of the path.
    """

    slope: Float64[np.ndarray, "2 k"]
    """Of the line, over q."""
    turn: Float64[np.ndarray, "2 k"]
    """Change of the slope over q at the far end of the line."""
    bend: Float64[np.ndarray, "2 k"]
    """The same per q."""
    step: Float64[np.ndarray, "2 k"]
    """In q, from the far end of the line to the interval."""
    across: Float64[np.ndarray, " k"]
    """In q, across the interval."""
    meet: Float64[np.ndarray, " k"]
    """q at which the lines meet, counted from the first point of the interval."""


def _sides(q: Points, values: Points, jumps: Sequence[int], power: float) -> _Sides:
    dq = np.diff(q)
    slope = np.diff(values) / dq
    slope[list(jumps)] = np.nan  # no branch goes through a jump
    slope[np.abs(np.diff(np.log(q))) > abs(power) * np.log(COARSE)] = np.nan
    change = np.diff(slope)
    bends = 2 * change / (dq[:-1] + dq[1:])
    turn, bend = (np.concatenate([[np.nan], each, [np.nan]]) for each in (change, bends))
    across, (left, right), step = dq[1:-1], _beside(slope, 2), _beside(dq, 2) * [[1], [-1]]
    with np.errstate(divide="ignore", invalid="ignore"):
        meet = (values[2:-1] - values[1:-2] - right * across) / (left - right)
    return _Sides(_beside(slope, 2), _beside(turn, 3), _beside(bend, 3), step, across, meet)


def _beside(array: Float64[np.ndarray, " n"], apart: int) -> Float64[np.ndarray, "2 k"]:
    """Return what is before and after each inner interval."""
    return np.stack([array[:-apart], array[apart:]])


def _select(sides: _Sides, threshold: Float64[np.ndarray, " k"]) -> list[int]:
    change = np.abs(sides.slope[1] - sides.slope[0])
    reach = np.abs(sides.across + 0.5 * (sides.step[0] - sides.step[1]))
    slopes, bends = np.abs(sides.slope), np.abs(sides.bend)
    constant = slopes < FLAT * slopes[::-1]
    beside = np.where(np.isnan(bends) & constant, 0.0, bends).max(axis=0)  # NaN if either is not known
    strength = change * np.abs(sides.across)
    with np.errstate(over="ignore", invalid="ignore"):
        slack = NEAR + np.divide(threshold, strength, out=np.full_like(strength, np.inf), where=strength > 0)
        place = sides.meet / sides.across
        good = (change - beside * reach > SHARP * change) & (strength > threshold)
        good &= (place > -slack) & (place < 1 + slack)
    found: list[int] = []
    for k in np.flatnonzero(good).tolist():
        if not found or k - found[-1] > 1:
            found.append(k)
        # One kink next to a point of the grid is seen from both sides: it is where the lines meet.
        elif abs(place[k] - 0.5) < abs(place[found[-1]] - 0.5):
            found[-1] = k
    return found


def _kink(sides: _Sides, k: int, q: Points, power: float, noise: float) -> FoundKink:
    turn, bend = np.nan_to_num(sides.turn[:, k]), np.nan_to_num(sides.bend[:, k])
    step, change = sides.step[:, k], sides.slope[1, k] - sides.slope[0, k]
    at = sides.meet[k] - np.array([0.0, sides.across[k]])  # from either end of the interval
    lift = bend * 0.5 * at * (at + step)
    shift = (lift[0] - lift[1]) / change
    spread = np.sum(np.stack([1 + at / step, at / step], axis=1) ** 2)
    place = float(q[k + 1] + sides.meet[k] + shift)
    error = float(np.hypot(0.5 * shift, noise * np.sqrt(spread) / change))
    # The nearest row of a side may be beyond the kink: where the lines meet without that row.
    without = turn * (at + step) / (-change - turn)
    error = float(np.hypot(error, np.hypot(*without)))
    # What the branches bend by up to where they meet; of what is known of a bend, half may be wrong.
    bent = np.diff(bend * (at + 0.5 * step))[0]
    slope = abs(power) * (change + bent)
    slope_noise = noise * np.sqrt(np.sum(2 / step**2))
    slope_error = np.hypot(place * np.hypot(0.5 * bent, slope_noise), change * error) * abs(power)
    control = place ** (1 / power)
    control_error, slope = control * error / (abs(power) * place), float(np.sign(power) * slope * place)
    return FoundKink(k + 1, control, control_error, slope, float(slope_error))
