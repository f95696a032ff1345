"""The dashboard: a workspace on W&B for phase transitions, as code."""

from __future__ import annotations

from typing import Any

import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws

from spinodal.records import COLUMN
from spinodal.tracking.runs import STEPS, TRAINED
from spinodal.tracking.survival import HELD, SURVIVAL

NAME = "Phase transitions"

SECTIONS = {
    "Order parameters against λ": ("error", "accuracy", "test_error", "test_accuracy"),
    "Norm, curvature and soft mode against λ": (
        *("norm", "scalar_curvature", "soft_mode", "trace_hessian", "hessian_min", "learned_features"),
    ),
    "Quality of relaxation": ("grad_max", "stationary", "minimum", "saddles", "steps", "wall_time"),
}
"""Columns of the records, all drawn against λ."""

TRAININGS = (("accuracy", "test_accuracy"), ("norm",), ("scalar_curvature",), ("soft_mode",))
"""Columns of a panel each, drawn against steps where networks are not relaxed."""


def workspace(entity: str, project: str) -> ws.Workspace:
    """The dashboard of a project, whatever is in it: every campaign finds its place.

    Runs are grouped by complexity and branch, so that lines are means over seeds with their standard errors.

    Args:
        entity: Whose project it is, on W&B.
        project: Its name.
    """
    sections = [
        ws.Section(name, panels=[_against_l2(column) for column in columns], is_open=True, pinned=not place)
        for place, (name, columns) in enumerate(SECTIONS.items())
    ]
    sections[0].panels.append(_quenches())
    return ws.Workspace(
        entity=entity,
        project=project,
        name=NAME,
        sections=[
            *sections[:2],
            ws.Section("Grid", panels=[_grid()], is_open=True),
            sections[2],
            ws.Section("Training", panels=[_training("loss"), _training("grad_max")]),
            ws.Section("Training that is not relaxed", panels=[_trained(*columns) for columns in TRAININGS]),
            ws.Section("Escape under noise", panels=_escape()),
            ws.Section("Report", panels=_report()),
        ],
        settings=ws.WorkspaceSettings(x_axis="l2", max_runs=100),
        runset_settings=ws.RunsetSettings(groupby=[ws.Config("complexity"), ws.Config("branch")]),
    )


def _against_l2(column: str) -> wr.LinePlot:
    meaning, unit = COLUMN[column].meaning, COLUMN[column].unit
    return wr.LinePlot(
        title=f"{column}: {meaning}",
        x="l2",
        y=[column],
        log_x=True,
        log_y=COLUMN[column].scale == "log",
        title_x="λ",
        title_y=f"{column} ({unit})" if unit not in ("", "1") else column,
        groupby_aggfunc="mean",
        groupby_rangefunc="stderr",
        smoothing_type="none",
        max_runs_to_show=100,
    )


def _quenches() -> wr.ScatterPlot:
    """A quench is a run for each λ, and W&B draws no lines across runs."""
    return wr.ScatterPlot(
        title="error at the last λ of each run",
        x=wr.SummaryMetric("l2"),
        y=wr.SummaryMetric("error"),
        z=wr.Config("complexity"),
        log_x=True,
    )


def _grid() -> wr.ParallelCoordinatesPlot:
    columns: dict[str, Any] = {
        "λ": wr.SummaryMetric("l2"),
        "K": wr.Config("complexity"),
        "depth": wr.Config("depth"),
        "seed": wr.Config("seed"),
        "error": wr.SummaryMetric("error"),
    }
    return wr.ParallelCoordinatesPlot(
        title="What was asked for, and the error at its last λ",
        columns=[
            wr.ParallelCoordinatesPlotColumn(metric, display_name=name, log=name == "λ")
            for name, metric in columns.items()
        ],
    )


def _training(name: str) -> wr.LinePlot:
    return wr.LinePlot(
        title=COLUMN[f"training_{name}"].meaning,
        x=STEPS,
        y=[f"training/{name}"],
        log_y=True,
        title_x="gradients",
        title_y=name,
        max_runs_to_show=100,
    )


def _trained(*columns: str) -> wr.LinePlot:
    return wr.LinePlot(
        title="; ".join(COLUMN[column].meaning for column in columns),
        x=TRAINED,
        y=list(columns),
        log_x=True,
        title_x="steps",
        title_y=", ".join(columns),
        max_runs_to_show=100,
    )


def _escape() -> list[Any]:
    """First passages: a curve for each strength of the noise, or a dot for each replica that is a run."""
    unit = COLUMN["escape_time"].unit
    return [
        wr.LinePlot(
            title="Fraction still in its phase",
            x=HELD,
            y=[SURVIVAL],
            log_y=True,
            title_x=f"time ({unit})",
            max_runs_to_show=100,
        ),
        wr.ScatterPlot(
            title=f"escape_time ({unit}): {COLUMN['escape_time'].meaning}",
            x=wr.Config("temperature"),
            y=wr.SummaryMetric("escape_time"),
            z=wr.SummaryMetric("escaped"),
            log_y=True,
        ),
    ]


def _report() -> list[Any]:
    """What `spinodal report --wandb` adds: mean curves with their bands, survival, and the page."""
    return [
        *(
            wr.LinePlot(
                title=f"{name}: mean, and mean ± standard error", x="l2", metric_regex=f"^{name}/", log_x=True
            )
            for name in ("error", "accuracy", "norm", "scalar_curvature")
        ),
        wr.LinePlot(
            title="Fraction still in its phase", x=HELD, metric_regex="^survival/", log_y=True, title_x="time"
        ),
        wr.LinePlot(
            title="Mean escape time, its 95 % interval, and Kramers'",
            x="temperature",
            metric_regex="^mean_time/",
            log_y=True,
            title_x="T",
        ),
        wr.MediaBrowser(
            title="Figures, phase diagram and page of the report", media_keys=["figures", "phases", "page"]
        ),
    ]
