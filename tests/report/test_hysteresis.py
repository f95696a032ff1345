"""The section about loops and coexistence; without a way down there is none."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure

from spinodal.analysis import CURVE
from spinodal.analysis.claims.hysteresis import enclosed
from spinodal.analysis.claims.rules import NARROW, NONE, SEEN
from spinodal.analysis.findings import find
from spinodal.records import read_records
from spinodal.report import main, make_report
from spinodal.report.report import Report
from spinodal.report.section import Section
from spinodal.report.sections.hysteresis import Loops, draw_loops
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
    """A column for each depth."""
    found = find(read_records(folder))
    tables = found.records, found.hysteresis, found.coexistence
    depths = found.records["depth"].unique().sort()
    return draw_loops([Loops(f"depth {d}", *(table.filter(depth=d) for table in tables)) for d in depths])


def section(report: Report) -> Section:
    """The one about hysteresis."""
    (own,) = [each for one, each in report.sections if one.name == "hysteresis"]
    return own


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
    out = capsys.readouterr().out
    lines = out.splitlines()
    titles = re.findall(r"noise 0.05; area .*? errors: (\w+)", " ".join(out.split()))
    assert titles == ["none", "hysteresis"]
    (learned,) = [
        line for line in lines if line.split()[:1] == ["1"] and "0.23624" in line and "–" not in line
    ]
    assert "0.056" in learned
    assert any("0.19842" in line and "1 | 0" in line and "2/2" in line for line in lines)
    tables = lines[: next(i for i, line in enumerate(lines) if "loops enclose an area" in line)]
    assert max(map(len, tables)) <= 80

    report = made / "report"
    for file in ("hysteresis.csv", "coexistence.csv", "linear_teacher-K2-linear-L2-L3-w16-up-down-loop.pdf"):
        assert str(report / file).removesuffix(".pdf") in out
        assert (report / file).is_file()
    assert len(pl.read_csv(report / "hysteresis.csv")) == 3  # at depth 2 the first is never lost
    page = (report / "report.html").read_text(encoding="utf-8")
    assert "1 of 2 loops enclose an area of at least 5 standard errors, 1 none within 2" in page
    assert "noise 0.05" in page
    assert page.count("-loop.pdf") == 1


def test_depths_share_a_figure_and_other_networks_do_not(campaign: Callable[..., Path], loop: Rows) -> None:
    report = make_report(campaign(loop(0), loop(0, depth=2), loop(0, width=8)))
    pictures = section(report).pictures
    assert [each.path.name for each in pictures] == [
        "linear_teacher-K2-linear-L2-L3-w16-up-down-loop",
        "linear_teacher-K2-linear-L3-w8-up-down-loop",
    ]
    shared, alone = pictures
    assert shared.title == "linear teacher, K = 2; deep linear, width 16."
    assert shared.width > shared.height
    assert shared.width > 1.3 * alone.width
    assert re.fullmatch(
        r"Depth 2: area .*: none\. Depth 3: area .*: hysteresis\. Strengths 1, 0\.5\.", shared.caption
    )
    # What is judged is seen in the figure of its network.
    for verdict in report.found.verdicts:
        if verdict.claim == "hysteresis":
            (seen,) = [each for each in pictures if verdict.curve in each.shows]
            assert seen is (alone if verdict.curve[CURVE.index("width")] == 8 else shared)


@pytest.mark.usefixtures("unpainted")
def test_every_feature_of_every_loop_is_in_the_tables(campaign: Callable[..., Path], loop: Rows) -> None:
    """With the numbers of the CSV, and the errors in which they are off."""
    report = make_report(campaign(*(loop(seed) for seed in range(3)), loop(0, depth=2)))
    loops, ways, coexisting = section(report).tables
    csv = pl.read_csv(report.campaign.report / "hysteresis.csv")
    assert [row[5] for row in loops.groups[0].rows] == ["none", "hysteresis"]
    deep = ways.groups[1].rows
    for row, known in zip(deep, csv.filter(depth=3).iter_rows(named=True), strict=True):
        assert row[0] == str(known["feature"])
        for place, column, rough in (
            (1, "control_up", 0.05),
            (2, "control_spinodal", 1e-4),
            (3, "control_down", 0.05),
        ):
            assert float(str(row[place]).split()[0]) == pytest.approx(known[column], rel=rough)
        off = (known["control_down"] - known["control_reach"]) / np.hypot(
            known["control_down_error"], known["control_reach_error"]
        )
        assert float(str(row[7]).replace("−", "-")) == pytest.approx(off, abs=0.06)
    exact = pl.read_csv(report.campaign.report / "coexistence.csv").drop_nulls("control_exact")
    told = [row for group in coexisting.groups for row in group.rows]
    assert [float(str(row[2])) for row in told] == pytest.approx(exact["control_exact"].to_list(), rel=1e-7)
    assert "not followed there" in [row[1] for row in told]


@pytest.mark.parametrize(
    ("errors", "size", "decision"),
    [
        (SEEN + 0.1, 1.0, "confirmed"),
        (SEEN - 0.1, 1.0, "not decided"),
        (NONE - 0.1, 1.01 * SEEN / NARROW, "not confirmed"),
        (NONE - 0.1, 0.99 * SEEN / NARROW, "not decided"),
        (NONE - 0.1, None, "not decided"),
        (-SEEN, 1.01 * SEEN / NARROW, "not confirmed"),
    ],
)
def test_page_and_claim_judge_a_loop_alike(errors: float, size: float | None, decision: str) -> None:
    """None is none only where a narrow one would be seen."""
    assert enclosed({"area": errors, "area_error": 1.0, "area_up": size}).decision == decision


def test_the_same_records_make_the_same_files(campaign: Callable[..., Path], loop: Rows) -> None:
    made = campaign(loop(0))
    make_report(made)
    first = {path.name: path.read_bytes() for path in (made / "report").iterdir() if path.is_file()}
    assert any(name.endswith("-loop.png") for name in first)
    shutil.rmtree(made / "report")
    make_report(made)
    assert {path.name: path.read_bytes() for path in (made / "report").iterdir() if path.is_file()} == first


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


def test_depths_stand_side_by_side(campaign: Callable[..., Path], loop: Rows) -> None:
    """Each with its own theory, on common axes that show all of every branch."""
    drawn = figure(campaign(loop(0), loop(0, depth=2)))
    above, below = drawn.axes[:2], drawn.axes[2:]
    assert [panel.get_title() for panel in above] == ["depth 2", "depth 3"]
    for row in (above, below):
        assert row[0].get_ylim() == row[1].get_ylim()
        for panel in row:
            for line in panel.lines:
                if line.get_marker() in "^v":
                    values = np.asarray(line.get_ydata())
                    assert panel.get_ylim()[0] <= values.min() <= values.max() <= panel.get_ylim()[1]
    for panel, depth in zip(above, (2, 3), strict=True):
        upright = {float(line.get_xdata()[0]) for line in panel.lines if len(set(line.get_xdata())) == 1}
        low, high = panel.get_xlim()
        for exact in spinodal(STRENGTHS, depth):
            if low < exact < high:
                assert min(abs(at - exact) for at in upright) < 1e-12
    labels = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert len(labels) == len(set(labels))
    assert {"$c_k/2$", r"$\lambda_\mathrm{sp}(c_k)$"} <= set(labels)
    assert not figure(campaign(loop(0)))._suptitle


@pytest.mark.usefixtures("unpainted")
def test_without_a_way_down_nothing_is_said(
    campaign: Callable[..., Path], rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    made = campaign(rows(0))
    main(made)
    assert not list((made / "report").glob("*loop*"))
    assert not (made / "report" / "hysteresis.csv").exists()
    assert "hysteresis" not in capsys.readouterr().out
    assert 'id="hysteresis"' not in (made / "report" / "report.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("unpainted")
def test_a_way_down_that_is_predicted_is_not_said_to_have_no_prediction(
    campaign: Callable[..., Path], loop: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where noise is known the loops' own table says where features are learned again: the other one leads there."""
    folder = campaign(*(loop(seed, perturbation=0.05, parameters=128) for seed in range(2)))
    assert main(folder) == 0
    report = make_report(folder)
    down = report.found.transitions.filter(branch="down")
    assert down["status"].to_list() == ["see hysteresis"] * 2
    loops = report.found.hysteresis
    assert loops["foretold"].all()
    assert loops["control_reach"].is_not_null().all()
    page = report.page.read_text(encoding="utf-8")
    for told in (page, capsys.readouterr().out):
        assert "no prediction" not in told
        assert "theory says nothing" not in told
    assert '<a href="#hysteresis">see hysteresis</a>' in page


@pytest.mark.usefixtures("unpainted")
def test_a_way_down_of_unknown_noise_has_no_prediction(campaign: Callable[..., Path], loop: Rows) -> None:
    trajectory = loop(0)
    for row in trajectory:
        row["perturbation"] = None
    report = make_report(campaign(trajectory))
    assert report.found.transitions.filter(branch="down")["status"].to_list() == [None] * 2
    page = report.page.read_text(encoding="utf-8")
    assert "no prediction" in page
    assert "noise unknown" in page
    assert not report.found.hysteresis["foretold"].any()
