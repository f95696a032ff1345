"""A number of a user's own in the records is drawn and listed without a line of code."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from spinodal.analysis.findings import find
from spinodal.records import RecordWriter, read_records
from spinodal.report import main, make_report
from spinodal.report.sections.own import draw_own

Rows = Callable[..., list[dict[str, Any]]]


def sharp(trajectory: list[dict[str, Any]], times: float = 1.0) -> list[dict[str, Any]]:
    """With a column that falls by 1 wherever a feature ends."""
    return [row | {"sharpness": times * (row["learned_features"] + 0.1 * row["seed"])} for row in trajectory]


def test_own_numbers_are_found_on_both_sides_of_each_transition(
    campaign: Callable[..., Path], rows: Rows
) -> None:
    found = find(read_records(campaign(sharp(rows(0)), sharp(rows(1)))))
    sides = found.transitions.sort("location").select("sharpness_before", "sharpness_after").to_numpy()
    np.testing.assert_allclose(sides, [[3.05, 2.05], [2.05, 1.05], [1.05, 0.05]])
    without = find(read_records(campaign(rows(0), rows(1))).drop("sharpness"))
    assert not [name for name in without.transitions.columns if "sharpness" in name]


@pytest.mark.usefixtures("unpainted")
def test_section_of_own_observables(campaign: Callable[..., Path], rows: Rows) -> None:
    folder = campaign(sharp(rows(0)), sharp(rows(1)), rows(0, depth=4), sharp(rows(0, width=8), 2.0))
    report = make_report(folder)
    ((_, section),) = [each for each in report.sections if each[0].name == "own"]
    assert [picture.path.name for picture in section.pictures] == [
        "linear_teacher-K3-linear-L3-w8-up-own",
        "linear_teacher-K3-linear-L3-w16-up-own",
    ]
    assert all(Path(f"{picture.path}.png").is_file() for picture in section.pictures)
    (table,) = section.tables
    assert [column.title for column in table.columns] == ["", "λ", "sharpness"]
    narrow, wide = sorted(table.groups, key=lambda group: "width 16" in group.title)
    assert [row[0] for row in wide.rows] == [
        *("first λ", "transition 1", "transition 2", "transition 3", "last λ")
    ]
    assert [row[2] for row in narrow.rows] == ["6", "6 → 4", "4 → 2", "2 → 0", "0"]
    assert [row[2] for row in wide.rows] == [
        *("3.05 ± 0.05", "3.05 → 2.05", "2.05 → 1.05", "1.05 → 0.05", "0.05 ± 0.05")
    ]
    assert [wide.rows[0][1], wide.rows[-1][1]] == ["0.02", "0.4"]
    assert 'id="own"' in (text := report.page.read_text())
    assert "3.05 → 2.05" in text


def test_panel_of_an_own_observable(campaign: Callable[..., Path], rows: Rows) -> None:
    trajectories = [
        [row | {"sharp$ness": row["norm"], "count": float(row["stage"])} for row in rows(seed)]
        for seed in (0, 1)
    ]
    found = find(read_records(campaign(*trajectories)))
    figure = draw_own(found.branches, found.transitions, ["count", "sharp$ness"])
    first, second = figure.axes
    assert [panel.get_ylabel() for panel in (first, second)] == ["count", "sharp$ness"]
    for panel, column in ((first, "count"), (second, "sharp$ness")):
        (points,) = [line for line in panel.lines if line.get_marker() == "o" and len(line.get_xdata()) > 2]
        np.testing.assert_allclose(
            np.array(points.get_xydata()), found.branches.select("l2", column).to_numpy()
        )
        (mean,) = [line for line in panel.lines if line.get_linestyle() == "-" and len(line.get_xdata()) > 2]
        drawn = np.array(mean.get_xydata())
        drawn = drawn[np.isfinite(drawn[:, 1])]
        expected = found.branches.group_by("l2").agg(pl.col(column).mean()).sort("l2").to_numpy()
        np.testing.assert_allclose(drawn, expected)
        assert len(panel.patches) == 3
    figure.draw_without_rendering()


@pytest.mark.parametrize("values", [None, "text"])
@pytest.mark.usefixtures("unpainted")
def test_what_is_no_number_has_no_panel(campaign: Callable[..., Path], rows: Rows, values: Any) -> None:
    folder = campaign(rows(0))
    (file,) = (folder / "records").glob("*.parquet")
    pl.read_parquet(file).with_columns(mine=pl.lit(values)).write_parquet(file)
    report = make_report(folder)
    assert "own" not in [registered.name for registered, _ in report.sections]


HOSTILE = (
    "len",
    "x",
    "x_se",
    "order",
    "error_before",
    "features",
    "status",
    "$a_b$ [bold]x[/] <b>&|",
    ":key:",
)
"""Names of columns in between, or of results, and such as are markup somewhere."""


def test_names_that_others_have_already(
    campaign: Callable[..., Path], rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever a user calls a number, all else is the same as without it."""
    plain = [rows(seed) for seed in (0, 1)]
    control = find(read_records(campaign(*plain))).transitions
    folder = campaign(*([row | dict.fromkeys(HOSTILE, 2.0 + row["seed"]) for row in each] for each in plain))
    assert main(folder) == 0
    out, page = capsys.readouterr().out, (folder / "report" / "report.html").read_text(encoding="utf-8")
    assert ":key:" in out
    found = find(read_records(folder)).transitions
    assert found.select(control.columns).equals(control)
    sides = [f"{name}_{side}" for name in HOSTILE for side in ("before", "after")]
    assert sorted({*found.columns} - {*control.columns}) == sorted(sides)
    assert (found.select(sides).to_numpy() == 2.5).all()
    assert "$a_b$ [bold]x[/] &lt;b&gt;&amp;|" in page
    assert "<b>&|" not in page


@pytest.mark.parametrize("name", ["", "_", "_gone", "*", "^x$", "error_se"])
def test_names_that_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a column"):
        RecordWriter(tmp_path / "0.parquet").append([{"point": "p", "stage": 0, name: 1.0}])
    assert not (tmp_path / "0.parquet").exists()
