"""By how much an observable jumps where it jumps: both branches, followed into the bracket, with the error of that.

Along a branch of minima dE = −c dP (because ∇E = −c∇P), for any network, error and penalty P, which is ‖θ‖² if c is λ;
where other penalties are held, E + Σ cᵢ·Pᵢ has the place of E. So E(P) is known with its slope at every row, and a
branch ends at a fold where c(P) = −dE/dP turns back: at an inflection of E(P), which has no singularity there, while
E(c) runs off as √(c_sp − c). The polynomial through the last 2, 3 or 4 rows and their
slopes is followed to that point, and what a row more changes is the error. Another observable Q is followed as Q(P).

Where that leads out of the bracket, where noise may have ended a branch before its fold, or where P is not known, the
branch ends anywhere in the bracket: between its last row and what Q = Q_sp + a√(c_sp − c) + b(c_sp − c) through the
last rows makes of it if c_sp is the far end of the bracket. Then the middle of that range counts, and half of it is the
error. The branch on the other side is followed back to where the first one ends, as a polynomial in c.

No closed form of a network's transitions is used.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64
from numpy.polynomial.polynomial import polyder, polyval

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

Branches = Float64[np.ndarray, " b"]
"""A number of each branch."""


class Side(NamedTuple):
    """The rows of a branch on one side of a bracket, from the bracket outwards; NaN where there are none."""

    control: Float64[np.ndarray, "b r"]
    values: Float64[np.ndarray, "b r"]
    """The observable."""
    noise: Float64[np.ndarray, "b r"]
    """Its standard errors; 0 where they are not known."""
    rest: Float64[np.ndarray, "b r"]
    """E, and what other penalties add to it where these are held."""
    penalty: Float64[np.ndarray, "b r"]
    """P."""


Ends = Float64[np.ndarray, "5 b w"]
"""What several ways to follow two branches into a bracket come to; NaN where one does not apply.

The branch before, how far the way with a row less is off, with its sign (for the first half the range, and above 0),
the same of the branch after, and the standard error from that of the rows. Ways of the branch before: first, it ends
anywhere in the bracket; then, at the fold of the polynomial through 2, 3, … rows. For each of these the branch after,
by the polynomial of order 0, 1, … in λ.
"""


def follow(
    before: Side, after: Side, far: Branches, is_rest: Bool[np.ndarray, " b"], kicked: Bool[np.ndarray, " b"]
) -> Ends:
    """Follow the branches on both sides of many brackets into them.

    Args:
        before: Of the branch that ends.
        after: Of the one that is jumped to.
        far: λ of the far end of the bracket, seen from the branch that ends.
        is_rest: Whether the observable is what 𝓛 has besides c·P.
        kicked: Whether noise may have ended the branch before its fold.
    """
    near = before.control[:, 0]
    middle, half, noise = _anywhere(before, far, after.values[:, 0])
    # Value, how far it is off, noise; λ, and how far that is off.
    ways = [(middle, half, noise, np.sqrt(near * far), 0.5 * np.abs(far - near))]
    last_place, last, off = near, before.values[:, 0], np.zeros_like(near)
    for rows in range(2, ROWS + 1):
        place, value, noise = _fold(before, rows, is_rest)
        inside = (np.minimum(near, far) <= place) & (place <= np.maximum(near, far)) & ~kicked
        inside &= np.abs(value - middle) <= WIDE * half
        shift, change = np.abs(place - last_place), value - last
        off = np.copysign(np.fmax(np.abs(change), A_DIGIT * np.abs(off)), change)
        used, used_place = np.where(inside, [value, place], np.nan)
        ways.append((used, off, noise, used_place, shift))
        there = np.isfinite(place) & np.isfinite(value)
        last_place, last = np.where(there, place, last_place), np.where(there, value, last)
    values, offs, noises, places, shifts = (np.stack(each, axis=1) for each in zip(*ways, strict=True))
    back, back_off, back_noise = (each.reshape(len(near), -1) for each in _back(after, places, shifts))
    values, offs, noises = (np.repeat(each, ROWS - 1, axis=1) for each in (values, offs, noises))
    return np.stack([values, offs, back, back_off, np.hypot(noises, back_noise)])


def _anywhere(side: Side, far: Branches, beyond: Branches) -> tuple[Branches, Branches, Branches]:
    """Return the middle of where the branch may be, half the range, and the standard error.

    It does not pass the value it jumps to, or the jump would be one the other way.
    """
    near, value = side.control[:, 0], side.values[:, 0]
    possible, zero = [value], np.zeros(len(near))
    for share in (0.25, 0.5, 0.75, 1.0):
        root = np.sqrt(np.abs((near + share * (far - near))[:, None] - side.control))
        (one, noise), (other, _) = (_through(side, root[:, :rows], zero) for rows in (2, 3))
        possible += [one, np.where(np.isfinite(other), other, one)]
    ends = np.sort([value, beyond], axis=0)
    least, most = np.clip([np.min(possible, axis=0), np.max(possible, axis=0)], *ends)
    off = np.fmin(0.5 * (most - least) + np.abs(possible[-1] - one), 0.5 * (ends[1] - ends[0]))
    return 0.5 * (least + most), off, noise


def _fold(side: Side, rows: int, is_rest: Bool[np.ndarray, " b"]) -> tuple[Branches, Branches, Branches]:
    """Return c at the fold of E(P) through some rows and their slopes, the observable there, its standard error."""
    control, rest, size = side.control[:, :rows], side.rest[:, :rows], side.penalty[:, :rows]
    way = size[:, 0] - size[:, -1]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        x = (size - size[:, :1]) / way[:, None]  # from −1 to 0; the fold is beyond 0
        # Less its tangent at the last row E(P) begins as a parabola, and nothing cancels.
        values = rest - rest[:, :1] + control[:, :1] * (size - size[:, :1])
        slopes = -(control - control[:, :1]) * way[:, None]
        curve = _hermite(x, values, slopes)
        length = np.where((way < 0) & (size[:, 0] > 0), np.minimum(-size[:, 0] / way, _REACH), _REACH)
        at = _inflection(curve, length)
        at = np.where((np.diff(x, axis=1) < 0).all(axis=1), at, np.nan)
        place = side.control[:, 0] - polyval(at, polyder(curve), tensor=False) / way
        value, noise = _through(side, x, at)
        exact = rest[:, 0] - control[:, 0] * way * at + polyval(at, curve, tensor=False)
    return place, np.where(is_rest, exact, value), noise


def _back(
    side: Side, places: Float64[np.ndarray, "b w"], shifts: Float64[np.ndarray, "b w"]
) -> tuple[Float64[np.ndarray, "b w o"], Float64[np.ndarray, "b w o"], Float64[np.ndarray, "b w o"]]:
    """Return the branch after a jump by polynomials of order 0, 1, … in λ; how far off, also with λ shifted; noise."""
    rows = Side(*(each[:, None] for each in side))

    def at(places: Float64[np.ndarray, "b w"]) -> Float64[np.ndarray, "2 b w o"]:
        return np.stack(
            [_through(rows, rows.control[..., :each], places) for each in range(1, ROWS)], axis=-1
        )

    (values, noise), (low, _), (high, _) = at(places), at(places - shifts), at(places + shifts)
    # With a sign, so that seeds that scatter about one branch average out.
    off = np.diff(values, axis=2)
    off += np.copysign(0.5 * np.abs(high - low)[..., 1:], off)
    first = np.where(np.isfinite(off), off, 0.0)[..., :1]  # what order 0 is off is what order 1 changes
    return values, np.concatenate([first, off], axis=2), noise


def _through(
    side: Side, x: Float64[np.ndarray, "*#b r"], at: Float64[np.ndarray, "*#b"]
) -> tuple[Float64[np.ndarray, "*#b"], Float64[np.ndarray, "*#b"]]:
    """Return the polynomial through the observable at the first rows, which are at x, at a place; standard error."""
    rows = x.shape[-1]
    weights = np.ones((*at.shape, rows))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for i in range(rows):
            for j in range(rows):
                if i != j:
                    weights[..., i] *= (at - x[..., j]) / (x[..., i] - x[..., j])
    variance = (weights**2 * side.noise[..., :rows] ** 2).sum(axis=-1)
    return (weights * side.values[..., :rows]).sum(axis=-1), np.sqrt(variance)


def _hermite(
    x: Float64[np.ndarray, "b r"], values: Float64[np.ndarray, "b r"], slopes: Float64[np.ndarray, "b r"]
) -> Float64[np.ndarray, "c b"]:
    """Return the coefficients, lowest first, of the polynomial with these values and slopes: Newton's form, summed."""
    nodes, table = (np.repeat(each.T, 2, axis=0) for each in (x, values))
    coefficients, basis = np.zeros_like(nodes), np.zeros_like(nodes)
    basis[0] = 1.0
    for order, node in enumerate(nodes, start=1):
        coefficients += table[0] * basis
        basis = np.pad(basis[:-1], ((1, 0), (0, 0))) - node * basis
        apart = nodes[order:] - nodes[:-order]
        table = np.diff(table, axis=0) / np.where(apart == 0, 1.0, apart)
        if order == 1:
            table[::2] = slopes.T
    return coefficients


def _inflection(curve: Float64[np.ndarray, "c b"], length: Branches) -> Branches:
    """Return the first place beyond 0, up to a length, where the second derivative changes sign; NaN if nowhere."""
    second = polyder(curve, 2)
    x = length * np.linspace(0, 1, _SAMPLES)[:, None]
    signs = np.sign(polyval(x, second, tensor=False))
    changes = signs[1:] != signs[:-1]
    every, first = np.arange(len(length)), changes.argmax(axis=0)
    low, high, sign = x[first, every], x[first + 1, every], signs[first, every]
    for _ in range(50):
        middle = 0.5 * (low + high)
        same = np.sign(polyval(middle, second, tensor=False)) == sign
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return np.where(changes.any(axis=0), 0.5 * (low + high), np.nan)


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
    # Where a way does not apply to a repetition, that one's branch ends anywhere in its bracket.
    ends = np.where(np.isfinite(ends[0]), ends, np.tile(ends[..., : ROWS - 1], ROWS))
    before, before_off, after, after_off, noise = ends
    each = after - before
    mean = each.mean(axis=0)
    scatter = each.std(axis=0, ddof=1) if len(each) > 1 else np.zeros_like(mean)
    known = np.sqrt((noise**2).mean(axis=0))
    off = before_off.mean(axis=0) ** 2 + after_off.mean(axis=0) ** 2
    error = stated(np.sqrt(off + np.fmax(scatter, known) ** 2 / len(each)), mean)
    error = np.where(np.isfinite(error), error, np.inf)
    way = len(error) - 1 - int(np.argmin(error[::-1]))  # of equals the one that uses the most
    return Jumped(float(before[:, way].mean()), float(after[:, way].mean()), float(error[way]), each[:, way])
