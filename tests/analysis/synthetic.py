"""Curves of which everything is known, as records with repeated noisy seeds."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float64
from scipy.special import erf

from spinodal.analysis import CURVE
from spinodal.records import SCHEMA, with_control

Values = Float64[np.ndarray, " l"]


class Curve(NamedTuple):
    """One curve without its noise, and the noise."""

    l2: Values
    values: Values
    noise: Values
    """Standard deviation of one seed at each point."""
    seeds: int

    @property
    def error(self) -> Values:
        """Standard error of the mean over seeds at each point."""
        return self.noise / np.sqrt(self.seeds)


def records(curves: Sequence[Curve], random: np.random.Generator, **columns: object) -> pl.DataFrame:
    """Rows of all curves, each with noise of its own; curve number n is named so."""
    parts = []
    for number, curve in enumerate(curves):
        for seed in range(curve.seeds):
            measured = curve.values + curve.noise * random.normal(size=len(curve.l2))
            constant = {"curve": f"{number:04d}", "point": f"{number}-{seed}", "seed": seed, "branch": "up"}
            constant |= {"stages": len(curve.l2), "stationary": True, **columns}
            parts.append(
                pl.DataFrame(
                    {"l2": curve.l2, "error": measured, "stage": np.arange(len(curve.l2))}
                ).with_columns(pl.lit(value, SCHEMA[name]).alias(name) for name, value in constant.items())
            )
    table = pl.concat(parts)
    missing = [
        pl.lit(None, SCHEMA[name]).alias(name)
        for name in (*CURVE, "minimum", "criterion")
        if name not in table.columns
    ]
    return with_control(table.with_columns(missing))


def grid(random: np.random.Generator, points: int) -> Values:
    """Geometric or linear."""
    first, last = random.uniform(0.005, 0.05), random.uniform(0.3, 0.8)
    return (np.geomspace if random.random() < 0.7 else np.linspace)(first, last, points)


def noisy(random: np.random.Generator, l2: Values, values: Values, level: float) -> Curve:
    """The same noise everywhere, or noise that grows or falls along the curve or with its values."""
    points = len(l2)
    shapes = (
        np.ones(points),
        np.linspace(*random.permutation([0.3, 1.7]), points),
        0.3 + 1.4 * (values - values.min()) / max(np.ptp(values), 1e-12),
    )
    return Curve(l2, values, level * shapes[random.integers(3)], int(random.integers(3, 9)))


def smooth(random: np.random.Generator) -> Curve:
    """A smooth curve from 0 to 1 (or flat at 0); slopes are no steeper than a tanh of width 2 spacings."""
    points = int(random.integers(20, 61))
    l2 = grid(random, points)
    i, x = np.arange(points), np.linspace(-1, 1, points)
    (a, b), (c, d) = (
        random.uniform(0, points - 1, 2),
        np.exp(random.uniform(np.log(2), np.log(points / 3), 2)),
    )
    one, two = (i - a) / c, (i - b) / d
    shapes = (
        lambda: np.tanh(one),
        lambda: erf(one * 0.886),
        lambda: np.arctan(one),
        lambda: np.tanh(one) + random.uniform(-1, 1) * np.tanh(two),
        lambda: np.exp(-(((i - a) / max(c, 3.0)) ** 2)),
        lambda: np.logaddexp(0, 2 * one) + random.uniform(-1, 1) * one,
        lambda: l2 ** random.uniform(0.3, 4),
        lambda: l2 / (l2 + random.uniform(0.02, 0.5)),
        lambda: np.log(l2 + 0.01),
        lambda: l2**2 * (1 - l2),
        lambda: np.exp(random.uniform(-3, 3) * x),
        lambda: np.polynomial.Polynomial(random.normal(size=4))(x),
        lambda: np.sin(np.pi * (random.uniform(0.5, points / 14) * x + random.uniform(0, 2))),
        lambda: np.zeros(points),
    )
    values = shapes[random.integers(len(shapes))]()
    values = (values - values.min()) / max(np.ptp(values), 1e-12)
    return noisy(random, l2, values, 10 ** random.uniform(-9, -1))


class Branch(NamedTuple):
    """A curve with breaks."""

    curve: Curve
    intervals: list[int]
    """In which they are."""
    places: list[float]
    """λ of each."""


def phases(
    random: np.random.Generator, strength: tuple[float, float], kinks: bool = False, length: int = 20
) -> Branch:
    """Phases of so many points or more, straight in λ or in λ², between jumps, or kinks.

    Args:
        random: Source.
        strength: Bounds of a jump in units of √2 standard errors of the mean, those of the difference between the
            two points that it lies between; or of the change of slope per spacing, in standard errors of the mean.
        kinks: Whether to make kinks.
        length: Of a phase.
    """
    count = int(random.integers(1, 4))
    points = int(random.integers(length * (count + 1), (length + 10) * (count + 1) + 1))
    l2 = grid(random, points)
    spare = np.sort(random.integers(0, points - length * (count + 1) + 1, count))
    intervals = [int(length * (k + 1) - 1 + extra) for k, extra in enumerate(spare)]
    q = l2 if random.random() < 0.5 else l2**2
    curve = noisy(random, l2, (q - q[0]) / np.ptp(q), 10 ** random.uniform(-9, -1))
    i, values, places, sizes = np.arange(points), np.zeros(points), [], []
    for at in intervals:
        size = random.uniform(*strength) * curve.error[at : at + 2].max() * (1 if kinks else np.sqrt(2))
        place = at + random.uniform()
        values += random.choice([-1, 1]) * size * (np.maximum(0, i - place) if kinks else i > at)
        places.append(float(np.exp(np.interp(place, i, np.log(l2)))))
        sizes.append(size)
    # Between two points the phases rise or fall by up to the smallest jump.
    slope = random.uniform(-1, 1) * min(sizes) / np.abs(np.diff(curve.values)).max()
    return Branch(curve._replace(values=values + slope * curve.values), intervals, places)
