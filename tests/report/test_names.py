"""Numbers with errors as physicists write them."""

import pytest

from spinodal.report.names import with_error


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.23614, 0.0041, "0.236 ± 0.004"),
        (0.2899, 0.00459, "0.290 ± 0.005"),
        (0.04356653, 2.41e-9, "0.04357 ± 2e-9"),
        (0.04356653, None, "0.04357"),
        (0.04356653, 0.0, "0.04357 ± 0"),
        (-0.0123, 0.03, "-0.01 ± 0.03"),
        (1234.5, 20.0, "1234 ± 20"),
        (0.0, 0.001, "0.000 ± 0.001"),
        (0.5, float("nan"), "0.5000"),
    ],
)
def test_with_error(value: float, error: float | None, text: str) -> None:
    assert with_error(value, error) == text
