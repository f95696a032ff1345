"""The dashboard: a workspace on W&B for phase transitions, as code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws

from spinodal.analysis.curves import own_observables
from spinodal.campaign import control
from spinodal.records import COLUMN, Column, read_records
from spinodal.tracking.metrics import HELD, STEPS, SURVIVAL, TRAINED

NAME = "Phase transitions"

GROUPS = ("campaign", "curve_name")
"""Of the configuration: runs that agree in these are one line, a mean with its standard error."""

SECTIONS = {
    "Order parameters": ("error", "accuracy", "test_error", "test_accuracy", "rank", "learned_features"),
    "Norm, curvature and soft mode": (
        "norm",
        "scalar_curvature",
        "soft_mode",
        "trace_hessian",
        "hessian_min",
    ),
    "Quality of relaxation": ("grad_max", "stationary", "minimum", "saddles", "steps", "wall_time"),
}
"""Columns of the records, all drawn against the control parameter."""

TRAININGS = ("accuracy", "test_accuracy", "norm", "scalar_curvature", "soft_mode")
"""Columns that are drawn against steps, too, where networks are not relaxed."""

ONSET, COUNT, BEST = "transitions/1/control", "transitions/count", "best/test_accuracy"
"""What sums up a branch: its first transition, how many there are, and what it is good for."""


_LAMBDA = pl.DataFrame({"control": ["l2"], "control_value": [1.0]})


def workspace(entity: str, project: str, campaigns: Sequence[Path] = ()) -> ws.Workspace:
    """Return the dashboard of a project, whatever is in it: every campaign finds its place.

    Args:
        entity: Whose project it is, on W&B.
        project: Its name.
        campaigns: Folders of those whose control parameters and own columns get panels; λ > 0 by default.

    Raises:
        UserError: If one of them has no records.
    """
    records = read_records(*campaigns) if campaigns else _LAMBDA
    controls = dict(records.group_by("control").agg(pl.col("control_value").min() > 0).sort("control").rows())
    own = tuple(own_observables(records))
    columns = SECTIONS | ({"Columns of your own": own} if own and campaigns else {})
    along = {
        f"{section} against {_symbol(axis)}": [_lines(name, axis, positive) for name in names]
        for axis, positive in controls.items()
        for section, names in columns.items()
    }
    sections = {
        "Transitions": _transitions(controls),
        **along,
        "Training": [
            _lines(f"training_{name}", STEPS, False, f"training/{name}") for name in ("loss", "grad_max")
        ],
        "Training that is not relaxed": [_lines(name, TRAINED, True) for name in TRAININGS],
        "Escape under noise": [
            _curves("Fraction still in its phase", HELD, False, y=[SURVIVAL], log_y=True),
            _dots("escape_time", wr.Config("temperature"), "escape_time", log_y=True),
        ],
        "Report": _report(controls),
    }
    return ws.Workspace(
        entity=entity,
        project=project,
        name=NAME,
        sections=[
            ws.Section(
                name, panels=panels, is_open=name in ("Transitions", *along), pinned=name == "Transitions"
            )
            for name, panels in sections.items()
        ],
        settings=ws.WorkspaceSettings(x_axis=next(iter(controls)), max_runs=100),
        runset_settings=ws.RunsetSettings(groupby=[ws.Config(name) for name in GROUPS]),
        auto_generate_panels=True,  # of what is in none of these
    )


def _symbol(axis: str) -> str:
    return control.symbol({"control": axis})


def _lines(name: str, axis: str, logarithmic: bool, metric: str = "") -> wr.LinePlot:
    """Draw a column of the records, as means over the runs of a group."""
    column = COLUMN.get(name) or Column(name, pl.Float64, "", "a column of your own")
    return _curves(
        f"{name}: {column.meaning}",
        axis,
        logarithmic,
        y=[metric or name],
        log_y=column.scale == "log",
        title_y=f"{name} ({column.unit})" if column.unit not in ("", "1") else name,
        groupby_aggfunc="mean",
        groupby_rangefunc="stderr",
    )


def _curves(title: str, axis: str, logarithmic: bool, **more: Any) -> wr.LinePlot:
    return wr.LinePlot(
        title=title,
        x=axis,
        log_x=logarithmic,
        title_x=_symbol(axis),
        max_runs_to_show=100,
        smoothing_type="none",
        **more,
    )


def _dots(title: str, x: Any, y: str, **more: Any) -> wr.ScatterPlot:
    """Draw a dot for each run: W&B draws no lines across runs."""
    return wr.ScatterPlot(title=title, x=x, y=wr.SummaryMetric(y), z=wr.Config("complexity"), **more)


def _transitions(controls: Mapping[str, bool]) -> list[Any]:
    logarithmic = all(controls.values())
    axes = ("depth", "width", "complexity", "samples")
    dots = [
        _dots(f"First transition against {axis}", wr.Config(axis), ONSET, log_y=logarithmic) for axis in axes
    ]
    dots += [
        _dots(
            f"error of each quench against {_symbol(axis)}", wr.SummaryMetric(axis), "error", log_x=positive
        )
        for axis, positive in controls.items()
    ]
    bars = [
        wr.BarPlot(
            title=f"{name} of each campaign", metrics=[wr.SummaryMetric(name)], groupby=wr.Config("campaign")
        )
        for name in (ONSET, COUNT, BEST)
    ]
    asked = [wr.Config(name) for name in ("campaign", "complexity", "depth", "width", "seed")]
    columns = [wr.ParallelCoordinatesPlotColumn(each) for each in asked]
    columns += [wr.ParallelCoordinatesPlotColumn(wr.SummaryMetric(name)) for name in (ONSET, COUNT, BEST)]
    return [
        *dots,
        *bars,
        wr.ParallelCoordinatesPlot(title="What was asked for, and what came of it", columns=columns),
    ]


def _report(controls: Mapping[str, bool]) -> list[Any]:
    """What `spinodal report --wandb` adds."""
    means = [
        _curves(f"{name}: mean, and mean ± standard error", axis, positive, metric_regex=f"^{name}/")
        for axis, positive in controls.items()
        for name in ("error", "accuracy", "norm", "scalar_curvature")
    ]
    return [
        *means,
        _curves("Fraction still in its phase", HELD, False, metric_regex="^survival/", log_y=True),
        _curves(
            "Mean escape time, its 95 % interval, and Kramers'",
            "temperature",
            False,
            metric_regex="^mean_time/",
            log_y=True,
        ),
        wr.MediaBrowser(title="Figures and page of the report", media_keys=["figures", "page"]),
    ]
