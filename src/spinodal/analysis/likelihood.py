"""The likelihood of a noisy curve: lines, a random smooth function, shapes of any width at any place, and noise.

The curve is a straight line over the grid and in each given regressor, a random smooth function (an integrated Wiener
process: the prior of a cubic smoothing spline, Wahba 1978) of unknown amplitude, noise of known standard errors, and
shapes, each at some place c: a step θ(x − c), a kink max(0, x − c), or both, and the same smoothed to a width w,
½ tanh((x − c)/w) and ½ w ln(1 + e^{2(x − c)/w}); x counts the points of the grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

WIDTHS = {0.5: 0.5, 1.0: 0.5, 1.5: 0.5, 2.0: 0.5, 3.0: 1.0, 4.0: 1.0, 6.0: 2.0, 9.0: 3.0}
"""Widths of smooth shapes, and the distance between their places, in spacings."""

AMPLITUDES = np.array([1e-8, *10.0 ** np.arange(-5, 3)])
"""Of the smooth function: variance of its second differences over that of the noise."""

SECOND = 6.0
"""What a step and a kink at one place must explain beyond either alone to count."""

MOVED = 1.0
"""What a kink must explain more for lying anywhere in its interval."""

EDGE = 4
"""Points on either side of a jump or kink, at least."""

Shape = tuple[int, int]
"""A place in the dictionary, and what of it: 0 the step, 1 the kink, 2 both."""


class Dictionary(NamedTuple):
    """All shapes over a grid; those of width 0 come first."""

    places: Float64[np.ndarray, " s"]
    widths: Float64[np.ndarray, " s"]
    shapes: Float64[np.ndarray, "n 2s"]
    """Steps, then kinks. Steps of width 0 are at the middle of intervals only: elsewhere they are 0."""

    def parts(self, shape: Shape) -> tuple[int, ...]:
        """Which of step and kink it is made of: a kink of width 0 within an interval is free to move in it."""
        at, kind = shape
        moves = self.widths[at] == 0 and self.places[at] % 1 == 0.5
        return ((0,), (0, 1) if moves else (1,), (0, 1))[kind]

    def columns(self, chosen: Sequence[Shape]) -> list[int]:
        """Of `shapes`, those that are chosen."""
        return [shape[0] + len(self.places) * part for shape in chosen for part in self.parts(shape)]


@lru_cache(maxsize=16)
def dictionary_of(n: int) -> Dictionary:
    """The shapes over a grid of so many points."""
    x = np.arange(n)[:, None]
    sharp = np.arange(EDGE - 0.5, n - EDGE - 0.4, 0.5)
    steps = [np.where(sharp % 1 == 0.5, x > sharp, 0.0)]
    kinks = [np.maximum(0.0, x - sharp)]
    places, widths = [sharp], [np.zeros(len(sharp))]
    for width, spacing in WIDTHS.items():
        at = np.arange(0.5, n - 1, spacing)
        places.append(at)
        widths.append(np.full(len(at), width))
        steps.append(0.5 * np.tanh((x - at) / width))
        kinks.append(0.5 * width * np.logaddexp(0.0, 2 * (x - at) / width))
    return Dictionary(np.concatenate(places), np.concatenate(widths), np.hstack([*steps, *kinks]))


class Likelihood:
    """The likelihood of one curve, given shapes, for all amplitudes of the smooth function."""

    def __init__(
        self,
        values: Float64[np.ndarray, " n"],
        errors: Float64[np.ndarray, " n"],
        regressors: Float64[np.ndarray, "r n"],
    ) -> None:
        n = len(values)
        self.dictionary = dictionary_of(n)
        x = np.arange(n, dtype=np.float64)
        self.lines = _basis(np.stack([np.ones(n), x, *regressors], axis=1))
        first, last = np.minimum.outer(x, x), np.maximum.outer(x, x)
        smooth = first**2 * (3 * last - first) / 6 * np.mean(errors**2)
        self.noise = errors**2
        self.covariance = np.diag(self.noise) + AMPLITUDES[:, None, None] * smooth
        lower = np.linalg.cholesky(self.covariance)
        self.log_determinant = 2 * np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
        # Everything is whitened once: least squares is then all that is left.
        whitener = np.linalg.inv(lower)
        self.values = values
        self.white_lines = whitener @ self.lines
        self.white_values = whitener @ values
        self.white_shapes = whitener @ self.dictionary.shapes
        steps, kinks = np.split(self.white_shapes, 2, axis=2)
        self.lengths = np.einsum("anj,anj->aj", self.white_shapes, self.white_shapes)
        self.overlaps = np.einsum("anj,anj->aj", steps, kinks)
        self.whitener = whitener

    def deviance(self, columns: list[int]) -> float:
        """Minus twice the logarithm of the likelihood at the best amplitude, with given shapes."""
        _, left = self._left(columns)
        return float((self.log_determinant + np.einsum("an,an->a", left, left)).min())

    def _left(self, columns: list[int]) -> tuple[Float64[np.ndarray, "a n k"], Float64[np.ndarray, "a n"]]:
        """What lines and given shapes span, and what they leave of the values."""
        known = np.concatenate([self.white_lines, self.white_shapes[:, :, columns]], axis=2)
        basis = np.linalg.qr(known)[0]
        along = np.einsum("ank,an->ak", basis, self.white_values)
        return basis, self.white_values - np.einsum("ank,ak->an", basis, along)

    def gains(self, columns: list[int], amplitude: int | None = None) -> Float64[np.ndarray, "3 s"]:
        """What each step, each kink, and both together raise twice the log-likelihood by, next to given shapes.

        Args:
            columns: Of the given shapes.
            amplitude: Of the smooth function, by its place in `AMPLITUDES`; None for the best, with and without.
        """
        basis, left = self._left(columns)
        only = slice(None) if amplitude is None else slice(amplitude, amplitude + 1)
        basis, left, shapes = basis[only], left[only], self.white_shapes[only]
        size = len(self.dictionary.places)
        spanned = basis.transpose(0, 2, 1) @ shapes
        norms = self.lengths[only] - (spanned**2).sum(axis=1)
        both = self.overlaps[only] - (spanned[:, :, :size] * spanned[:, :, size:]).sum(axis=1)
        along = (left[:, None] @ shapes)[:, 0]
        norms = np.where(norms > 1e-6 * self.lengths[only], norms, np.inf)  # a shape that is there already
        one, two, a, b = norms[:, :size], norms[:, size:], along[:, :size], along[:, size:]
        with np.errstate(invalid="ignore", divide="ignore"):
            left_over = 1 - both**2 / (one * two)
            pair = (a**2 / one - 2 * a * b * both / (one * two) + b**2 / two) / left_over
            moved = np.abs((a - b * both / two) / (b - a * both / one) * two / one) <= 0.5
        there = np.isfinite(one) & np.isfinite(two) & (left_over > 1e-4)
        pair = np.where(there, pair, 0.0)
        # A kink anywhere within an interval is one at its middle and a step of at most half its slope.
        moved &= there & (self.dictionary.widths == 0)
        kink = np.where(moved, np.maximum(b**2 / two, pair - MOVED), b**2 / two)
        gains = np.stack([a**2 / one, kink, np.where(moved, 0.0, pair - SECOND)])
        deviance = self.log_determinant[only] + np.einsum("an,an->a", left, left)
        return np.asarray(deviance.min() - (deviance[:, None] - gains).min(axis=1))

    def fit(self, shapes: Float64[np.ndarray, "n s"]) -> Fit:
        """The curve without its noise, and the sizes of shapes, at the best amplitude of the smooth function."""
        columns = np.hstack([self.lines, shapes])
        white = self.whitener @ columns
        basis = np.linalg.qr(white)[0]
        along = np.einsum("ank,an->ak", basis, self.white_values)
        left = self.white_values - np.einsum("ank,ak->an", basis, along)
        best = int(np.argmin(self.log_determinant + np.einsum("an,an->a", left, left)))
        inverse = self.whitener[best].T @ self.whitener[best]
        sizes_covariance = np.linalg.pinv(white[best].T @ white[best])
        projected = inverse - inverse @ columns @ sizes_covariance @ columns.T @ inverse
        sizes = sizes_covariance @ columns.T @ inverse @ self.values
        scaled = self.noise[:, None] * projected
        lines = self.lines.shape[1]
        return Fit(
            self.values - scaled @ self.values,
            np.diag(self.noise) - scaled * self.noise,
            sizes[lines:],
            np.sqrt(np.diag(sizes_covariance))[lines:],
        )


def _basis(columns: Float64[np.ndarray, "n c"]) -> Float64[np.ndarray, "n b"]:
    """Orthonormal vectors that span the columns, but for what is one of them up to rounding."""
    vectors, values, _ = np.linalg.svd(columns / np.abs(columns).max(axis=0), full_matrices=False)
    return vectors[:, values > 1e-6 * values[0]]


class Fit(NamedTuple):
    """A curve as its best fit has it."""

    curve: Float64[np.ndarray, " n"]
    """Without the noise."""
    covariance: Float64[np.ndarray, "n n"]
    """Of the curve."""
    sizes: Float64[np.ndarray, " s"]
    errors: Float64[np.ndarray, " s"]
