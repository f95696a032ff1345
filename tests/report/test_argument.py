"""A folder of campaigns is judged claim by claim: on the terminal, and on a page whose rows lead to figures."""

import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spinodal import cli
from spinodal.analysis.claims import Quantity, claims
from spinodal.errors import UserError
from spinodal.records import RecordWriter
from spinodal.report import main
from spinodal.report.argument import campaigns_in, make_argument, written

Rows = Callable[..., list[dict[str, Any]]]

L2 = np.geomspace(0.02, 0.6, 60)


@pytest.fixture
def folder(tmp_path: Path, rows: Rows, measured: Rows) -> Path:
    """Two campaigns: networks of three depths, one of them moved; and one with curvature that is not finished."""
    orders = [rows(seed, l2=L2, depth=depth, strengths=[1.0, 0.5]) for seed in (0, 1) for depth in (2, 3)]
    orders += [rows(seed, l2=L2, depth=4, strengths=[1.0, 0.5], shift=0.8) for seed in (0, 1)]
    campaigns = {"order": orders, "curvature": [measured(0), measured(1), measured(2)[:20]]}
    for name, trajectories in campaigns.items():
        for number, trajectory in enumerate(trajectories):
            RecordWriter(tmp_path / "all" / name / "records" / f"{number}.parquet").append(trajectory)
    return tmp_path / "all"


def test_campaigns_are_found_in_a_folder_of_them(folder: Path) -> None:
    assert [each.name for each in campaigns_in(folder)] == ["curvature", "order"]
    assert campaigns_in(folder / "order") == []
    assert campaigns_in(folder / "order" / "records") == []


@pytest.mark.usefixtures("unpainted")
def test_every_claim_is_judged_and_every_row_leads_to_its_figure(folder: Path) -> None:
    argument = make_argument(folder)
    assert [each.decision for each, _ in argument.judged if each.claim == "order"] == [
        "confirmed",
        "confirmed",
        "not confirmed",
    ]
    judged = [verdict.claim for verdict, _ in argument.judged]
    assert judged == sorted(judged, key=list(claims()).index)
    page = argument.page.read_text(encoding="utf-8")
    assert argument.page == folder / "report.html"
    ids = set(re.findall(r'<figure id="([^"]+)"', page))
    links = re.findall(r'<td[^>]*><a href="([^"]+)"', page)
    in_table = [link for link in links if link.startswith("#")]
    assert len(in_table) == sum(report is not None for _, report in argument.judged)
    assert {link.removeprefix("#") for link in in_table} == ids
    assert len(ids) == 3  # three depths side by side, R, and what foresees its jumps
    for link in links:
        assert link.startswith("#") or (folder / link).is_file()
    for file in re.findall(r"Also <code>([^<]+)</code>|Also</figcaption>", page):
        assert (folder / file).is_file()
    text = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())
    for claim in claims().values():
        assert claim.sentence in text
    assert "no records speak of it" in text
    assert "1 of 3 points are not finished" in text
    assert 'src="data:image/png' in page
    assert "http" not in re.sub(r"data:image/png;base64,[^\"]+", "", page)


@pytest.mark.usefixtures("unpainted")
def test_the_terminal_tells_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", str(folder)]) == 0
    out = capsys.readouterr().out
    told = " ".join(out.split())
    assert told.count("confirmed") >= 3
    assert "not confirmed" in told
    assert "not decided no records" in told
    assert str(folder / "report.html") in out
    assert str(folder / "order" / "report" / "report.html") in out
    assert max(map(len, out.splitlines()[:-4])) <= 80


def test_what_is_about_one_campaign_is_refused_for_several(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="are about one campaign"):
        main(folder, ["*"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no records to read"):
        main(tmp_path / "empty")
    with pytest.raises(UserError, match="no campaigns in it"):
        make_argument(tmp_path / "empty")


def test_numbers_are_written_with_names_errors_and_units() -> None:
    assert written([Quantity("", 1), Quantity("", 2)]) == "1, 2"
    assert written([Quantity("", i) for i in range(7)]) == "…, 2, 3, 4, 5, 6"
    assert written([Quantity("λ =", 0.2361, 0.0004), Quantity("", -1.0)]) == "−1; λ = 0.2361 ± 0.0004"
    assert (
        written([Quantity("", 0.119552, 3e-6), Quantity("", -4e-9, 1e-8)])
        == "0.119552 ± 0.000003, (0 ± 1)×10⁻⁸"
    )
    assert written([Quantity("E", -2.5, 0.1, " %")]) == "E −2.5 ± 0.1 %"
    assert written([Quantity("E", 2.6058, None, " %")]) == "E 2.61 %"
    assert written([Quantity("2nd order", float("nan"))]) == "2nd order"
    assert written([]) == ""


@pytest.mark.usefixtures("unpainted")
def test_a_campaign_too_coarse_for_its_claims_leaves_them_open(
    tmp_path: Path, rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    """K = 1, 2, 3 at twelve λ, with a theory and without one: what only a finer grid shows is not refuted."""
    coarse, strengths = np.geomspace(0.02, 0.4, 12), [1.0, 0.6, 0.36]
    trajectories = [
        rows(seed, l2=coarse, strengths=strengths[:K], activation=activation, curve=f"{activation}-{K}")
        for activation in ("linear", "tanh")
        for K in (1, 2, 3)
        for seed in (0, 1)
    ]
    for number, trajectory in enumerate(trajectories):
        RecordWriter(tmp_path / "all" / "coarse" / "records" / f"{number}.parquet").append(trajectory)
    assert cli.main(["report", str(tmp_path / "all")]) == 0
    verdicts = (tmp_path / "all" / "verdicts.md").read_text(encoding="utf-8")
    assert "not confirmed" not in verdicts
    told = [line for line in verdicts.splitlines() if "number of transitions" in line]
    assert len(told) == 2
    assert all("**not decided**" in line and "decides" in line for line in told)
    assert "not confirmed" not in capsys.readouterr().out
