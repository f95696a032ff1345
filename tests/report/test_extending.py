"""A figure with its table, and a claim, of a user's own: a file each, to be copied."""

import html
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spinodal import cli, find, read_records
from spinodal.analysis.claims import claims
from spinodal.analysis.claims.rules import CLAIMS
from spinodal.report.section import SECTIONS, sections

Rows = Callable[..., list[dict[str, Any]]]
Campaign = Callable[..., Path]

FIGURE = """
from matplotlib.figure import Figure

from spinodal.report import Group, Section, Table, columns, section
from spinodal.report.numbers import number


def draw_losses(rows):
    figure = Figure(figsize=(4.8, 3), layout="constrained")
    panel = figure.subplots()
    panel.semilogx(rows["l2"], rows["loss"], "o")
    panel.set(xlabel=r"$\\lambda$", ylabel=r"$\\mathcal{L}$")
    return figure


@section("losses", "Loss at the minima", "Loss", place=35)
def losses(campaign):
    rows = campaign.found.branches.with_columns(loss=campaign.found.branches["error"])
    path = campaign.draw("losses", draw_losses, rows)
    picture = campaign.picture(path, alt="Loss against λ", caption="Loss of every minimum.", curves=campaign.curves)
    cells = [(str(curve.name), number(curve.of(rows)["loss"].max())) for curve in campaign.curves]
    table = Table("Largest loss", columns("curve", "loss", words=1), [Group("", cells)], brief=True)
    return Section(["What is lost where."], [picture], [table], results=["losses drawn"])
"""

CLAIM = """
from spinodal.analysis.claims import Quantity, Verdict, claim


@claim("onset", "The onset of learning is above λ = 0.1")
def onset(found):
    for row in found.transitions.drop_nulls("location").sort("location").tail(1).iter_rows(named=True):
        above = row["location"] - 5 * row["location_error"] > 0.1
        yield Verdict(
            "onset",
            f"depth {row['depth']}",
            (Quantity("above", 0.1),),
            (Quantity("λ =", row["location"], row["location_error"]),),
            "confirmed" if above else "not decided",
            "five errors above" if above else "too near",
        )
"""


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """What a test registers does not stay; what is ours does, which has to be there for that."""
    claims()
    sections()
    before = dict(SECTIONS), dict(CLAIMS)
    yield
    for registry, known in zip((SECTIONS, CLAIMS), before, strict=True):
        registry.clear()
        registry.update(known)  # type: ignore[arg-type]


def test_a_figure_with_its_table_is_one_file(
    campaign: Campaign, rows: Rows, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "losses.py").write_text(FIGURE, encoding="utf-8")
    folder = campaign(rows(0), rows(1))
    assert cli.main(["report", str(folder), "--with", str(tmp_path / "losses.py")]) == 0
    shown = capsys.readouterr().out
    assert "Largest loss" in shown
    assert "0.7448" in shown
    assert "losses drawn" in shown
    assert {"losses.png", "losses.pdf"} <= {file.name for file in (folder / "report").iterdir()}
    page = html.unescape((folder / "report" / "report.html").read_text(encoding="utf-8"))
    assert re.search(r'<section id="losses".*Loss at the minima.*<img src="data:image/png', page, re.DOTALL)
    assert page.index('id="branches"') < page.index('id="losses"') < page.index('id="comparison"')


def test_a_claim_is_one_file(
    campaign: Campaign, rows: Rows, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "onset.py").write_text(CLAIM, encoding="utf-8")
    folder = campaign(rows(0), rows(1))
    assert cli.main(["report", str(folder), "--claims", "--with", str(tmp_path / "onset.py")]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "The onset of learning is above λ = 0.1" in shown
    assert "above 0.1" in shown
    assert "five errors above" in shown


def test_what_such_a_file_raises_is_a_line(
    campaign: Campaign, rows: Rows, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.py").write_text("import nosuchmodule\n")
    assert cli.main(["report", str(campaign(rows(0))), "--with", str(tmp_path / "broken.py")]) == 2
    error = capsys.readouterr().err
    assert "broken.py: cannot be imported: No module named 'nosuchmodule'" in error
    assert "Traceback" not in error


FAULTS = {
    "draws": (
        "def draw(rows):\n    raise RuntimeError('boom')",
        "section mine: RuntimeError: boom (",
        "line 4)",
    ),
    "reads": (
        "def draw(rows):\n    return open('/nowhere.csv')",
        "No such file or directory: '/nowhere.csv'",
        "line 4)",
    ),
    "no figure": (
        "def draw(rows):\n    return None",
        "draw must return a Figure of matplotlib, not None",
        "",
    ),
    "text": ("def draw(rows): ...", "make must return a Section or None, not 'text'", ""),
    "row": ("def draw(rows): ...", "('a', 3.5) must have 2 cells, each a text", ""),
    "claim": ("def draw(rows): ...", "claim mine: ZeroDivisionError", "line 12)"),
    "decision": (
        "def draw(rows): ...",
        "must yield a Verdict on mine with a decision among confirmed, not",
        "",
    ),
}
RETURNED = {
    "text": "'text'",
    "row": "Section(tables=[Table('of mine', columns('', 'b'), [Group('', [('a', 3.5)])])])",
    "claim": "None",
    "decision": "None",
}
FAULTY = """from spinodal.analysis.claims import Verdict, claim
from spinodal.report import Group, Section, Table, columns, section
{draw}
@section("mine", "Mine", place=0)
def make(campaign):
    if {made!r} == "None": campaign.draw("mine", draw, campaign.found.branches)
    return {made}


@claim("mine", "Mine is so")
def judge(found):
    yield {ruled}
"""


@pytest.mark.parametrize("fault", FAULTS)
def test_what_fails_in_such_a_file_is_a_line(
    campaign: Campaign, rows: Rows, tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    draw, *told = FAULTS[fault]
    ruled = {"claim": "1 / 0", "decision": "Verdict('mine', '', (), (), 'maybe', '')"}.get(fault)
    ruled = ruled or "Verdict('mine', '', (), (), 'confirmed', '')"
    (tmp_path / "mine.py").write_text(FAULTY.format(draw=draw, made=RETURNED.get(fault, "None"), ruled=ruled))
    only = ["--claims"] if fault in ("claim", "decision") else []
    assert cli.main(["report", str(campaign(rows(0))), *only, "--with", str(tmp_path / "mine.py")]) == 2
    error = capsys.readouterr().err
    assert all(each in error for each in told), error
    assert "Traceback" not in error


def test_such_a_file_hides_no_module(
    campaign: Campaign, rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its name is: it is no module that others import."""
    (tmp_path / "html.py").write_text("")
    assert cli.main(["report", str(campaign(rows(0))), "--claims", "--with", str(tmp_path / "html.py")]) == 0
    assert sys.modules["html"] is html


def test_findings_serve_a_notebook(campaign: Campaign, rows: Rows) -> None:
    found = find(read_records(campaign(rows(0), rows(1))))
    assert found.transitions["order"].to_list() == [1, 1, 1]
    assert found.transitions is found.transitions  # found once
    assert found.curved is found.curved
    assert found.hysteresis.is_empty()
    assert [each.decision for each in found.verdicts] == []
