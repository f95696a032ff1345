"""What is kept beside a report is used for the same records alone, and as a whole; else it is made again."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure

from spinodal.analysis.claims.rules import CLAIMS
from spinodal.analysis.findings import Kept, find
from spinodal.errors import UserError
from spinodal.records import read_records
from spinodal.report import drawing, make_report, section
from spinodal.report.argument import judge
from spinodal.report.section import SECTIONS, Section
from spinodal.report.style import FORMATS

Rows = Callable[..., list[dict[str, Any]]]
Made = Callable[..., Path]


@pytest.fixture(autouse=True)
def unpainted(unpainted: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A blank figure with the data of its lines, and its size, at the end."""
    blank = drawing.save

    def save(figure: Figure, path: Path, formats: Sequence[str] = FORMATS) -> None:
        blank(figure, path, formats)
        lines = [np.asarray(line.get_xydata()).tobytes() for axes in figure.axes for line in axes.lines]
        for suffix in formats:
            with Path(f"{path}.{suffix}").open("ab") as file:
                file.write(b"".join([*lines, figure.get_size_inches().tobytes()]))

    monkeypatch.setattr(drawing, "save", save)


def figures(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "report").glob("*.png")}


def test_figures_that_a_first_report_left_out_show_the_records_of_now(campaign: Made, rows: Rows) -> None:
    """Be it that only some were drawn, or that the report ended before they were."""
    folder = campaign(rows(0, width=8), rows(0, width=16, activation="tanh"))
    make_report(folder)
    before = figures(folder)
    for file in (folder / "records").glob("*.parquet"):
        pl.read_parquet(file).with_columns(error=pl.col("error") * 1.5).write_parquet(file)
    with pytest.raises(UserError, match="no such curve"):
        make_report(folder, ["nothing"])
    make_report(folder, ["*-w8-*"])
    make_report(folder)
    assert len(before) == 2
    assert not before.items() & figures(folder).items()


def test_a_deleted_figure_is_drawn_again(campaign: Made, rows: Rows) -> None:
    folder = campaign(rows(0))
    (picture,) = (picture for _, picture in make_report(folder).pictures)
    first = Path(f"{picture.path}.png").read_bytes()
    Path(f"{picture.path}.png").unlink()
    make_report(folder)
    assert Path(f"{picture.path}.png").read_bytes() == first


def test_a_second_report_reads_one_file_and_starts_no_process(
    campaign: Made, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = campaign(*(rows(0, width=width, l2=np.geomspace(0.05, 0.3, 9)) for width in range(4, 8)))
    first = make_report(folder)

    def never(*_: object) -> None:
        raise AssertionError("read again, or drawn")

    monkeypatch.setattr("spinodal.report.campaign.read_records", never)
    monkeypatch.setattr(drawing, "ProcessPoolExecutor", never)
    second = make_report(folder, second_process=True)
    assert second.campaign.read.equals(first.campaign.read)
    assert second.page.read_bytes() == first.page.read_bytes()


def test_every_report_warns_of_a_file_that_cannot_be_read(campaign: Made, rows: Rows) -> None:
    folder = campaign(rows(0))
    (folder / "records" / "broken.parquet").write_bytes(b"PAR1")
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"broken\.parquet: left out"):
            make_report(folder)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no Parquet at all"])
def test_a_broken_table_is_found_again(campaign: Made, rows: Rows, content: bytes) -> None:
    folder = campaign(rows(0))
    found = make_report(folder).found
    assert found.kept is not None
    file = found.kept.folder / "transitions.parquet"
    file.write_bytes(content)
    assert make_report(folder).found.transitions.equals(found.transitions)
    assert pl.read_parquet(file).equals(found.transitions)


def test_tables_under_another_key_are_not_read(tmp_path: Path) -> None:
    """Even those that a slower report, of the records as they were, writes after a faster one has begun."""
    slow = Kept(tmp_path / "findings", "one")
    fast = Kept(tmp_path / "findings", "two")
    slow.write("transitions", pl.DataFrame({"l2": [1.0]}))
    assert fast.read("transitions") is None
    fast.write("transitions", pl.DataFrame({"l2": [2.0]}))
    assert Kept(tmp_path / "findings", "two").read("transitions") is not None
    assert Kept(tmp_path / "findings", "three").read("transitions") is None
    assert [each.name for each in (tmp_path / "findings").iterdir()] == ["three"]


def test_claims_of_a_user_come_and_go(campaign: Made, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    from spinodal.analysis.claims import Verdict, claim

    folder = campaign(rows(0))
    names = {verdict.claim for verdict, _ in judge(folder).judged}
    with monkeypatch.context() as patched:
        patched.setitem(CLAIMS, "mine", None)  # which is undone
        del CLAIMS["mine"]

        @claim("mine", "Mine")
        def mine(found: object) -> list[Verdict]:
            return [Verdict("mine", "", (), (), "confirmed", "so it is")]

        assert {verdict.claim for verdict, _ in judge(folder).judged} == {*names, "mine"}
    assert {verdict.claim for verdict, _ in judge(folder).judged} == names


def test_a_figure_of_a_user_is_always_drawn(
    campaign: Made, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, sizes = campaign(rows(0)), [2.0]

    def draw() -> Figure:
        return Figure(figsize=(sizes[0], 1.0))

    monkeypatch.setitem(SECTIONS, "mine", None)
    section("mine", "Mine")(
        lambda campaign: Section(pictures=[campaign.picture(campaign.draw("mine", draw), alt="mine")])
    )
    drawn = []
    for sizes[0] in (2.0, 3.0):
        make_report(folder)
        drawn.append(figures(folder))
    assert {name for name in drawn[0] if drawn[0][name] != drawn[1][name]} == {"mine.png"}


def test_records_that_lack_columns_are_refused(campaign: Made, rows: Rows) -> None:
    with pytest.raises(
        ValueError, match="records without stationary, minimum: find takes them as read_records"
    ):
        find(read_records(campaign(rows(0))).drop("stationary", "minimum"))
