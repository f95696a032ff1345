"""The predicted phase diagram shows every phase as far as it reaches, and marks what ends it."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from spinodal.report.prediction import (
    GLOBAL,
    METASTABLE,
    UNSTABLE,
    Prediction,
    draw_prediction,
    name_of,
    tell,
)
from spinodal.theory import DeepLinear, coexistence, phases, spinodal

STRENGTHS = np.array([1.0, 0.6, 0.36])
FACTS = {"task": "linear_teacher", "activation": "linear", "depth": 3, "width": 16, "bias": False}
NAME = name_of(FACTS, 3)


def figure(depth: int = 3, variances: tuple[float, ...] = (1, 1, 1)) -> Figure:
    return draw_prediction(NAME, DeepLinear(STRENGTHS, np.array(variances, dtype=float), depth), 0.75)


def drawn(figure: Figure, panel: int, style: dict[str, object]) -> list[np.ndarray]:
    """What is drawn in a style, a curve for each phase m = 0 … K."""
    curves = [
        np.array(line.get_xydata())
        for line in figure.axes[panel].lines
        if len(line.get_xdata()) > 2 and line.get_linewidth() == style["linewidth"]
    ]
    return [curve[np.isfinite(curve).all(axis=1)] for curve in curves]


def test_phases_reach_their_spinodals_and_are_thick_between_coexistences() -> None:
    picture = figure()
    edges, equal = spinodal(STRENGTHS, 3), coexistence(STRENGTHS, 3)
    for panel in range(3):
        thick, thin = drawn(picture, panel, GLOBAL), drawn(picture, panel, METASTABLE)
        assert len(thick) == len(thin) == 4
        for m in range(1, 4):
            assert thick[m][-1, 0] == pytest.approx(equal[m - 1])
            assert thin[m][-1, 0] == pytest.approx(edges[m - 1])
            if m < 3:
                assert thick[m][0, 0] == pytest.approx(equal[m])
        assert not any(len(curve) for curve in drawn(picture, panel, UNSTABLE))
    two = drawn(picture, 1, GLOBAL)[2]
    exact = phases(two[:, 0], STRENGTHS, 3, 1.0, 0.75)[2]
    np.testing.assert_allclose(two[:, 1], exact.error)
    np.testing.assert_allclose(drawn(picture, 2, GLOBAL)[2][:, 1], exact.norm_squared)
    texts = [text.get_text() for text in picture.axes[0].texts]
    assert texts == ["$c_{1}$", "$c_{2}$", "$c_{3}$"]


def test_one_hidden_layer_has_no_metastable_phases() -> None:
    picture = figure(depth=2)
    assert not any(len(curve) for curve in drawn(picture, 0, METASTABLE))
    saddles = drawn(picture, 0, UNSTABLE)
    assert [curve[-1, 0] for curve in saddles[:3]] == pytest.approx(list(STRENGTHS / 2))
    assert not len(saddles[3])
    labels = [text.get_text() for text in picture.legends[0].texts]
    assert labels == ["global minimum", "saddle", "$c_k/2$"]


def test_phases_that_turn_before_their_spinodal_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    c, sigma = np.array([1.05, 1.0]), np.array([1.25, 1.0])
    tell(Prediction(NAME, c, sigma, 1.0, DeepLinear(c, sigma, 3)), ["a note"], tmp_path / "new" / "folder")
    said = capsys.readouterr().out
    assert "a note\nphase 1: no minimum where dotted" in said
    assert (tmp_path / "new" / "folder" / f"{NAME.file}.pdf").stat().st_size > 1000
    white = DeepLinear(STRENGTHS, np.ones(3), 3)
    tell(Prediction(NAME, *white[:2], 1.0, white), [], tmp_path)
    assert "dotted" not in capsys.readouterr().out
