"""By how much an observable jumps where it jumps: both branches, followed into the bracket, with the error of that.

Along a branch of minima dE = −λ dN with N = ‖θ‖² (because ∇E = −2λθ), for any network and any error. So E(N) is known
with its slope at every row, and a branch ends at a fold where λ(N) = −dE/dN turns back: at an inflection of E(N), which
has no singularity there, while E(λ) runs off as √(λ_sp − λ). The polynomial through the last 2, 3 or 4 rows and their
slopes is followed to that point, and what a row more changes is the error. Another observable Q is followed as Q(N).

Where that leads out of the bracket, where noise may have ended a branch before its fold, or where ‖θ‖ is not known, the
branch ends anywhere in the bracket: between its last row and what Q = Q_sp + a√(λ_sp − λ) + b(λ_sp − λ) through the
last rows makes of it if λ_sp is the far end of the bracket. Then the middle of that range counts, and half of it is the
error. The branch on the other side is followed back to where the first one ends, as a polynomial in λ.

No closed form of a network's transitions is used.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from spinodal.analysis.deviation import stated

ROWS = 4
"""Of a branch, that are used at most."""

A_DIGIT = 0.1
"""A row more is not trusted to make the error smaller than by this factor, however little it changes."""

WIDE = 2.0
"""What is further from the middle of the range than so many halves of it is not believed."""

_SAMPLES = 96
"""Places at which a fold is looked for, from the last row on."""

_REACH = 8.0
"""So many times the way through the rows that are used a fold may be beyond the last."""


class Side(NamedTuple):
    """The rows of a branch on one side of a bracket, from the bracket outwards; NaN where there are none."""

    l2: Float64[np.ndarray, "b r"]
    values: Float64[np.ndarray, "b r"]
    """The observable."""
    noise: Float64[np.ndarray, "b r"]
    """Its standard errors; 0 where they are not known."""
    error: Float64[np.ndarray, "b r"]
    """E."""
    size: Float64[np.ndarray, "b r"]
    """N."""


class Ends(NamedTuple):
    """What several ways to follow two branches into a bracket come to; NaN where one does not apply.

    Ways of the branch before: 0, it ends anywhere in the bracket; 1 …, at the fold of the polynomial through 2, 3, …
    rows. Of the branch after, for each of these: the polynomial of order 0, 1, … in λ.
    """

    before: Float64[np.ndarray, "b w"]
    before_off: Float64[np.ndarray, "b w"]
    """How far the way with a row less is off, with its sign; for way 0 half the range, and above 0."""
    after: Float64[np.ndarray, "b w o"]
    after_off: Float64[np.ndarray, "b w o"]
    noise: Float64[np.ndarray, "b w o"]
    """Standard error from that of the rows."""


def follow(
    before: Side, after: Side, far: Float64[np.ndarray, " b"], is_error: bool, kicked: Bool[np.ndarray, " b"]
) -> Ends:
    """Follow the branches on both sides of many brackets into them.

    Args:
        before: Of the branch that ends.
        after: Of the one that is jumped to.
        far: λ of the far end of the bracket, seen from the branch that ends.
        is_error: Whether the observable is E.
        kicked: Whether noise may have ended the branch before its fold.
    """
    near = before.l2[:, 0]
    value, off, noise = _anywhere(before, far, after.values[:, 0])
    places, shifts = [np.sqrt(near * far)], [0.5 * np.abs(far - near)]
    values, offs, noises = [value], [off], [noise]
    middle, widest = value, WIDE * off
    last_place, last = near, before.values[:, 0]
    for rows in range(2, ROWS + 1):
        place, value, noise = _fold(before, rows, is_error)
        inside = (np.minimum(near, far) <= place) & (place <= np.maximum(near, far)) & ~kicked
        inside &= np.abs(value - middle) <= widest
        values.append(np.where(inside, value, np.nan))
        change = value - last
        before_that = offs[-1] if rows > 2 else np.zeros_like(change)
        offs.append(np.copysign(np.fmax(np.abs(change), A_DIGIT * np.abs(before_that)), change))
        noises.append(noise)
        places.append(np.where(inside, place, np.nan))
        shifts.append(np.abs(place - last_place))
        there = np.isfinite(place) & np.isfinite(value)
        last_place, last = np.where(there, place, last_place), np.where(there, value, last)
    back, back_off, back_noise = _back(after, np.stack(places, 1), np.stack(shifts, 1))
    return Ends(
        np.stack(values, 1),
        np.stack(offs, 1),
        back,
        back_off,
        np.hypot(np.stack(noises, 1)[:, :, None], back_noise),
    )


def _anywhere(
    side: Side, far: Float64[np.ndarray, " b"], beyond: Float64[np.ndarray, " b"]
) -> tuple[Float64[np.ndarray, " b"], Float64[np.ndarray, " b"], Float64[np.ndarray, " b"]]:
    """The middle of where the branch may be, half the range, and the standard error.

    It does not pass the value it jumps to, or the jump would be one the other way.
    """
    near = side.l2[:, 0]
    possible, apart, noise = [side.values[:, 0]], np.zeros(len(near)), side.noise[:, 0]
    for share in (0.25, 0.5, 0.75, 1.0):
        root = np.sqrt(np.abs((near + share * (far - near))[:, None] - side.l2))
        two, three = (_weights(root[:, :rows], np.zeros(len(near))) for rows in (2, 3))
        one, other = (_sum(weights, side.values) for weights in (two, three))
        possible += [one, np.where(np.isfinite(other), other, one)]
        apart, noise = np.abs(possible[-1] - one), np.sqrt(_sum(two**2, side.noise**2))
    ends = np.sort([side.values[:, 0], beyond], axis=0)
    least, most = np.clip([np.min(possible, axis=0), np.max(possible, axis=0)], *ends)
    off = np.fmin(0.5 * (most - least) + apart, 0.5 * (ends[1] - ends[0]))
    return 0.5 * (least + most), off, noise


def _fold(
    side: Side, rows: int, is_error: bool
) -> tuple[Float64[np.ndarray, " b"], Float64[np.ndarray, " b"], Float64[np.ndarray, " b"]]:
    """λ of the fold of E(N) through some rows and their slopes, the observable there, and its standard error."""
    l2, error, size = side.l2[:, :rows], side.error[:, :rows], side.size[:, :rows]
    way = size[:, 0] - size[:, -1]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        x = (size - size[:, :1]) / way[:, None]  # from −1 to 0; the fold is beyond 0
        # Less its tangent at the last row E(N) begins as a parabola, and nothing cancels.
        values = error - error[:, :1] + l2[:, :1] * (size - size[:, :1])
        slopes = -(l2 - l2[:, :1]) * way[:, None]
        curve = _hermite(x, values, slopes)
        length = np.where(way < 0, np.minimum(-side.size[:, 0] / way, _REACH), _REACH)
        at = _inflection(curve, length)
        at = np.where((np.diff(x, axis=1) < 0).all(axis=1), at, np.nan)
        place = side.l2[:, 0] - _polynomial(_derivative(curve), at[:, None])[:, 0] / way
        weights = _weights(x, at)
        noise = np.sqrt(_sum(weights**2, side.noise**2))
        if is_error:
            value = error[:, 0] - l2[:, 0] * way * at + _polynomial(curve, at[:, None])[:, 0]
        else:
            value = _sum(weights, side.values)
    return place, value, noise


def _back(
    side: Side, places: Float64[np.ndarray, "b w"], shifts: Float64[np.ndarray, "b w"]
) -> tuple[Float64[np.ndarray, "b w o"], Float64[np.ndarray, "b w o"], Float64[np.ndarray, "b w o"]]:
    """The branch after a jump at some λ, by polynomials of order 0, 1, …; how far off, also with λ shifted; noise."""
    values: list[Float64[np.ndarray, "b w"]] = []
    offs: list[Float64[np.ndarray, "b w"]] = []
    noises: list[Float64[np.ndarray, "b w"]] = []
    for rows in range(1, ROWS):
        ends = [places - shifts, places, places + shifts]
        low, value, high = (
            np.stack([_sum(_weights(side.l2[:, :rows], at), side.values) for at in end.T], 1) for end in ends
        )
        weights = [_weights(side.l2[:, :rows], at) for at in places.T]
        noises.append(np.stack([np.sqrt(_sum(each**2, side.noise**2)) for each in weights], 1))
        off = value - values[-1] if values else np.zeros_like(value)
        # With a sign, so that seeds that scatter about one branch average out.
        offs.append(off + np.copysign(0.5 * np.abs(high - low), off))
        values.append(value)
    first = np.where(np.isfinite(offs[1]), offs[1], 0.0)  # what order 0 is off is what order 1 changes
    offs[0] = first
    return np.stack(values, 2), np.stack(offs, 2), np.stack(noises, 2)


def _weights(x: Float64[np.ndarray, "b r"], at: Float64[np.ndarray, " b"]) -> Float64[np.ndarray, "b r"]:
    """Of values at x, in that of the polynomial through them at a place."""
    rows = x.shape[1]
    weights = np.ones_like(x)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for i in range(rows):
            for j in range(rows):
                if i != j:
                    weights[:, i] *= (at - x[:, j]) / (x[:, i] - x[:, j])
    return weights


def _sum(
    weights: Float64[np.ndarray, "b r"], values: Float64[np.ndarray, "b s"]
) -> Float64[np.ndarray, " b"]:
    return np.asarray((weights * values[:, : weights.shape[1]]).sum(axis=1))


def _hermite(
    x: Float64[np.ndarray, "b r"], values: Float64[np.ndarray, "b r"], slopes: Float64[np.ndarray, "b r"]
) -> Float64[np.ndarray, "b c"]:
    """Coefficients, lowest first, of the polynomial with these values and slopes."""
    nodes, table = np.repeat(x, 2, axis=1), np.repeat(values, 2, axis=1)
    differences = [table[:, 0]]
    for order in range(1, nodes.shape[1]):
        apart = nodes[:, order:] - nodes[:, :-order]
        divided = np.diff(table, axis=1) / np.where(apart == 0, 1.0, apart)
        if order == 1:
            divided[:, ::2] = slopes
        table = divided
        differences.append(table[:, 0])
    coefficients = np.zeros_like(nodes)
    basis = np.zeros_like(nodes)
    basis[:, 0] = 1.0
    for order, difference in enumerate(differences):
        coefficients += difference[:, None] * basis
        shifted = np.roll(basis, 1, axis=1)
        shifted[:, 0] = 0.0
        basis = shifted - nodes[:, order, None] * basis
    return coefficients


def _derivative(coefficients: Float64[np.ndarray, "b c"]) -> Float64[np.ndarray, "b d"]:
    return np.asarray(coefficients[:, 1:] * np.arange(1, coefficients.shape[1]))


def _polynomial(
    coefficients: Float64[np.ndarray, "b c"], at: Float64[np.ndarray, "b p"]
) -> Float64[np.ndarray, "b p"]:
    value = np.zeros_like(at)
    for coefficient in coefficients.T[::-1]:
        value = value * at + coefficient[:, None]
    return value


def _inflection(
    curve: Float64[np.ndarray, "b c"], length: Float64[np.ndarray, " b"]
) -> Float64[np.ndarray, " b"]:
    """The first place beyond 0, up to a length, at which the second derivative changes sign; NaN if there is none."""
    second = _derivative(_derivative(curve))
    x = length[:, None] * np.linspace(0, 1, _SAMPLES)
    y = _polynomial(second, x)
    changes = np.sign(y[:, 1:]) != np.sign(y[:, :-1])
    found, first = changes.any(axis=1), changes.argmax(axis=1)
    every = np.arange(len(x))
    low, high = x[every, first], x[every, first + 1]
    rising = y[every, first]
    for _ in range(50):
        middle = 0.5 * (low + high)
        same = np.sign(_polynomial(second, middle[:, None])[:, 0]) == np.sign(rising)
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return np.where(found, 0.5 * (low + high), np.nan)


class Jumped(NamedTuple):
    """By how much repetitions jump, and each of them."""

    before: float
    after: float
    error: float
    """Of their difference: of following the branches, and over repetitions, in quadrature."""
    each: Float64[np.ndarray, " s"]


def jumped(ends: Ends) -> Jumped:
    """Choose the way with the least error for all repetitions of a jump together, and average over these.

    What a row more changes is common to them, and does not average out; what scatters does.

    Args:
        ends: Of the repetitions.
    """
    number = len(ends.before)
    # Where a way does not apply to a repetition, that one's branch ends anywhere in its bracket.
    applies = np.isfinite(ends.before)
    ends = Ends(
        *(
            np.where(applies.reshape(*applies.shape, *[1] * (part.ndim - 2)), part, part[:, :1])
            for part in ends
        )
    )
    each = ends.after - ends.before[:, :, None]
    mean = each.mean(axis=0)
    scatter = each.std(axis=0, ddof=1) if number > 1 else np.zeros_like(mean)
    known = np.sqrt((ends.noise**2).mean(axis=0))
    error = np.sqrt(
        ends.before_off.mean(axis=0)[:, None] ** 2
        + ends.after_off.mean(axis=0) ** 2
        + np.fmax(scatter, known) ** 2 / number
    )
    error = stated(error, mean)
    error = np.where(np.isfinite(error), error, np.inf)
    # Of equals the one that uses the most.
    last = error.size - 1 - int(np.argmin(error[::-1, ::-1]))
    way, order = divmod(last, error.shape[1])
    return Jumped(
        float(ends.before[:, way].mean()),
        float(ends.after[:, way, order].mean()),
        float(error[way, order]),
        each[:, way, order],
    )
