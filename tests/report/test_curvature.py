"""With curvature in the records there is more to find and to draw; without, the report is what it was."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from polars.testing import assert_frame_equal

from spinodal import cli
from spinodal.analysis import deep_linear
from spinodal.analysis.findings import Findings, find
from spinodal.records import read_records
from spinodal.report import Report, make_report
from spinodal.report.names import CurveName
from spinodal.report.networks import Curve, make_networks
from spinodal.report.section import Section
from spinodal.report.sections.curvature import draw_curvature
from spinodal.report.sections.foresight import differences, draw_foresight
from spinodal.report.style import STYLE
from spinodal.theory import geometry, learned_state, spinodal

STRENGTHS = [1.0, 0.6, 0.36]
Rows = Callable[..., list[dict[str, Any]]]
Measured = Callable[..., list[dict[str, Any]]]


def curvature_figure(folder: Path) -> Figure:
    found = find(read_records(folder))
    return draw_curvature(found.branches, found.transitions, found.curvature_transitions)


def curves_of(found: Findings) -> list[Curve]:
    networks = make_networks(found.branches, found.transitions, found.unresolved)
    return [curve for network in networks for curve in network.curves]


def section_of(report: Report, name: str) -> Section:
    (content,) = [content for registered, content in report.sections if registered.name == name]
    return content


def test_files_and_tables(
    folder: Callable[..., Path],
    measured: Measured,
    rows: Rows,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    made = folder(
        *(measured(seed) for seed in range(2)),
        measured(0, depth=2),
        measured(0, activation="tanh", jitter=1e-4),
        rows(0, width=8),
    )
    assert cli.main(["report", str(made)]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert (
        max(map(len, lines[: lines.index(next(line for line in lines if line.startswith("per jump")))]))
        <= 100
    )

    report = made / "report"
    found = find(read_records(made))
    assert_frame_equal(
        pl.read_csv(report / "agreement.csv", schema_overrides=found.agreement.schema), found.agreement
    )
    assert pl.read_csv(report / "agreement.csv")["agrees"].to_list() == [True] * 9
    assert len(pl.read_csv(report / "foresight.csv")) == 2 * 3 * 5 * 4
    assert len(pl.read_csv(report / "rescaled.csv")) == 2 * 3
    figures = {"linear_teacher-K3-linear-L2-L3-w16-up", "linear_teacher-K3-tanh-L3-w16-up"}
    figures |= {
        f"linear_teacher-K3-{each}-w16-up-curvature" for each in ("linear-L2", "linear-L3", "tanh-L3")
    }
    figures |= {"linear_teacher-K3-linear-L3-w8-up", "foresight"}
    for suffix in ("png", "pdf"):
        assert figures <= {path.stem for path in report.glob(f"*.{suffix}")}
    assert all(
        f"{report / figure}.png" in out for figure in figures if figure.endswith(("curvature", "foresight"))
    )

    content = make_report(made)
    shared, scaled = section_of(content, "curvature").tables
    (group, _) = shared.groups
    cells = {tuple(row[0].split("; ")[1].split(", ")[:2]): row[1:] for row in group.rows}
    assert cells == {
        ("deep linear", "depth 2"): ("0", "0", "0"),
        ("deep linear", "depth 3"): ("6", "6", "6"),
        ("tanh", "depth 3"): ("3", "3", "3"),
    }
    assert [len(row) for group in scaled.groups for row in group.rows] == [4, 4]
    captions = [picture.caption for picture in section_of(content, "curvature").pictures]
    assert [caption.split()[0] for caption in captions] == ["Neither", "6/6", "3/3"]

    (table,) = section_of(content, "foresight").tables
    assert [column.title for column in table.columns] == ["jump", "soft mode", "R", "tr ∇²E", "‖θ‖", "E"]
    linear, tanh = (group.rows for group in table.shown)
    assert [row[0] for row in (*linear, *tanh)] == ["1", "2", "3"] * 2
    for row in linear:
        assert (
            -6 < float(row[1].split()[0].replace("−", "-")) < 0
        )  # the soft mode, from the phase up to 0.95 λ_jump
    assert [row[1] for row in tanh] == ["none"] * 3  # a constant soft mode
    for row in (*linear, *tanh):
        assert str(row[4]) in out


@pytest.mark.usefixtures("unpainted")
def test_the_pages_figures_show_the_curves_that_verdicts_lead_to(
    folder: Callable[..., Path], measured: Measured
) -> None:
    report = make_report(folder(*(measured(seed) for seed in range(2))))
    verdicts = [each for each in report.found.verdicts if each.claim == "curvature"]
    assert [each.section for each in verdicts] == ["curvature", "foresight", "foresight"]
    for each in verdicts:
        assert any(name == each.section and each.curve in picture.shows for name, picture in report.pictures)


def test_the_same_records_make_the_same_report(folder: Callable[..., Path], measured: Measured) -> None:
    made = folder(measured(0))

    def files() -> dict[str, bytes]:
        make_report(made)
        return {path.name: path.read_bytes() for path in (made / "report").iterdir() if path.is_file()}

    first = files()
    assert files() == first
    shutil.rmtree(made / "report" / "findings")
    assert files() == first


def test_curvature_figure_shows_what_was_measured(folder: Callable[..., Path], measured: Measured) -> None:
    trajectory = measured(0, error=0.25)
    figure = curvature_figure(folder(trajectory))
    for panel, column in enumerate(("error", "norm", "scalar_curvature", "trace_hessian", "soft_mode")):
        points = [line for line in figure.axes[panel].lines if line.get_marker() == "o"]
        drawn = np.concatenate([np.array(line.get_xydata()) for line in points])
        expected = [(row["l2"], row[column]) for row in trajectory if row[column] is not None]
        np.testing.assert_allclose(drawn, expected)
        assert len(figure.axes[panel].containers) == (column in ("scalar_curvature", "trace_hessian"))
    (bars,) = figure.axes[2].collections[-1:]
    heights = [np.ptp(segment[:, 1]) for segment in bars.get_segments()]
    np.testing.assert_allclose(heights, 0.5)


def test_both_kinds_of_jumps_are_marked(folder: Callable[..., Path], measured: Measured) -> None:
    """Where R jumps elsewhere than E, its marks are elsewhere than the bands."""
    trajectory = measured(0, activation="tanh")
    for row in trajectory:
        row["scalar_curvature"] = 5.0 if row["l2"] < 0.1 else 1.0
    panel = curvature_figure(folder(trajectory)).axes[2]
    (triangles,) = [line for line in panel.lines if line.get_marker() == "v"]
    assert np.asarray(triangles.get_xdata()) == pytest.approx([0.1], rel=0.05)
    bands = sorted(patch.get_x() for patch in panel.patches)
    assert len(bands) == 3
    assert all(low < at for low, at in zip(bands, sorted(spinodal(STRENGTHS, 3)), strict=True))


@pytest.mark.parametrize("depth", [2, 3])
def test_exact_soft_mode_is_drawn(folder: Callable[..., Path], measured: Measured, depth: int) -> None:
    figure = curvature_figure(folder(measured(0, depth=depth)))
    (curve,) = [
        np.array(line.get_xydata())
        for line in figure.axes[4].lines
        if line.get_color() == "black" and len(np.array(line.get_xydata())) > 2
    ]
    l2, values = curve[np.isfinite(curve[:, 1])].T
    exact = deep_linear(pl.DataFrame(measured(0, depth=depth)))
    assert exact is not None
    np.testing.assert_allclose(values, exact.soft_mode(l2))
    assert (values > -1e-5).all()
    gaps = np.isnan(curve[:, 1])
    assert gaps.any()


def test_exact_curvature_is_drawn_where_the_sizes_are_known(
    folder: Callable[..., Path], measured: Measured
) -> None:
    sizes = (5, 16, 16, 4)
    figure = curvature_figure(folder(measured(0, input_dim=5, output_dim=4)))
    for panel, column in ((2, "curvature"), (3, "trace")):
        l2, values = np.array(
            max(
                (line.get_xydata() for line in figure.axes[panel].lines if line.get_color() == "black"),
                key=len,
            )
        ).T
        drawn = np.isfinite(values)
        exact = geometry(learned_state(l2[drawn], STRENGTHS, 3).amplitudes, STRENGTHS, sizes)
        np.testing.assert_allclose(values[drawn], getattr(exact, column))
        assert drawn.sum() > 100


def fonts(figure: Figure) -> list[float]:
    """Points of all letters of a figure that has been laid out."""
    with rc_context(STYLE):
        figure.draw_without_rendering()
    return [text.get_fontsize() for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


def test_foresight_figure(folder: Callable[..., Path], measured: Measured) -> None:
    found = find(
        read_records(folder(measured(0), *(measured(s, activation="tanh", width=8) for s in range(2))))
    )
    figure = draw_foresight(found.foresight, found.before_onset, curves_of(found))
    first, second, curvature, soft_mode = figure.axes
    crosses = [sum(line.get_marker() == "x" for line in panel.lines) for panel in (first, second)]
    none = [found.foresight.filter(activation=name, seeds=0).height for name in ("linear", "tanh")]
    assert crosses == none
    made = found.foresight.filter(pl.col("seeds") > 0, activation="linear")
    heights = [container.lines[0].get_ydata()[0] for container in first.containers]
    np.testing.assert_allclose(sorted(heights), made["deviation"].sort())
    share, relative = soft_mode.lines[0].get_data()
    assert relative[0] == 1
    assert 0.5 < share[0] < share[-1] < 1
    assert len([line for line in curvature.lines if len(line.get_xdata()) > 2]) == 2 * 3
    assert [panel.get_title() for panel in (first, second)] == ["deep linear, width 16", "tanh, width 8"]


@pytest.mark.parametrize(("count", "in_rows"), [(1, [1]), (3, [3]), (4, [2, 2]), (5, [3, 2]), (7, [3, 2, 2])])
def test_panels_of_foresight_fill_their_rows_and_can_be_read(
    folder: Callable[..., Path], measured: Measured, count: int, in_rows: list[int]
) -> None:
    found = find(read_records(folder(*(measured(0, width=2 + width) for width in range(count)))))
    figure = draw_foresight(found.foresight, found.before_onset, curves_of(found))
    assert figure.get_size_inches()[0] <= 7.6
    assert min(fonts(figure)) >= 9
    panels: list[Axes] = figure.axes[:count]
    heights = [round(panel.get_position().y0, 3) for panel in panels]
    assert [heights.count(at) for at in sorted(set(heights), reverse=True)] == in_rows
    lefts = {round(panel.get_position().x0, 2) for panel in panels}
    assert min(lefts) < 0.2
    for at in set(heights):
        right = max(panel.get_position().x1 for panel in panels if round(panel.get_position().y0, 3) == at)
        assert right > 0.95
    upper, lower = figure.subfigs
    labels = [text.get_text() for text in upper.legends[0].get_texts()]
    assert labels == ["soft mode", "$R$", r"$\mathrm{tr}\,\nabla^2 E$", r"$\Vert\theta\Vert$", "$E$"]
    units = [text.get_text() for text in figure.axes[-2].get_legend().get_texts()]
    assert units == ["$c = 0.1$", "$c = 1$", "$c = 10$"]
    assert len(lower.legends) == (count > 1)


def test_names_of_curves_are_what_they_do_not_share() -> None:
    names = [CurveName("teacher, K = 3", f"deep linear, width {w}", "up", "f") for w in (6, 12)]
    assert differences(names) == ["width 6", "width 12"]
    assert differences(names[:1]) == [""]


def test_no_figure_of_curvature_has_a_title(folder: Callable[..., Path], measured: Measured) -> None:
    assert curvature_figure(folder(measured(0))).get_suptitle() == ""


@pytest.mark.usefixtures("unpainted")
def test_without_curvature_no_section_is_about_it(
    folder: Callable[..., Path], rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    made = folder([row | {"scalar_curvature": None} for row in rows(0)])
    cli.main(["report", str(made)])
    files = {path.name for path in (made / "report").iterdir() if path.is_file()}
    figure = "linear_teacher-K3-linear-L3-w16-up"
    assert files == {"transitions.csv", "report.html", f"{figure}.png", f"{figure}.pdf"}
    assert "agree" not in capsys.readouterr().out


@pytest.mark.usefixtures("unpainted")
def test_curvature_alone_without_its_pieces(folder: Callable[..., Path], rows: Rows) -> None:
    """Records with R alone get what can be made of it."""
    trajectory = [
        row | {"scalar_curvature": row["norm"] ** 2} for row in rows(0, l2=np.geomspace(0.02, 0.4, 60))
    ]
    report = make_report(folder(trajectory))
    shared, scaled = section_of(report, "curvature").tables
    assert len(shared) == 1
    assert len(scaled) == 0
    assert len(report.found.agreement) == 3
    assert report.found.rescaled.is_empty()
