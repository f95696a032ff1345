"""The report says what is in the records, draws what is said, and touches nothing else."""

import itertools
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure

from spinodal import cli, find
from spinodal.analysis import compare, find_transitions
from spinodal.errors import UserError
from spinodal.records import RecordWriter, read_records
from spinodal.report import main, make_report
from spinodal.report.sections.branches import Column, draw_branches
from spinodal.report.style import STYLE
from spinodal.theory import learned_state, spinodal

STRENGTHS = [1.0, 0.6, 0.36]
Rows = Callable[..., list[dict[str, Any]]]
Campaign = Callable[..., Path]


def figure_of(folder: Path) -> Figure:
    records = read_records(folder)
    return draw_branches([Column(records, compare(find_transitions(records), records), "")])


def styled(figure: Figure, panel: int, style: str, colour: str) -> list[np.ndarray]:
    """Data of the lines of a style and colour in a panel."""
    return [
        np.array(line.get_xydata())
        for line in figure.axes[panel].lines
        if line.get_linestyle() == style and line.get_color() == colour
    ]


def test_files_and_table(campaign: Campaign, rows: Rows, capsys: pytest.CaptureFixture[str]) -> None:
    folder = campaign(
        *(rows(seed) for seed in range(3)),
        *(rows(seed, shift=0.9, activation="tanh", width=8, bias=True) for seed in range(2)),
        rows(0, depth=2),
    )
    assert main(folder) == 0
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert max(len(line) for line in lines if "jump in E" in line or "1st" in line or "2nd" in line) <= 80
    found = [line.split() for line in lines if "1st" in line or "2nd" in line]
    expected = [(2, "2nd", 2, "1/1"), (3, "1st", 3, "3/3"), (None, "1st", 3, "2/2")]
    for depth, order, count, seeds in expected:
        some, found = found[:count], found[count:]
        assert [line[:2] for line in some] == [[str(number), order] for number in range(1, count + 1)]
        assert [("bracket" in line, line[-1]) for line in some] == [(depth is not None, seeds)] * count
        for line, at in zip(
            some, sorted(spinodal(STRENGTHS, depth))[:count] if depth else (), strict=bool(depth)
        ):
            assert abs(float(line[2]) - at) <= float(line[4])
            assert float(line[5]) == pytest.approx(at, rel=1e-4)
    assert not found
    assert "180 rows; all are stationary minima" in said

    files = {path.name for path in (folder / "report").iterdir()}
    names = ["linear-L2-L3-w16-up", "tanh-L3-w8-bias-up"]  # depths stand side by side
    expected = {f"linear_teacher-K3-{name}.{suffix}" for name in names for suffix in ("png", "pdf")}
    assert files == expected | {"transitions.csv", "report.html", "findings"}
    assert all(str(path.with_suffix("")) in said for path in (folder / "report").glob("*.png"))
    table = pl.read_csv(folder / "report" / "transitions.csv").sort(
        "activation", "depth", maintain_order=True
    )
    assert table["index"].to_list() == [1, 2, *[1, 2, 3] * 2]
    assert table["order"].to_list() == [2] * 2 + [1] * 6
    assert table["inside"].to_list() == [True] * 5 + [None] * 3


def test_rows_that_did_not_relax_are_told(
    campaign: Campaign, rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    trajectory = rows(0)
    at = next(row for row in trajectory if row["l2"] > spinodal(0.6, 3))
    at["stationary"] = False
    trajectory[3]["minimum"] = False
    trajectory[4]["minimum"] = None
    main(campaign(trajectory))
    said = capsys.readouterr().out
    assert "30 rows; not stationary: 1; saddles: 1; stationary, not looked at whether minima: 1\n" in said
    assert "*: rows that did not relax lie in between" in said


@pytest.mark.usefixtures("unpainted")
def test_what_is_missing_or_unresolved_is_told(
    campaign: Campaign, rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two transitions in neighbouring intervals cannot be told from a slope; that is said, twice."""
    main(campaign(rows(0, l2=np.array([0.01, 0.02, 0.03, 0.04, 0.08, 0.2, 0.3, 0.4, 0.5]))))
    said = capsys.readouterr().out
    assert said.count("not found") == 3
    assert "moves steeply in λ 0.04 – 0.3;" in said


def test_settings_of_matplotlib_stay(campaign: Campaign, rows: Rows) -> None:
    before = dict(matplotlib.rcParams)
    make_report(campaign(rows(0)))
    assert dict(matplotlib.rcParams) == before


@pytest.mark.usefixtures("unpainted")
def test_curves_that_look_alike_have_files_of_their_own(campaign: Campaign, rows: Rows) -> None:
    folder = campaign(rows(0, curve="a"), rows(0, curve="b"), rows(0, samples=128), rows(0, samples=256))
    report = make_report(folder)
    names = {str(network.name) for network in report.campaign.networks}
    files = {picture.path for name, picture in report.pictures if name == "branches"}
    assert len(files) == len(names) == 4


@pytest.mark.parametrize(("depth", "jumps"), [(2, 0), (3, 3)])
def test_mean_is_broken_at_jumps_only(campaign: Campaign, rows: Rows, depth: int, jumps: int) -> None:
    """Through the mean of the seeds elsewhere; not within a bracket in which seeds jump one by one."""
    seeds = [rows(seed, depth=depth, shift=1 + 0.06 * seed, activation="tanh") for seed in range(3)]
    (mean,) = styled(figure_of(campaign(*seeds)), 0, "-", "#0072B2")
    gaps = np.isnan(mean[:, 1])
    assert gaps.sum() == jumps
    everywhere = np.mean([[row["error"] for row in seed] for seed in seeds], axis=0)
    np.testing.assert_allclose(
        mean[~gaps, 1], everywhere[np.isin([r["l2"] for r in seeds[0]], mean[~gaps, 0])]
    )
    assert (len(seeds[0]) - (~gaps).sum() > 0) == (jumps > 0)


def test_exact_branch_is_drawn_as_it_is(campaign: Campaign, rows: Rows) -> None:
    figure = figure_of(campaign(rows(0)))
    for panel, column in enumerate(("error", "accuracy", "norm_squared")):
        dashed = [line for line in figure.axes[panel].lines if line.get_color() == "black"]
        curve, *spinodals = dashed
        l2, values = np.array(curve.get_xydata()).T
        drawn = np.isfinite(values)
        exact = getattr(learned_state(l2[drawn], STRENGTHS, 3), column)
        np.testing.assert_allclose(values[drawn], exact)
        assert (~drawn).sum() == 3
        np.testing.assert_allclose([line.get_xdata()[0] for line in spinodals], spinodal(STRENGTHS, 3))


@pytest.mark.parametrize(
    "change", [{"activation": "tanh"}, {"bias": True}, {"noise": 0.1}, {"task": "digits"}, {"width": 2}]
)
def test_nothing_exact_where_it_does_not_apply(
    campaign: Campaign, rows: Rows, change: dict[str, Any]
) -> None:
    figure = figure_of(campaign(rows(0, **change)))
    assert not any(line.get_color() == "black" for panel in figure.axes for line in panel.lines)
    assert "exact" not in [text.get_text() for text in figure.legends[0].get_texts()]


def test_hollow_is_what_did_not_relax(campaign: Campaign, rows: Rows) -> None:
    trajectory = rows(0)
    for i in (5, 6):
        trajectory[i]["stationary"] = False
    figure = figure_of(campaign(trajectory))
    hollow = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "white"]
    np.testing.assert_allclose(
        [point for line in hollow for point in line.get_xydata()],
        [(row["l2"], row["error"]) for row in trajectory[5:7]],
    )
    (mean,) = styled(figure, 0, "-", "#0072B2")
    assert not set(mean[:, 0]) & {row["l2"] for row in trajectory[5:7]}


@pytest.mark.parametrize(
    "l2", [[0.1], [0.1, 0.11, 0.12], [1e-6, 1e-4, 1e-2, 1.0], [0.0, 0.1, 0.2], [0.0]], ids=str
)
def test_any_grid_makes_a_figure(campaign: Campaign, rows: Rows, l2: list[float]) -> None:
    assert len(make_report(campaign(rows(0, l2=np.array(l2), quench=True))).campaign.curves) == 1


def test_a_campaign_that_says_little(campaign: Campaign) -> None:
    """Rows of a network of somebody's own, with only what cannot be missing."""
    folder = campaign(
        [
            {"point": "p", "stage": i, "stages": 9, "l2": 0.1 + i, "error": 1.0, "stationary": True}
            for i in range(9)
        ]
    )
    assert [str(curve.name) for curve in make_report(folder).campaign.curves] == ["data; network; "]


def test_mistakes(tmp_path: Path, campaign: Campaign, rows: Rows) -> None:
    with pytest.raises(UserError, match="no such campaign"):
        main(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no records"):
        main(tmp_path / "empty")
    folder = campaign(rows(0))
    (folder / "report").write_text("a file where the folder should be")
    with pytest.raises(UserError, match="cannot be written"):
        main(folder)


def test_two_processes_draw_what_one_draws(
    campaign: Campaign, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All the figures, byte by byte; and what goes wrong in either is told."""
    monkeypatch.setitem(STYLE, "savefig.dpi", 220)  # as in the other process, which knows of no test
    folder = campaign(*(rows(0, l2=np.geomspace(0.05, 0.3, 9), width=width) for width in range(4, 8)))
    files = []
    for second_process in (False, True):
        make_report(folder, second_process=second_process)
        files.append({path.name: path.read_bytes() for path in (folder / "report").glob("*.p*")})
        shutil.rmtree(folder / "report")
    assert len(files[0]) == 10  # four networks, and how they depend on the width
    assert files[0] == files[1]
    blocked = folder / "report" / f"{make_report(folder).campaign.networks[0].name.file}.pdf"
    blocked.unlink()
    blocked.mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        make_report(folder, second_process=True)


def test_a_replica_that_runs_away_is_named_and_not_drawn(
    campaign: Campaign, rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    """Up to 1e236, as steps too long lead to: figures show the others as if it were not there."""
    good = [rows(seed) for seed in range(2)]
    folder = campaign(*good)
    main(folder)
    alone = capsys.readouterr().out
    figure = next((folder / "report").glob("*-up.png")).read_bytes()
    bad = rows(7)
    for at, row in enumerate(bad[20:]):
        row |= {"error": 10.0 ** (12 + 25 * at), "norm": 1e100, "stationary": False, "minimum": None}
    campaign(*good, bad[20:])
    assert main(folder) == 0
    said = capsys.readouterr().out
    assert "1 of 3 replicas diverged" in said
    assert "1 of 3 replicas diverged" not in alone
    tables = [line for line in alone.splitlines() if "1st" in line]
    assert tables
    assert all(line in said for line in tables)
    assert next((folder / "report").glob("*-up.png")).read_bytes() == figure
    page = (folder / "report" / "report.html").read_text(encoding="utf-8")
    assert "1 of 3 replicas diverged: their rows are no evidence, and not drawn" in page
    assert f"beyond all bounds at λ = {bad[20]['l2']:.4g}, stage 20" in page


@pytest.mark.usefixtures("unpainted")
def test_what_relaxed_before_a_replica_ran_away_is_evidence(campaign: Campaign, rows: Rows) -> None:
    trajectory = rows(0)
    for row in trajectory[25:]:
        row |= {"error": float("inf"), "norm": float("nan"), "stationary": False, "minimum": None}
    report = make_report(campaign(trajectory))
    assert report.found.records.height == 25
    assert report.campaign.given_up.select("seed", "control_value").rows() == [
        (0, pytest.approx(trajectory[25]["l2"]))
    ]
    assert report.campaign.curves[0].transitions["location"].count() == 2


def test_a_campaign_of_which_all_diverged_has_a_report(
    campaign: Campaign, rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    trajectories = [rows(seed) for seed in range(2)]
    for row in (row for each in trajectories for row in each):
        row |= {"error": 1e236, "norm": float("inf"), "stationary": False, "minimum": None}
    assert main(campaign(*trajectories)) == 0
    assert "2 of 2 replicas diverged" in capsys.readouterr().out


NO_NUMBERS = [float("nan"), float("inf"), float("-inf"), None]


def holding(
    trajectories: list[list[dict[str, Any]]], values: Sequence[float | None]
) -> list[list[dict[str, Any]]]:
    """Ours and a user's own columns with values that are no numbers in turn, in some rows of them or in all."""
    value = itertools.cycle(values)
    for row in trajectories[0]:
        row |= {name: next(value) for name in ("scalar_curvature", "soft_mode", "test_accuracy")}
    for at, row in enumerate(trajectories[1]):
        row["largest_weight"] = next(value) if at % 2 else 1.0
        row["trace_hessian"] = next(value) if at % 3 else row["trace_hessian"]
    return trajectories


@pytest.mark.parametrize("values", [*([each] for each in NO_NUMBERS), NO_NUMBERS])
def test_columns_that_hold_no_numbers_are_not_known(
    campaign: Campaign, measured: Rows, capsys: pytest.CaptureFixture[str], values: list[float | None]
) -> None:
    """What is no number is null, and all else is found and drawn."""
    folder = campaign(*holding([measured(seed) for seed in range(2)], values))
    assert main(folder) == 0
    assert "diverged" not in capsys.readouterr().out
    report = make_report(folder)
    assert report.campaign.curves[0].transitions["location"].count() == 3
    unknown = read_records(campaign(*holding([measured(seed) for seed in range(2)], [None])))
    assert report.found.records.equals(find(unknown).records)


def test_residuals_from_the_exact_branch(campaign: Campaign, rows: Rows) -> None:
    """Where points lie on the exact branch, a panel shows by how much they are off."""
    moved = rows(0)
    for row in moved:
        row["error"] += 1e-5
    figure = figure_of(campaign(moved))
    assert len(figure.axes) == 4
    residuals = np.concatenate(
        [np.array(line.get_ydata()) for line in figure.axes[3].lines if len(line.get_xdata()) > 2]
    )
    np.testing.assert_allclose(residuals, 1e-5, rtol=1e-6)
    assert len(figure_of(campaign(rows(0, activation="tanh"))).axes) == 3


def test_a_second_report_of_the_same_records_draws_and_finds_nothing(
    campaign: Campaign, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = campaign(rows(0), rows(1))
    first = make_report(folder)
    page = first.page.read_bytes()
    figures = {file: file.stat().st_mtime_ns for file in first.page.parent.glob("*.p*")}

    def never(*_: object) -> None:
        raise AssertionError("found again")

    with monkeypatch.context() as patched:
        patched.setattr("spinodal.analysis.find_transitions", never)
        second = make_report(folder)
    assert second.page.read_bytes() == page
    assert {file: file.stat().st_mtime_ns for file in figures} == figures
    RecordWriter(folder / "records" / "2.parquet").append(rows(2))
    assert make_report(folder).found.transitions["seeds_all"].to_list() == [3] * 3
    assert {file: file.stat().st_mtime_ns for file in figures} != figures


def test_figures_for_a_paper(campaign: Campaign, rows: Rows) -> None:
    """In the format and width asked for, beside those of the page, which stay."""
    folder = campaign(rows(0))
    assert cli.main(["report", str(folder)]) == 0
    before = {file: file.read_bytes() for file in (folder / "report").glob("*.p*")}
    assert cli.main(["report", str(folder), "--format", "svg", "--format", "png", "--width", "86mm"]) == 0
    assert {file: file.read_bytes() for file in before} == before
    svg = next((folder / "report" / "paper").glob("*.svg")).read_text(encoding="utf-8")
    width = float(re.search(r'width="([0-9.]+)pt"', svg)[1])  # type: ignore[index]
    assert width == pytest.approx(86 / 25.4 * 72, rel=1e-3)
    assert {file.suffix for file in (folder / "report" / "paper").iterdir()} == {".svg", ".png"}


@pytest.mark.usefixtures("unpainted")
def test_mistakes_about_figures_for_a_paper(
    campaign: Campaign, rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(campaign(rows(0)))
    assert cli.main(["report", folder, "--width", "86px"]) == 2
    assert "86px: must be a length of 1 to 40 inches" in capsys.readouterr().err
    assert cli.main(["report", folder, "--claims", "--format", "svg"]) == 2
    assert (
        "report --claims: prints the verdicts and draws nothing; --curve, --wandb" in capsys.readouterr().err
    )
    assert cli.main(["report", folder, "--format", "gif"]) == 2
    assert "gif" in capsys.readouterr().err
    assert cli.main(["report", folder, "--with", "nowhere.py"]) == 2
    assert "--with nowhere.py: cannot be imported: no such Python file" in capsys.readouterr().err
