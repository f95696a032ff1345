"""How numbers are written: in tables, captions and claims alike."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
from uncertainties import ufloat

PLAIN = 1e-4, 1e6
"""Numbers between these are written without a power of ten."""


def number(value: float | None, digits: int = 4) -> str:
    """Return a number with a few digits, as in 0.2362, −3 or 3×10⁻⁹.

    Args:
        value: None, and what is no number, is left empty.
        digits: Significant ones.
    """
    if value is None or math.isnan(value):
        return ""
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value and not PLAIN[0] <= abs(value) < PLAIN[1]:
        return _typeset(f"{value:.{digits - 1}e}", trimmed=True)
    return _typeset(np.format_float_positional(float(f"{value:.{digits}g}") + 0.0, trim="-"))


def with_error(value: float | None, error: float | None) -> str:
    """Return a number with its standard error, to the first digit of that, as in 0.236 ± 0.004.

    Args:
        value: None, and what is no number, is left empty.
        error: Without one the number stands alone.
    """
    if value is None or not math.isfinite(value) or error is None or not 0 < error < math.inf:
        return number(value)
    plain = PLAIN[0] <= max(abs(value), error) < PLAIN[1]
    return _typeset(f"{ufloat(value, error):.1u{'f' if plain else 'e'}P}".replace("±", " ± "))


def with_factor(value: float | None, factor: float | None) -> str:
    """Return a number with the factor that its error multiplies or divides it by, as in 1060 ×/÷ 1.22."""
    return number(value, 3) + (f" ×/÷ {factor:.2f}" if value is not None and factor is not None else "")


def signed(value: float | None, decimals: int, unit: str = "") -> str:
    """Return a number with its sign."""
    return "" if value is None else _typeset(f"{round(value, decimals) + 0.0:+.{decimals}f}") + unit


def span(low: float | None, high: float | None, digits: int = 4) -> str:
    """Return two ends, as in 0.1 – 0.2."""
    return "" if low is None or high is None else f"{number(low, digits)} – {number(high, digits)}"


def listed(values: Sequence[float], most: int = 8) -> str:
    """Return numbers in a row, as in 1, 0.6, 0.36: the first few of many."""
    return ", ".join([*(number(each, 3) for each in values[:most]), *(["…"] if len(values) > most else [])])


_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _typeset(text: str, trimmed: bool = False) -> str:
    """True minus signs, and powers of ten as such."""
    mantissa, e, power = text.partition("e")
    if trimmed and "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    text = mantissa + (f"×10{str(int(power)).translate(_SUPERSCRIPTS)}" if e else "")
    return re.sub(r"-(?=\d)", "−", re.sub(r"-(0(\.0+)?)(?= ±)", r"\1", text))
