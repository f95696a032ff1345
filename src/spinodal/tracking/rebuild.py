"""The W&B side of a campaign again, from its records alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import yaml  # type: ignore[import-untyped]

from spinodal.records import read_records
from spinodal.tracking.runs import Run, job_runs, replica_runs
from spinodal.tracking.session import Session

REBUILT = "rebuilt"
"""Folder of a campaign in which the runs made again are: never among those of its jobs."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def recorded_runs(campaign: Path) -> Iterator[tuple[Run, Mapping[str, Any]]]:
    """Every run that the records of a campaign tell of, with what its job was told of logging.

    Args:
        campaign: Its folder.

    Raises:
        UserError: If it has no records.
    """
    table = read_records(campaign)
    # A point belongs to one job, even if another has begun it, too.
    owned = table.with_columns(pl.col("job").first().over("point").alias("_owner"))
    for rows in owned.partition_by("_owner", maintain_order=True):
        job = rows["_owner"][0]
        configuration = _configuration(campaign / "records" / f"{job}.yaml")
        logging = configuration.get("logger") or {}
        runs = job_runs if logging.get("unit") == "job" else replica_runs
        for run in runs(rows, configuration):
            yield run, logging


def logging_of(campaign: Path) -> Mapping[str, Any]:
    """What the first job of a campaign was told of logging; nothing if it was told nothing."""
    for path in sorted((campaign / "records").glob("*.yaml")):
        if logging := _configuration(path).get("logger"):
            return dict(logging)
    return {}


def rebuild(
    campaign: Path,
    project: str | None = None,
    entity: str | None = None,
    advance: Callable[[], None] = lambda: None,
) -> int:
    """Write every run of a campaign again, offline, in the place of what was rebuilt before.

    Args:
        campaign: Its folder.
        project: Instead of each job's own.
        entity: Likewise.
        advance: Is called after each run.

    Returns:
        How many there are.

    Raises:
        UserError: If the campaign has no records.
    """
    runs = list(recorded_runs(campaign))
    folder = campaign / REBUILT
    shutil.rmtree(folder, ignore_errors=True)
    for run, logging in runs:
        session = Session(
            folder, project or logging.get("project") or "spinodal", entity or logging.get("entity")
        )
        session.write(run, "finished" if run.complete else "interrupted")
        session.settle()
        advance()
    return len(runs)


def _configuration(path: Path) -> dict[str, Any]:
    """A job's, beside its records; without it a run is told without what was asked for."""
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
    except FileNotFoundError:
        return {}
    return found if isinstance(found, dict) else {}
