"""What the report says of loops and coexistence; without a way down it says nothing of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure

from spinodal.analysis import coexistence, hysteresis
from spinodal.records import read_records
from spinodal.report import main, make_report
from spinodal.report.hysteresis_figure import draw_loops
from spinodal.report.names import CurveName
from spinodal.theory import coexistence as exact_coexistence
from spinodal.theory import phases, spinodal

Rows = Callable[..., list[dict[str, Any]]]

STRENGTHS = [1.0, 0.5]
L2 = np.geomspace(0.01, 0.4, 50)


@pytest.fixture
def loop(rows: Rows) -> Rows:
    """Makes one loop of a deep linear network; at depth 3 phase m is left downwards at the m-th λ of `down`."""

    def make(seed: int, down: tuple[float, ...] = (0.06, 0.03), **columns: Any) -> list[dict[str, Any]]:
        up = rows(seed, l2=L2, strengths=STRENGTHS, **columns)
        if columns.get("depth") == 2:
            back = up[-2::-1]
        else:
            states = phases(L2, STRENGTHS, 3)
            back = []
            for i in range(len(L2))[-2::-1]:
                m = sum(L2[i] < at for at in down)
                at = {
                    "l2": float(L2[i]),
                    "error": float(states[m].error[i]),
                    "norm": float(np.sqrt(states[m].norm_squared[i])),
                }
                back.append({**up[i], **at, "learned_features": m})
        ways = [{**row, "branch": "up"} for row in up] + [{**row, "branch": "down"} for row in back]
        whole = {"stages": len(ways), "perturbation": 0.05, "parameters": 100, "curve": str(columns)}
        return [{**row, **whole, "stage": stage} for stage, row in enumerate(ways)]

    return make


def figure(folder: Path) -> Figure:
    records = read_records(folder)
    name = CurveName("d", "m", "up and down", "f")
    return draw_loops(records, hysteresis(records), coexistence(records), name)


def test_files_tables_and_page(
    campaign: Callable[..., Path],
    loop: Rows,
    rows: Rows,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    made = campaign(loop(0), loop(1, (0.055, 0.03)), loop(0, depth=2), rows(0, width=8))
    assert main(made) == 0
    said = capsys.readouterr().out
    lines = said.splitlines()
    told = [line for line in lines if line.startswith("area") and "errors" in line]
    assert [line.split()[-1] for line in told] == ["none", "hysteresis"]
    (learned,) = [
        line for line in lines if line.split()[:1] == ["1"] and "0.2362" in line and "–" not in line
    ]
    assert "0.056" in learned
    assert any("0.19842" in line and "1/2" not in line and "2/2" in line for line in lines)
    tables = lines[: next(i for i, line in enumerate(lines) if line.startswith("exact λ_sp:"))]
    assert max(map(len, tables)) <= 80

    report = made / "report"
    for file in ("hysteresis.csv", "coexistence.csv", "linear_teacher-K2-linear-L3-w16-up-down-loop.pdf"):
        assert str(report / file).removesuffix(".pdf") in said
        assert (report / file).is_file()
    assert len(pl.read_csv(report / "hysteresis.csv")) == 3  # at depth 2 the first is never lost
    page = (report / "report.html").read_text(encoding="utf-8")
    assert "1 of 2 loops enclose an area of at least 5 standard errors, 1 none within 2" in page
    assert "noise 0.05" in page
    assert page.count("-loop.pdf") == 2


def test_the_same_records_make_the_same_files(campaign: Callable[..., Path], loop: Rows) -> None:
    made = campaign(loop(0))
    make_report(made)
    first = {path.name: path.read_bytes() for path in (made / "report").iterdir()}
    make_report(made)
    assert {path.name: path.read_bytes() for path in (made / "report").iterdir()} == first


def test_the_figure_shows_both_ways_and_what_is_exact(campaign: Callable[..., Path], loop: Rows) -> None:
    trajectory = loop(0)
    drawn = figure(campaign(trajectory))
    for panel, value in zip(
        drawn.axes,
        (lambda row: row["norm"] ** 2, lambda row: row["error"] + row["l2"] * row["norm"] ** 2),
        strict=True,
    ):
        for marker, branch in (("^", "up"), ("v", "down")):
            (line,) = [each for each in panel.lines if each.get_marker() == marker]
            own = [(row["l2"], value(row)) for row in trajectory if row["branch"] == branch]
            points = np.array(line.get_xydata())
            # The turning point belongs to both.
            np.testing.assert_allclose(points[-len(own) :], own)
            assert len(points) == len(own) + (branch == "down")
        upright = {float(line.get_xdata()[0]) for line in panel.lines if len(set(line.get_xdata())) == 1}
        for exact in (*spinodal(STRENGTHS, 3), *exact_coexistence(STRENGTHS, 3)):
            assert min(abs(at - exact) for at in upright) < 1e-12
        assert len(panel.patches) == 2  # as far as the noise reaches, feature by feature
    (circle,) = [line for line in drawn.axes[1].lines if line.get_marker() == "o"]
    assert circle.get_xdata()[0] == pytest.approx(float(exact_coexistence(1.0, 3)), rel=1e-4)
    assert circle.get_ydata()[0] == pytest.approx(0.5 * sum(s**2 for s in STRENGTHS), rel=1e-3)


def test_second_order_shows_no_area_and_no_coexistence(campaign: Callable[..., Path], loop: Rows) -> None:
    drawn = figure(campaign(loop(0, depth=2)))
    (area,) = drawn.axes[0].collections
    heights = area.get_paths()[0].vertices
    assert np.ptp(heights[:, 1]) > 1  # it follows the branch
    assert not drawn.axes[1].collections
    assert not drawn.axes[0].patches
    (circles,) = [line for line in drawn.axes[1].lines if line.get_marker() == "o"]
    assert len(circles.get_xdata()) == 0


def test_a_nonlinear_network_has_its_loop_without_theory(campaign: Callable[..., Path], loop: Rows) -> None:
    drawn = figure(campaign(loop(0, activation="tanh")))
    assert not drawn.axes[0].patches
    assert not [line for line in drawn.axes[0].lines if len(set(line.get_xdata())) == 1]


def test_without_a_way_down_nothing_is_said(
    campaign: Callable[..., Path], rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    made = campaign(rows(0))
    main(made)
    assert not list((made / "report").glob("*loop*"))
    assert not (made / "report" / "hysteresis.csv").exists()
    assert "hysteresis" not in capsys.readouterr().out
    assert 'id="hysteresis"' not in (made / "report" / "report.html").read_text(encoding="utf-8")


def test_a_way_down_that_is_predicted_is_not_said_to_have_no_prediction(
    campaign: Callable[..., Path], loop: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where noise is known the loops' own table says where features are learned again: the other one leads there."""
    folder = campaign(*(loop(seed, perturbation=0.05, parameters=128) for seed in range(2)))
    assert main(folder) == 0
    report = make_report(folder)
    down = report.groups[0].transitions.filter(branch="down")
    assert down["status"].to_list() == ["see hysteresis"] * 2
    assert report.hysteresis is not None
    loops = report.hysteresis.networks[0].loops
    assert loops["foretold"].all()
    assert loops["l2_reach"].is_not_null().all()
    page = report.page.read_text(encoding="utf-8")
    for told in (page, capsys.readouterr().out):
        assert "no prediction" not in told
        assert "theory says nothing" not in told
    assert '<a href="#hysteresis">see hysteresis</a>' in page


def test_a_way_down_of_unknown_noise_has_no_prediction(campaign: Callable[..., Path], loop: Rows) -> None:
    trajectory = loop(0)
    for row in trajectory:
        row["perturbation"] = None
    report = make_report(campaign(trajectory))
    assert report.groups[0].transitions.filter(branch="down")["status"].to_list() == [None] * 2
    assert "no prediction" in report.page.read_text(encoding="utf-8")
    assert report.hysteresis is not None
    assert not report.hysteresis.networks[0].loops["foretold"].any()
