"""With curvature in the records there is more to say and to draw; without, the report is what it was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure

from spinodal.analysis import CURVE, before_onset, compare, deep_linear, find_transitions, foresight
from spinodal.records import read_records
from spinodal.report import main, make_report
from spinodal.report.curvature_figure import draw_curvature
from spinodal.report.foresight_figure import draw_foresight
from spinodal.report.names import CurveName
from spinodal.theory import geometry, learned_state, spinodal

STRENGTHS = [1.0, 0.6, 0.36]
Rows = Callable[..., list[dict[str, Any]]]
Measured = Callable[..., list[dict[str, Any]]]


def curvature_figure(folder: Path) -> Figure:
    records = read_records(folder)
    transitions = compare(find_transitions(records), records)
    from_curvature = find_transitions(records, "scalar_curvature")
    return draw_curvature(records, transitions, from_curvature, CurveName("d", "m", "up", "f"))


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
    assert main(made) == 0
    said = capsys.readouterr().out
    lines = said.splitlines()
    tables = lines[: next(i for i, line in enumerate(lines) if line.startswith("exact λ_sp:"))]
    assert max(map(len, tables)) <= 100
    assert [line.split()[0] for line in lines if "jumps agree" in line] == ["6/6", "3/3"]
    assert said.count("neither E nor R jumps") == 1
    numbered = [line.split() for line in lines if line.split()[:1] in (["1"], ["2"], ["3"])]
    predictions = [line for line in numbered if line[1] not in ("1st", "2nd", "?")]
    assert [line[0] for line in predictions] == ["1", "2", "3"] * 2
    for line in predictions[:3]:
        assert -6 < float(line[1]) < 0  # the soft mode, from the phase up to 0.95 λ_jump
    assert [line[1] for line in predictions[3:]] == ["none"] * 3  # a constant soft mode

    report = made / "report"
    files = {path.name for path in report.iterdir()}
    curves = ["linear-L2-w16", "linear-L3-w16", "tanh-L3-w16", "linear-L3-w8"]
    figures = [f"linear_teacher-K3-{curve}-up" for curve in curves]
    figures += [f"{figure}-curvature" for figure in figures[:3]] + ["foresight"]
    csvs = {"transitions.csv", "agreement.csv", "foresight.csv", "rescaled.csv"}
    assert files == csvs | {"report.html"} | {
        f"{figure}.{suffix}" for figure in figures for suffix in ("png", "pdf")
    }
    assert all(str(report / name.removesuffix(".pdf")) in said for name in files)
    assert pl.read_csv(report / "agreement.csv")["agrees"].to_list() == [True] * 9
    foreseen = pl.read_csv(report / "foresight.csv")
    assert len(foreseen) == 2 * 3 * 5 * 4
    assert len(pl.read_csv(report / "rescaled.csv")) == 2 * 3


def test_the_same_records_make_the_same_report(folder: Callable[..., Path], measured: Measured) -> None:
    made = folder(measured(0))
    make_report(made)
    first = {path.name: path.read_bytes() for path in (made / "report").iterdir()}
    make_report(made)
    assert {path.name: path.read_bytes() for path in (made / "report").iterdir()} == first


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


def test_foresight_figure(folder: Callable[..., Path], measured: Measured) -> None:
    records = read_records(folder(measured(0), *(measured(s, activation="tanh", width=8) for s in range(2))))
    transitions = compare(find_transitions(records), records)
    identities = records.select(CURVE).unique().sort(CURVE)
    names = [(identities[i], CurveName("d", f"m{i}", "up", "f")) for i in range(2)]
    foreseen = foresight(records, transitions)
    figure = draw_foresight(foreseen, before_onset(records, transitions), transitions, names)
    first, second, curvature, soft_mode = figure.axes
    crosses = [sum(line.get_marker() == "x" for line in panel.lines) for panel in (first, second)]
    none = [foreseen.filter(activation=name, seeds=0).height for name in ("linear", "tanh")]
    assert crosses == none
    made = foreseen.filter(pl.col("seeds") > 0, activation="linear")
    heights = [container.lines[0].get_ydata()[0] for container in first.containers]
    np.testing.assert_allclose(sorted(heights), made["deviation"].sort())
    share, relative = soft_mode.lines[0].get_data()
    assert relative[0] == 1
    assert 0.5 < share[0] < share[-1] < 1
    assert len([line for line in curvature.lines if len(line.get_xdata()) > 2]) == 2 * 3


def test_without_curvature_nothing_is_said_of_it(
    folder: Callable[..., Path], rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    made = folder([row | {"scalar_curvature": None} for row in rows(0)])
    main(made)
    assert len(list((made / "report").iterdir())) == 4
    assert "agree" not in capsys.readouterr().out


def test_curvature_alone_without_its_pieces(folder: Callable[..., Path], rows: Rows) -> None:
    """Whoever records only R gets what can be made of it."""
    trajectory = [
        row | {"scalar_curvature": row["norm"] ** 2} for row in rows(0, l2=np.geomspace(0.02, 0.4, 60))
    ]
    made = folder(trajectory)
    report = make_report(made).curvature
    assert report is not None
    assert len(report.curves) == 1
    assert len(report.curves[0].agreement) == 3
    assert report.curves[0].rescaled.is_empty()
