"""Errors: what is stated, what repetitions scatter by, and how far a measurement is from its prediction."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

RESOLUTION = 1e-6
"""Part of a value that every stated error has at the least: minima are stationary up to max |∇𝓛| = 1e-8 only."""


def stated(error: Any, value: Any) -> Any:
    """Return the error that is stated of a value: as measured, with `RESOLUTION` of the value added in quadrature.

    Both are numbers, arrays or Polars expressions.
    """
    return (error**2 + (RESOLUTION * value) ** 2) ** 0.5


def scatter(values: Any) -> float:
    """Return the standard deviation over repetitions; 0 of a single one."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def standard_error(values: Any) -> float:
    """Return that of the mean over repetitions; 0 of a single one."""
    return scatter(values) / math.sqrt(len(values))


def deviation(measured: Any, error: Any, predicted: Any, predicted_error: Any = 0.0) -> Any:
    """Return measured minus predicted, in units of both stated errors in quadrature; nothing else is added.

    All are numbers, arrays or Polars expressions. Different numbers without errors are infinitely far apart.
    """
    off, error = measured - predicted, (error**2 + predicted_error**2) ** 0.5
    if isinstance(error, float | int) and not error:
        return 0.0 if not off else float("inf") if off > 0 else float("-inf")
    return off / error
