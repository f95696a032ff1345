"""What the report shows of a survey: where a transition is suggested, on which signs, and that it is no evidence."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex

from spinodal import cli, find
from spinodal.records import read_records
from spinodal.report.sections.survey import draw_survey
from spinodal.report.style import TRANSITION

Rows = Callable[..., list[dict[str, object]]]


@pytest.fixture
def folder(rows: Rows, campaign: Callable[..., Path]) -> Path:
    """A survey of three features on a grid with one λ, too few for a jump of E, between the second and the third."""
    l2 = np.array([0.02, 0.03, 0.04, 0.05, 0.07, 0.09, 0.11, 0.13, 0.25, 0.3, 0.35, 0.4])
    surveyed = [
        row | {"rank": row["learned_features"], "criterion": "flow", "minimum": None}
        for seed in range(2)
        for row in rows(seed, l2=l2, activation="tanh", scalar_curvature=1.0, scalar_curvature_se=0.1)
    ]
    return campaign(surveyed)


def test_places_are_listed_with_their_signs_and_drawn_in_their_colours(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = find(read_records(folder)).survey
    signs = places.select("rank_before", "rank_after", "jumps").rows()
    assert signs == [(3, 2, True), (2, 1, True), (1, 0, False)]
    figure = draw_survey(read_records(folder), places)
    assert [panel.get_ylabel() for panel in figure.axes] == [
        "error $E$",
        "rank of the outputs",
        "curvature $R$",
    ]
    for panel in figure.axes:
        bands = [to_hex(patch.get_facecolor()) for patch in panel.patches]
        assert bands == [to_hex(colour) for colour in (TRANSITION, TRANSITION, "0.5")]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "only surveyed",
        "$E$ seems to jump",
        "the rank alone changes",
    ]
    assert cli.main(["report", str(folder)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    suggested = "E seems to jump at 2 places, and rank falls by one at 2 of them"
    more = "rank changes at 1 more, where a finer grid decides whether E jumps"
    assert f"survey, no evidence: {suggested}; {more}; exactly relaxed rows show none of these" in said
    assert "3 → 2 2/2 apparent" in said
    assert "1 → 0 2/2 not on this grid" in said
    page = (folder / "report" / "report.html").read_text()
    assert "up is only surveyed" in page.lower()
    assert "Nothing here is evidence" in page
