"""Numbers with errors as physicists write them."""

import math

import pytest

from spinodal.report.numbers import listed, number, signed, span, with_error, with_factor


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.23614, 0.0041, "0.236 ± 0.004"),
        (0.2899, 0.00459, "0.290 ± 0.005"),
        (0.04356653, 2.41e-9, "0.043566530 ± 0.000000002"),
        (0.04356653, None, "0.04357"),
        (0.04356653, 0.0, "0.04357"),
        (-0.0123, 0.03, "−0.01 ± 0.03"),
        (1234.5, 20.0, "1234 ± 20"),
        (0.0, 0.001, "0.000 ± 0.001"),
        (-4e-9, 1e-8, "(0 ± 1)×10⁻⁸"),
        (-3.21e-9, 1e-11, "(−3.21 ± 0.01)×10⁻⁹"),
        (3e7, 2e5, "(3.00 ± 0.02)×10⁷"),
        (0.5, float("nan"), "0.5"),
        (None, 0.1, ""),
        (float("inf"), 0.1, "∞"),
    ],
)
def test_with_error(value: float | None, error: float | None, text: str) -> None:
    assert with_error(value, error) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.064657, "0.06466"),
        (3010.0, "3010"),
        (12345.0, "12340"),
        (-0.5, "−0.5"),
        (1e-9, "1×10⁻⁹"),
        (-2.5e7, "−2.5×10⁷"),
        (0.0, "0"),
        (-0.0, "0"),
        (math.nan, ""),
        (-math.inf, "−∞"),
        (None, ""),
    ],
)
def test_number(value: float | None, text: str) -> None:
    assert number(value) == text


def test_numbers_in_company() -> None:
    assert with_factor(1060.0, 1.224) == "1060 ×/÷ 1.22"
    assert with_factor(1060.0, None) == "1060"
    assert with_factor(None, None) == ""
    assert signed(-0.004, 2, " %") == "+0.00 %"
    assert signed(-0.04, 2, " %") == "−0.04 %"
    assert signed(None, 2, " %") == ""
    assert span(0.1, 0.25) == "0.1 – 0.25"
    assert span(None, 0.25) == ""
    assert listed([1, 0.6, 0.36]) == "1, 0.6, 0.36"
    assert listed(range(9), 2) == "0, 1, …"
