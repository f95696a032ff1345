"""What W&B is told of a campaign: a function of its records, so that a rebuilt mirror equals the first one."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from spinodal.analysis import deep_linear, evidence
from spinodal.campaign import control, own_values, with_values
from spinodal.records import IDENTITY, MEASURED_TASK, OBSERVED, PROVENANCE, SETTINGS, TRAINING
from spinodal.tracking.survival import HELD, survival

SCIENCE = ("data", "model", "optimizer", "protocol", "relaxation", "callbacks")
"""The parts of a job's configuration that its runs have, too."""

STEPS = "training/steps"
"""The axis of the training curves: gradients spent since the branch began."""

TRAINED = "trained_steps"
"""The axis of all else where networks are not relaxed."""

AXES = (HELD, TRAINED, "temperature", "batch")
"""What else is drawn against the first of these that is in its row, or else against the control parameter."""

STRENGTHS = {"temperature": "T=", "batch": "B="}
"""Columns with the strength of the noise under which a branch is held, and what they are called."""

History = Mapping[Hashable, Sequence[dict[str, Any]]]
"""What is logged, stage by stage; each stage is logged once."""


@dataclass(frozen=True)
class Run:
    """One run on W&B: a branch of a replica, or the means of a job.

    Attributes:
        id: The same whenever the same points of a campaign are told of.
        name: For people.
        group: The campaign.
        job_type: replica, job or report.
        tags: For filters.
        config: What was asked for, with what it was computed, and what was predicted.
        history: Training curves against `STEPS`, all else against the first key of its row.
        summary: Besides the last values, which W&B adds itself.
        complete: Whether every stage is there.
    """

    id: str
    name: str
    group: str
    job_type: str
    tags: tuple[str, ...]
    config: dict[str, Any]
    history: History
    summary: dict[str, Any]
    complete: bool


def replica_runs(table: pl.DataFrame, configuration: Mapping[str, Any]) -> list[Run]:
    """A run for every branch of every replica: W&B groups runs, and a loop has two branches.

    Args:
        table: Records of one job.
        configuration: The job's, resolved, in plain containers.
    """
    return [
        _replica(_along(branch), configuration, _complete(point))
        for point in table.partition_by("point", maintain_order=True)
        for branch in point.partition_by("branch", maintain_order=True)
    ]


def job_runs(table: pl.DataFrame, configuration: Mapping[str, Any]) -> list[Run]:
    """A run for every branch of a job, at every strength of noise: means over its replicas.

    Args:
        table: Records of one job.
        configuration: The job's, resolved, in plain containers.
    """
    complete = all(_complete(point) for point in table.partition_by("point"))
    return [
        _job(_along(branch), configuration, complete)
        for branch in table.partition_by("curve", "branch", *STRENGTHS, maintain_order=True)
    ]


def axis_of(metric: str, row: Mapping[str, Any]) -> str:
    """What a metric is drawn against.

    Args:
        metric: Its name.
        row: In which it is logged.
    """
    return next(name for name in row if name.startswith("training/") == metric.startswith("training/"))


def finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """What there is to draw: what is not known, or not a number, is left out."""
    return {
        name: value
        for name, value in values.items()
        if value is not None and not (isinstance(value, float) and not math.isfinite(value))
    }


def identity(*parts: str) -> str:
    """Six hexadecimal digits: in one project, equal points of two campaigns are two runs."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:6]


def means(rows: pl.DataFrame) -> pl.DataFrame:
    """Means over replicas at each λ: of those that are minima, with standard errors `_se`.

    Of networks that were trained for a number of steps: at each of these, and of all, since none is relaxed.

    Args:
        rows: Of one branch.

    Returns:
        A row for each λ, in the order of `rows`: `control_value`, how many `replicas` and `minima` there are, the
        means.
    """
    numeric = [name for name in OBSERVED if rows.schema[name].is_numeric() and not name.endswith("_se")]
    columns = [name for name in numeric if name not in {"control_value", "stage", TRAINED}]
    trained = rows[TRAINED].is_not_null().any()
    told = pl.col(columns).cast(pl.Float64).filter(evidence() | pl.col(TRAINED).is_not_null())
    place = ["control_value", *([TRAINED] if trained else [])]
    # A seed that was there on several ways counts once.
    seeds = rows.group_by(*place, "seed", maintain_order=True).agg(
        evidence().any().alias("_minimum"), told.mean()
    )
    each = pl.col(columns)
    return seeds.group_by(place, maintain_order=True).agg(
        pl.len().alias("replicas"),
        pl.col("_minimum").sum().alias("minima"),
        each.mean(),
        (each.std() / each.count().sqrt()).name.suffix("_se"),
    )


def _complete(point: pl.DataFrame) -> bool:
    stages = point["stages"].drop_nulls().to_list()
    return bool(stages) and point["stage"].n_unique() >= max(stages)


def _along(branch: pl.DataFrame) -> pl.DataFrame:
    """The rows in the order of the path: those that bisect a jump have their place in it, too."""
    return branch.sort("control_value", "stage", descending=[branch["branch"][0] == "down", False])


def _replica(rows: pl.DataFrame, configuration: Mapping[str, Any], complete: bool) -> Run:
    first = rows.row(0, named=True)
    branch = first["branch"] or ""
    return Run(
        id="-".join(filter(None, (first["point"], branch, identity(first["campaign"] or "")))),
        name=f"{_name(first, _path(rows, configuration))} seed {first['seed']}",
        group=first["campaign"] or "",
        job_type="replica",
        tags=_tags(first),
        config=_config(rows, configuration),
        history=_history(rows),
        summary={
            "complete": complete,
            "rows": len(rows),
            "minima": len(rows.filter(evidence())),
        },
        complete=complete,
    )


def _job(rows: pl.DataFrame, configuration: Mapping[str, Any], complete: bool) -> Run:
    first = rows.row(0, named=True)
    branch, replicas = first["branch"] or "", rows["point"].n_unique()
    there = means(rows)
    if not (complete or first["stages"] == 1):
        # What is logged once is never taken back: of a path, only means of all replicas are.
        there = there.filter(pl.col("replicas") >= replicas)
    left = survival(rows) if complete else []
    seeds = rows["seed"].n_unique()
    config = _config(rows, configuration) | {control.name(first): _grid(rows, configuration)}
    return Run(
        id="-".join(
            filter(
                None,
                (first["job"], first["curve"], branch, *_strength(first), identity(first["campaign"] or "")),
            )
        ),
        name=f"{_name(first, _grid(rows, configuration))} {seeds} seed{'s' * (seeds != 1)}",
        group=first["campaign"] or "",
        job_type="job",
        tags=_tags(first),
        config={name: value for name, value in config.items() if name not in {"point", "seed"}}
        | {"seeds": sorted(rows["seed"].unique().drop_nulls())},
        history={
            (row["control_value"], row[TRAINED]) if TRAINED in row else row["control_value"]: [
                _placed(row, control.name(first))
            ]
            for row in there.iter_rows(named=True)
        }
        | ({"survival": left} if left else {}),
        summary={"complete": complete, "rows": len(rows), "minima": len(rows.filter(evidence()))},
        complete=complete,
    )


def _history(rows: pl.DataFrame) -> History:
    """Of a replica: what each stage measured, after the way there; where that ends, in one row: each costs its time."""
    history, spent = {}, 0
    for row in rows.iter_rows(named=True):
        moments = zip(*(row[name] or () for name in TRAINING), strict=True)
        way = [
            {STEPS: spent + steps} | finite({"training/loss": loss, "training/grad_max": grad_max})
            for steps, loss, grad_max in moments
        ]
        history[row["stage"]] = [*way[:-1], (way[-1] if way else {}) | _observed(row)]
        spent += row["steps"] or 0
    return history


def _observed(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a row says of its stage; W&B draws numbers only, and no lists."""
    told: dict[str, Any] = {}
    for name in OBSERVED:
        match row[name]:
            case bool() as value:
                told[name] = int(value)
            case list() as values:
                told |= {f"{name}/{place}": value for place, value in enumerate(values, start=1)}
            case value:
                told[name] = value
    return _placed(told, control.name(row))


def _placed(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What there is of a row, with the control parameter under its name, and first what the row is drawn against."""
    known = finite({**row, name: row["control_value"]})
    del known["control_value"]
    axis = next((each for each in AXES if each in known), name)
    return {axis: known[axis], **known}


def _config(rows: pl.DataFrame, configuration: Mapping[str, Any]) -> dict[str, Any]:
    first = rows.row(0, named=True)
    columns = (*IDENTITY, *SETTINGS, *MEASURED_TASK, *PROVENANCE)
    config = {section: configuration[section] for section in SCIENCE if section in configuration}
    own = {key: first[key.partition(".")[2]] for key in own_values(config)}
    config = with_values(config, {key: value for key, value in own.items() if value is not None})
    config |= {name: first[name] for name in columns if first[name] is not None}
    config[control.name(first)] = _path(rows, configuration)
    exact = deep_linear(rows)
    if exact is not None:
        config["predicted"] = {"spinodal": exact.spinodals.tolist()}
        if exact.depth > 2:
            config["predicted"]["coexistence"] = exact.coexistences.tolist()
    return config


def _path(rows: pl.DataFrame, configuration: Mapping[str, Any]) -> float | list[float]:
    """λ of a replica as asked for: bisection adds to it."""
    return float(rows["control_value"][0]) if rows["stages"][0] == 1 else _grid(rows, configuration)


def _grid(rows: pl.DataFrame, configuration: Mapping[str, Any]) -> list[float]:
    asked = configuration.get(control.name(rows.row(0, named=True)))
    return sorted(asked if isinstance(asked, list) else rows["control_value"].unique())


def _name(row: Mapping[str, Any], values: float | list[float]) -> str:
    """As in K=3 L=3 λ=0.05 up."""
    low, high = (values, values) if isinstance(values, float) else (values[0], values[-1])
    parts = [
        f"K={row['complexity']}" if row["complexity"] is not None else "",
        f"L={row['depth']}" if row["depth"] is not None else "",
        f"{control.symbol(row)}={low:.4g}" if low == high else f"{control.symbol(row)}={low:.4g}…{high:.4g}",
        *_strength(row),
        row["branch"] or "",
    ]
    return " ".join(filter(None, parts))


def _strength(row: Mapping[str, Any]) -> list[str]:
    return [f"{label}{row[name]:g}" for name, label in STRENGTHS.items() if row[name] is not None]


def _tags(row: Mapping[str, Any]) -> tuple[str, ...]:
    labels = {
        "task": "",
        "network": "",
        "activation": "",
        "branch": "",
        "complexity": "K=",
        "depth": "L=",
        "width": "width ",
    }
    return tuple(f"{label}{row[name]}"[:64] for name, label in labels.items() if row[name] is not None)
