"""What W&B is told of a campaign: a function of its records, so that a rebuilt mirror equals the first one."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal

import polars as pl

from spinodal.analysis import CURVE, deep_linear, evidence
from spinodal.analysis.findings import find
from spinodal.campaign import control, own_values, with_values
from spinodal.records import IDENTITY, MEASURED_TASK, PROVENANCE, SETTINGS
from spinodal.tracking.jobs import Job
from spinodal.tracking.metrics import SURVIVAL, TRAINED, finite, means, placed, stages, survival
from spinodal.tracking.naming import curve_name, run_name, strength, tags_of

APART = {"logger", "paths", "seed"}
"""Keys of a job's configuration that its runs do not have."""

BEST = {"error": min, "accuracy": max, "test_error": min, "test_accuracy": max}
"""Columns whose best values sum up a branch, and which those are."""

FOUND = ("order", "location", "location_error", "jump", "jump_error")
"""What sums up a transition, as `find_transitions` calls it."""

Outcome = Literal["finished", "failed", "interrupted"]

History = Mapping[Any, Sequence[dict[str, Any]]]
"""What is logged, stage by stage; each stage is logged once."""


class Run(ABC):
    """One run on W&B.

    Args:
        rows: Of the records, in the order of the path.
        job: That computed them.
        complete: Whether every stage is there.
    """

    job_type: ClassVar[str]
    id: str
    """The same whenever the same points of a campaign are told of."""
    name: str
    """For people."""

    def __init__(self, rows: pl.DataFrame, job: Job, complete: bool) -> None:
        self.rows, self.job, self.logger, self.complete = rows, job, job.logger, complete
        self.first: dict[str, Any] = rows.row(0, named=True)
        self.points: list[str] = rows["point"].unique(maintain_order=True).to_list()
        self.group = self.logger.get("group") or self.first["campaign"] or ""
        self.tags = tags_of(self.first, self.logger.get("tags") or ())

    @property
    @abstractmethod
    def history(self) -> History:
        """Training curves against `STEPS`, all else against the first key of its row."""

    @property
    def running(self) -> bool:
        """Whether a process computes it."""
        return self.job.origin.running(self.job.name, self.points)

    @property
    def outcome(self) -> Outcome:
        """How it has ended, if it has."""
        return "finished" if self.complete else self.job.origin.outcome(self.job.name, self.points)

    @property
    def media(self) -> dict[str, Any]:
        """Tables, pictures and pages."""
        return {}

    @property
    def along(self) -> bool:
        """Whether it leads through several values of the control parameter, of which the last sums up nothing."""
        return self.rows[TRAINED].null_count() > 0 and self.rows["control_value"].n_unique() > 1

    @cached_property
    def config(self) -> dict[str, Any]:
        """What was asked for, with what it was computed, where it comes from, and what is predicted."""
        first, columns = self.first, (*IDENTITY, *SETTINGS, *MEASURED_TASK, *PROVENANCE, "stages")
        config = {key: value for key, value in self._asked.items() if key not in APART}
        config |= {name: first[name] for name in columns if first[name] is not None}
        config[control.name(first)] = self._grid
        config["curve_name"] = curve_name(first, self._asked, self.job.origin.sweeps)
        config["origin"] = self.job.origin.stated(self.job.name, self.points)
        exact = deep_linear(self.rows)
        if exact is not None:
            config["predicted"] = {"spinodal": exact.spinodals.tolist()}
            if exact.depth > 2:
                config["predicted"]["coexistence"] = exact.coexistences.tolist()
        return config

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The best values, and each jump with its error; W&B adds the last values, where they sum up something."""
        minima = self.rows.filter(evidence())
        told: dict[str, Any] = {"complete": self.complete, "rows": len(self.rows), "minima": len(minima)}
        counted = self.rows.filter(evidence() | pl.col(TRAINED).is_not_null())
        told |= finite(
            {f"best/{name}": best(counted[name].drop_nulls(), default=None) for name, best in BEST.items()}
        )
        if not self.along:
            return told
        found = find(self.rows).found.sort("location").select(FOUND)
        told["transitions/count"] = len(found)
        for number, row in enumerate(found.iter_rows(named=True), start=1):
            for name, value in finite(row).items():
                told[f"transitions/{number}/{name.replace('location', 'control')}"] = value
        return told

    @cached_property
    def _asked(self) -> dict[str, Any]:
        """The configuration, with values of this replica where those of a job differ."""
        asked = self.job.configuration
        own = {key: self.first[key.partition(".")[2]] for key in own_values(asked)}
        return with_values(asked, {key: value for key, value in own.items() if value is not None})

    @property
    def _grid(self) -> float | list[float]:
        """Values of the control parameter as asked for: bisection adds to them."""
        if self.first["stages"] == 1 and len(self.points) == 1:
            return float(self.first["control_value"])
        asked = self.job.configuration.get(control.name(self.first))
        return sorted(asked if isinstance(asked, list) else self.rows["control_value"].unique())

    def _named(self, last: str) -> str:
        grid = self._grid if isinstance(self._grid, list) else [self._grid]
        return run_name(self.first, self._asked, self.job.origin.sweeps, grid, last)

    def _identified(self, *parts: str | None) -> str:
        return "-".join(filter(None, (*parts, identity(self.first["campaign"] or ""))))


class ReplicaRun(Run):
    """A branch of a replica: W&B groups runs, and a loop has two branches."""

    job_type = "replica"

    def __init__(self, rows: pl.DataFrame, job: Job, complete: bool) -> None:
        super().__init__(rows, job, complete)
        self.id = self._identified(self.first["point"], self.first["branch"])

    @cached_property
    def name(self) -> str:  # type: ignore[override]
        """As in K=3 L=3 λ=0.05 up seed 0."""
        return self._named(f"seed {self.first['seed']}")

    @cached_property
    def history(self) -> History:
        """Stage by stage."""
        return stages(self.rows)


class CurveRun(Run):
    """A branch of a job, at one strength of noise: means over its replicas."""

    job_type = "job"

    def __init__(self, rows: pl.DataFrame, job: Job, complete: bool) -> None:
        super().__init__(rows, job, complete)
        first = self.first
        self.id = self._identified(first["job"], first["curve"], first["branch"], *strength(first))

    @cached_property
    def name(self) -> str:  # type: ignore[override]
        """As in K=3 L=3 λ=0.01…0.4 up 16 seeds."""
        seeds = self.rows["seed"].n_unique()
        return self._named(f"{seeds} seed{'s' * (seeds != 1)}")

    @cached_property
    def config(self) -> dict[str, Any]:
        """Without what replicas differ in."""
        config = {name: value for name, value in super().config.items() if name not in {"point", "seed"}}
        return config | {"seeds": sorted(self.rows["seed"].unique().drop_nulls())}

    @cached_property
    def history(self) -> History:
        """Means, and which part of the replicas is still in its phase."""
        there = means(self.rows)
        if not (self.complete or self.first["stages"] == 1):
            # What is logged once is never taken back: of a path, only means of all replicas are.
            there = there.filter(pl.col("replicas") >= len(self.points))
        name = control.name(self.first)
        history: dict[Any, Sequence[dict[str, Any]]] = {
            (row["control_value"], row.get(TRAINED)): [placed(row, name)]
            for row in there.iter_rows(named=True)
        }
        left = survival(self.rows) if self.complete else []
        return history | ({(SURVIVAL,): left} if left else {})


def runs_of(table: pl.DataFrame, job: Job) -> Iterator[Run]:
    """Return the runs of a job, as its logger asks for: one for every branch of every replica, or of all of them.

    Args:
        table: Its records.
        job: The job.
    """
    if job.logger.get("unit") == "job":
        yield from curve_runs(table, job)
        return
    for point in table.partition_by("point", maintain_order=True):
        complete = point.select(whole().all()).item()
        for branch in point.partition_by("branch", maintain_order=True):
            yield ReplicaRun(_along(branch), job, complete)


def curve_runs(table: pl.DataFrame, job: Job) -> Iterator[CurveRun]:
    """Return a run for every branch of some records, at every strength of noise."""
    complete = table.select(whole().all()).item()
    for branch in table.partition_by(*CURVE, "batch", maintain_order=True):
        yield CurveRun(_along(branch), job, complete)


def identity(*parts: str) -> str:
    """Return six hexadecimal digits: in one project, equal points of two campaigns are two runs."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:6]


def whole() -> pl.Expr:
    """Rows whose point has all its stages."""
    return (pl.col("stage").n_unique() >= pl.col("stages").max()).over("point").fill_null(False)


def _along(branch: pl.DataFrame) -> pl.DataFrame:
    """The rows in the order of the path; those that bisect a jump came later, and have their place in it."""
    if not (branch["refine"].fill_null(0) > 0).any():
        return branch.sort("stage", "control_value")
    return branch.sort("control_value", "stage", descending=[branch["branch"][0] == "down", False])
