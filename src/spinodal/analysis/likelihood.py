"""The likelihood of a noisy curve: lines, a random smooth function, shapes of any width at any place, and noise.

The curve is a straight line over the grid and in each given regressor, a random smooth function (an integrated Wiener
process: the prior of a cubic smoothing spline, Wahba 1978) of unknown amplitude, noise of known standard errors, and
shapes, each at some place c: a step θ(x − c), a kink max(0, x − c), or both, and the same smoothed to a width w,
½ tanh((x − c)/w) and ½ w ln(1 + e^{2(x − c)/w}); x counts the points of the grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float64
from scipy.linalg import orth

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

Curve = Float64[np.ndarray, " n"]
Shapes = Float64[np.ndarray, " s"]
Shape = tuple[int, int]
"""A place in the dictionary, and what of it: 0 the step, 1 the kink, 2 both."""


@lru_cache(maxsize=16)
def dictionary(n: int) -> tuple[Shapes, Shapes, Float64[np.ndarray, "n 2*s"]]:
    """Return all shapes over a grid of so many points: their places, their widths, and the steps, then the kinks.

    Those of width 0 come first. Steps of width 0 are at the middle of intervals only: elsewhere they are 0.
    """
    x = np.arange(n)[:, None]
    sharp = np.arange(EDGE - 0.5, n - EDGE - 0.4, 0.5)
    places, widths = [sharp], [np.zeros(len(sharp))]
    steps, kinks = [np.where(sharp % 1 == 0.5, x > sharp, 0.0)], [np.maximum(0.0, x - sharp)]
    for width, spacing in WIDTHS.items():
        at = np.arange(0.5, n - 1, spacing)
        places.append(at)
        widths.append(np.full(len(at), width))
        steps.append(0.5 * np.tanh((x - at) / width))
        kinks.append(0.5 * width * np.logaddexp(0.0, 2 * (x - at) / width))
    return np.concatenate(places), np.concatenate(widths), np.hstack([*steps, *kinks])


class Likelihood:
    """The likelihood of one curve, given shapes, for all amplitudes of the smooth function."""

    def __init__(self, values: Curve, errors: Curve, regressors: Float64[np.ndarray, "r n"]) -> None:
        n = len(values)
        self.places, self.widths, self.shapes = dictionary(n)
        x = np.arange(n, dtype=np.float64)
        lines = np.stack([np.ones(n), x, *regressors], axis=1)
        self.lines = orth(lines / np.abs(lines).max(axis=0), rcond=1e-6)  # but for what is one of the others
        first, last = np.minimum.outer(x, x), np.maximum.outer(x, x)
        smooth = first**2 * (3 * last - first) / 6 * np.mean(errors**2)
        self.values, self.noise = values, errors**2
        lower = np.linalg.cholesky(np.diag(self.noise) + AMPLITUDES[:, None, None] * smooth)
        self.log_determinant = 2 * np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
        # Everything is whitened once: least squares is then all that is left.
        self.whitener = np.linalg.inv(lower)
        self.white_values = self.whitener @ values
        self.white_lines, self.white_shapes = self.whitener @ self.lines, self.whitener @ self.shapes
        steps, kinks = np.split(self.white_shapes, 2, axis=2)
        self.lengths = np.einsum("anj,anj->aj", self.white_shapes, self.white_shapes)
        self.overlaps = np.einsum("anj,anj->aj", steps, kinks)

    def parts(self, shape: Shape) -> tuple[int, ...]:
        """Return which of step and kink a shape is made of: a sharp kink within an interval is free to move in it."""
        at, kind = shape
        moves = self.widths[at] == 0 and self.places[at] % 1 == 0.5
        return ((0,), (0, 1) if moves else (1,), (0, 1))[kind]

    def columns(self, chosen: Sequence[Shape]) -> list[int]:
        """Return where in `shapes` the chosen ones are."""
        return [shape[0] + len(self.places) * part for shape in chosen for part in self.parts(shape)]

    def deviance(self, chosen: Sequence[Shape]) -> float:
        """Return minus twice the logarithm of the likelihood at the best amplitude, with given shapes."""
        return float(self._left(self._white(chosen))[2].min())

    def _white(self, chosen: Sequence[Shape]) -> Float64[np.ndarray, "a n k"]:
        """Return lines and chosen shapes, whitened."""
        return np.concatenate([self.white_lines, self.white_shapes[:, :, self.columns(chosen)]], axis=2)

    def _left(
        self, white: Float64[np.ndarray, "a n k"]
    ) -> tuple[Float64[np.ndarray, "a n k"], Float64[np.ndarray, "a n"], Float64[np.ndarray, " a"]]:
        """Return what columns span, what they leave of the values, and the deviance."""
        basis = np.linalg.qr(white)[0]
        along = np.einsum("ank,an->ak", basis, self.white_values)
        left = self.white_values - np.einsum("ank,ak->an", basis, along)
        return basis, left, self.log_determinant + np.einsum("an,an->a", left, left)

    def gains(self, chosen: Sequence[Shape], amplitude: int | None = None) -> Float64[np.ndarray, "3 s"]:
        """Return what each step, each kink, and both raise twice the log-likelihood by, next to given shapes.

        Args:
            chosen: The given shapes.
            amplitude: Of the smooth function, by its place in `AMPLITUDES`; None for the best, with and without.
        """
        only = slice(None) if amplitude is None else slice(amplitude, amplitude + 1)
        basis, left, deviance = (each[only] for each in self._left(self._white(chosen)))
        shapes, lengths = self.white_shapes[only], self.lengths[only]
        size = len(self.places)
        spanned = basis.transpose(0, 2, 1) @ shapes
        norms = lengths - (spanned**2).sum(axis=1)
        both = self.overlaps[only] - (spanned[:, :, :size] * spanned[:, :, size:]).sum(axis=1)
        along = (left[:, None] @ shapes)[:, 0]
        norms = np.where(norms > 1e-6 * lengths, norms, np.inf)  # a shape that is there already
        one, two, a, b = norms[:, :size], norms[:, size:], along[:, :size], along[:, size:]
        with np.errstate(invalid="ignore", divide="ignore"):
            rest = two - both**2 / one
            bend = (b - a * both / one) / rest  # sizes of kink and step together
            lift = (a - bend * both) / one
            pair = a**2 / one + bend**2 * rest
        there = np.isfinite(one) & np.isfinite(two) & (rest > 1e-4 * two)
        pair = np.where(there, pair, 0.0)
        # A kink anywhere within an interval is one at its middle and a step of at most half its slope.
        moved = there & (self.widths == 0) & (np.abs(lift) <= 0.5 * np.abs(bend))
        kink = np.where(moved, np.maximum(b**2 / two, pair - MOVED), b**2 / two)
        gains = np.stack([a**2 / one, kink, np.where(moved, 0.0, pair - SECOND)])
        return np.asarray(deviance.min() - (deviance[:, None] - gains).min(axis=1))

    def fit(
        self, shapes: Float64[np.ndarray, "n s"]
    ) -> tuple[Curve, Float64[np.ndarray, "n n"], Shapes, Shapes]:
        """Fit the curve with given shapes, at the best amplitude of the smooth function.

        Returns:
            The curve without its noise, and the covariance of that; the sizes of the shapes, and their standard errors.
        """
        columns = np.hstack([self.lines, shapes])
        white = self.whitener @ columns
        best = int(np.argmin(self._left(white)[2]))
        inverse = self.whitener[best].T @ self.whitener[best]
        covariance = np.linalg.pinv(white[best].T @ white[best])
        sizes = covariance @ columns.T @ inverse @ self.values
        scaled = self.noise[:, None] * (inverse - inverse @ columns @ covariance @ columns.T @ inverse)
        curve, own = self.values - scaled @ self.values, slice(self.lines.shape[1], None)
        errors = np.sqrt(np.diag(covariance))
        return curve, np.diag(self.noise) - scaled * self.noise, sizes[own], errors[own]
