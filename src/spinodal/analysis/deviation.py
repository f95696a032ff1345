"""How far a measurement is from its prediction, in errors: one definition for verdicts, tables and files."""

from __future__ import annotations

from typing import Any

RESOLUTION = 1e-6
"""Part of a value that every stated error has at the least: minima are stationary up to max |∇𝓛| = 1e-8 only."""


def stated(error: Any, value: Any) -> Any:
    """The error that is stated of a value: as measured, with `RESOLUTION` of the value added in quadrature.

    Args:
        error: Standard error, a number, an array or a Polars expression.
        value: Of the same kind.
    """
    return (error**2 + (RESOLUTION * value) ** 2) ** 0.5


def deviation(measured: Any, error: Any, predicted: Any, predicted_error: Any = 0.0) -> Any:
    """Measured minus predicted, in units of both stated errors in quadrature; nothing else is added.

    Args:
        measured: Value, a number, an array or a Polars expression.
        error: Its stated error.
        predicted: Value.
        predicted_error: Of the prediction, where that has one.

    Returns:
        Of the same kind; infinite between different numbers without errors, 0 between equal ones.
    """
    off, error = measured - predicted, (error**2 + predicted_error**2) ** 0.5
    if isinstance(error, float | int) and not error:
        return 0.0 if not off else float("inf") if off > 0 else float("-inf")
    return off / error
