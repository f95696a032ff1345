"""The page says what was run, what was found, what was not, and how to get it again."""

import html
import re
import shlex
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure

from spinodal.analysis import compare, find_transitions
from spinodal.analysis.deviation import RESOLUTION
from spinodal.campaign import write_launch
from spinodal.errors import UserError
from spinodal.report import Report, Table, make_report
from spinodal.report.networks import EXAMPLES, FIGURES, spread
from spinodal.report.numbers import number
from spinodal.report.sections.comparison import verdict, verdicts
from spinodal.report.sections.open import unfinished
from spinodal.report.summary import summarise
from spinodal.theory import spinodal

Rows = Callable[..., list[dict[str, Any]]]
Campaign = Callable[..., Path]

FEW = np.geomspace(0.05, 0.3, 12)


@pytest.fixture(autouse=True)
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the figures, which are not drawn: this is about what is said of them."""
    names: list[str] = []

    def save(figure: Figure, path: Path, *_: object) -> None:
        names.append(path.name)
        Path(f"{path}.png").write_bytes(b"0123456789abcdef" + struct.pack(">II", 100, 50))

    monkeypatch.setattr("spinodal.report.drawing.save", save)
    return names


def comparison(report: Report) -> Table:
    """Its one table."""
    (table,) = next(section for each, section in report.sections if each.name == "comparison").tables
    return table


def text_of(page: Path) -> str:
    """What a reader reads."""
    body = re.sub(r"<style>.*?</style>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


@pytest.mark.usefixtures("unpainted")
def test_every_transition_is_in_the_comparison(campaign: Campaign, rows: Rows) -> None:
    """Found, not found and found where none is predicted; none is dropped."""
    moved = rows(0, shift=0.7, width=8)
    report = make_report(campaign(rows(0), rows(1), moved, rows(0, l2=FEW, width=4)))
    sheet = comparison(report)
    compared = pl.read_csv(report.page.parent / "transitions.csv")
    assert len(sheet) == len(compared)
    told = [row for group in sheet.groups for row in group.rows]
    verdict = [row[7].text for row in told]
    assert verdict.count("in bracket") == compared["inside"].sum()
    assert verdict.count("not found") == compared.filter(status="missing").height > 0
    assert verdict.count("none predicted near") == compared.filter(status="unexpected").height > 0
    first = next(row for row in told if row[7].text == "in bracket")
    assert float(first[4]) == pytest.approx(min(spinodal([1, 0.6, 0.36], 3)), rel=1e-4)
    page = text_of(report.page)
    for row in told:
        assert " ".join(cell if isinstance(cell, str) else cell.text for cell in row if cell) in page
    for verdict_line in verdicts(report.found.transitions):
        assert verdict_line in page


@pytest.mark.usefixtures("unpainted")
def test_deviations_are_in_per_cent_and_in_errors(campaign: Campaign, rows: Rows) -> None:
    report = make_report(campaign(rows(0), rows(1)))
    row = pl.read_csv(report.page.parent / "transitions.csv").row(0, named=True)
    told = comparison(report).groups[0].rows[0]
    number = [float(str(told[i]).removesuffix(" %").replace("−", "-")) for i in (5, 6)]
    off = row["location"] - row["control_exact"]
    assert number == pytest.approx([100 * off / row["control_exact"], off / row["location_error"]], abs=0.06)


@pytest.mark.usefixtures("unpainted")
def test_the_order_of_a_transition_is_told(campaign: Campaign, rows: Rows) -> None:
    """Kinks with how much they bend; a jump where a kink is predicted is of another order."""
    report = make_report(campaign(rows(0, depth=2), rows(1, depth=2), rows(0, width=8)))
    kinks, jumps = (group.rows for group in comparison(report).groups)
    assert [row[1] for row in kinks] == ["2nd"] * 2
    assert [row[1] for row in jumps] == ["1st"] * 3
    # Without noise, what is left of the error is the resolution of minima.
    bends = [f"−{c**2:.7f} ± {RESOLUTION * c**2:.7f}" for c in (0.36, 0.6)]
    assert [row[8] for row in kinks] == bends
    assert [row[10] for row in (*kinks, *jumps)] == ["", "", "3 → 2", "2 → 1", "1 → 0"]
    page = text_of(report.page)
    assert "Up has a kink at λ = 0.18, 0.3." in page
    assert "Up jumps at λ = " in page
    row = (
        compare(find_transitions(report.found.records), report.found.records)
        .filter(order=2)
        .row(0, named=True)
    )
    assert verdict(row).text == "in bracket"
    assert verdict({**row, "order": 1}).text == "of another order"
    assert verdict({**row, "order": None}).text == "in bracket"


@pytest.mark.usefixtures("unpainted")
def test_branches_share_a_figure(campaign: Campaign, rows: Rows) -> None:
    falling = rows(0, l2=FEW[::-1], branch="down", shift=0.3)
    report = make_report(campaign(rows(0), falling, rows(0, width=8)))
    assert [len(group.curves) for group in report.campaign.networks] == [1, 2]
    assert [picture.path.name for name, picture in report.pictures if name == "branches"][
        1
    ] == "linear_teacher-K3-linear-L3-w16-up-down"
    assert "up and down" in str(report.campaign.networks[1].name)


@pytest.mark.usefixtures("unpainted")
def test_what_was_run(campaign: Campaign, rows: Rows) -> None:
    def timed(seed: int, **columns: Any) -> list[dict[str, Any]]:
        return rows(seed, l2=FEW, wall_time=10.0, version="0.1.0", commit="abc", **columns)

    folder = campaign([*timed(0, job="a"), *timed(1, job="a")], timed(0, job="b", width=8)[:4])
    report = make_report(folder)
    summary = report.campaign.summary
    assert [(axis.name, axis.values) for axis in summary.varied][:2] == [("width", "8, 16"), ("seed", "0, 1")]
    assert summary.wall_time == "2.67 min"  # 12 stages of one job, 4 of the other, whatever its replicas
    assert (summary.rows, summary.points, summary.finished, summary.jobs) == (28, 3, 2, 2)
    page = text_of(report.page)
    for said in ("28 rows, 3 points, 2 jobs; 2 points finished", "abc", "1 of 3 points are not finished"):
        assert said in page


@pytest.mark.usefixtures("unpainted")
def test_a_long_axis_is_its_ends(campaign: Campaign, rows: Rows) -> None:
    report = make_report(campaign(rows(0)))
    (l2,) = (
        axis for axis in summarise(report.campaign.folder, report.found.records).varied if axis.name == "l2"
    )
    assert l2.values == "30 values, 0.02 – 0.4"


@pytest.mark.usefixtures("unpainted")
def test_what_is_not_settled(campaign: Campaign, rows: Rows) -> None:
    trajectory = rows(0, l2=FEW, job="a", grad_max=1e-3)
    for i in (5, 6):
        trajectory[i]["stationary"] = False
    trajectory[2]["minimum"] = False
    folder = campaign(trajectory, rows(0, l2=FEW, job="b", width=8, stages=None)[:3])
    (folder / "records" / "c.yaml").write_text("")
    report = make_report(folder)
    jobs = unfinished(folder, report.found.records).rows(named=True)
    assert [(job["job"], job["points"], job["stages"], job["of"]) for job in jobs] == [
        ("b", 1, 3, None),
        ("c", 0, None, None),
    ]
    assert jobs[0]["control_value"] == FEW[2]
    page = text_of(report.page)
    assert "Of 15 rows: not stationary: 2; saddles: 1." in page
    assert f"up 2 1 12 {number(FEW[2])} – {number(FEW[6])} 0.001" in page
    assert "b 1 0 3 of ?" in page
    assert "c 0 0 none recorded" in page


def test_phase_diagram_where_complexity_varies(campaign: Campaign, rows: Rows) -> None:
    strengths = [0.8**k for k in range(3)]
    curves = [rows(0, strengths=strengths[:k]) for k in (1, 2, 3)]
    unknown = [row | {"learned_features": None} for row in rows(0, width=4, strengths=[1.0])]
    report = make_report(campaign(*curves, rows(0, width=8), rows(0, width=4), unknown))
    (diagram,) = (picture for name, picture in report.pictures if name == "phases")
    assert sorted(identity[1] for identity in diagram.shows) == [1, 2, 3]  # the complexities
    assert diagram.path.name == "phases-linear_teacher-linear-L3-w16-up"
    assert "Phase diagram" in text_of(report.page)


@pytest.mark.usefixtures("unpainted")
def test_commands_make_it_again(campaign: Campaign, rows: Rows) -> None:
    folder = campaign(rows(0, l2=FEW, job="aa"))
    (folder / "records" / "aa.yaml").write_text("data: {}\n")
    given = [
        ["model=mlp", "data.complexity=1,2"],
        ["experiment=onset", "seed=[0, 1]"],
        ["experiment=onset", "seed=[0, 1]"],
    ]
    for overrides in given:
        write_launch(folder, overrides, 1, {}, [])
    (folder / "launches" / "broken.json").write_text("{")
    (folder / "launches" / "notes.json").write_text("{}")
    lines = html.unescape(make_report(folder).page.read_text(encoding="utf-8"))
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    assert re.search(rf"# {when} \d\d:\d\d:\d\d\nspinodal run model=mlp data.complexity=1,2\n", lines)
    assert lines.count("spinodal run experiment=onset 'seed=[0, 1]'") == 1
    assert f"spinodal report {shlex.quote(str(folder))}" in lines
    assert f"--config-dir {shlex.quote(str(folder / 'records'))} --config-name aa " in lines


def test_many_networks_are_not_all_drawn(campaign: Campaign, rows: Rows, drawn: list[str]) -> None:
    folder = campaign(*(rows(0, l2=FEW, width=width) for width in range(4, 5 + FIGURES)))
    report = make_report(folder)
    curves = [name for name in drawn if not name.startswith("dependence")]
    assert len(curves) == len(report.campaign.drawn) == EXAMPLES
    page = text_of(report.page)
    assert f"{EXAMPLES} of {FIGURES + 1} networks are drawn" in page
    assert all(str(curve.name) in page for curve in report.campaign.curves)

    drawn.clear()
    make_report(folder, ["*-w5-*", "*-w1?-*"])
    assert [re.findall(r"w(\d+)", name)[0] for name in drawn if "dependence" not in name] == [
        "5",
        *map(str, range(10, 17)),
    ]
    with pytest.raises(UserError, match=r"--curve nothing: no such curve; there are linear_teacher-K3"):
        make_report(folder, ["nothing"])


@pytest.mark.parametrize(
    ("families", "count", "chosen"),
    [
        ("aaaaa", 3, [0, 2, 4]),
        ("aaaaabbbbb", 4, [0, 4, 5, 9]),
        ("abbbbbbbb", 4, [0, 1, 5, 8]),
        ("abcdef", 4, [0, 1, 2, 3]),
        ("ab", 6, [0, 1]),
        ("", 3, []),
    ],
)
def test_spread(families: str, count: int, chosen: list[int]) -> None:
    assert spread(list(families), count) == chosen


def test_what_comes_from_outside_is_only_text(campaign: Campaign, rows: Rows) -> None:
    page = make_report(campaign(rows(0, l2=FEW, task="<script>alert(1)</script>"))).page
    content = page.read_text(encoding="utf-8")
    assert "<script" not in content
    assert "&lt;script&gt;" in content
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", content)
