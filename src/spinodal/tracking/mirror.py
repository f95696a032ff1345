"""The mirror of a job on W&B: what its records say, as soon as they say it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import polars as pl
import pytorch_lightning as lightning
from rich.console import Console

from spinodal.records import RecordWriter
from spinodal.tracking.folders import complete_runs
from spinodal.tracking.runs import Run, job_runs, replica_runs
from spinodal.tracking.session import Ending, OpenRun, Outcome, Session, close_all
from spinodal.training import Interrupted

Unit = Literal["replica", "job"]

LIVE = 16
"""Up to so many replicas are followed stage by stage; of more, a run is written when its trajectory is complete,
so that never more are open."""


class Mirror(lightning.Callback):
    """Tells W&B of a job. Comes after the callback that records; whatever happens here, the job goes on.

    Args:
        writer: Of the job's records.
        points: Identity of every replica's trajectory [R].
        configuration: The job's, resolved, in plain containers.
        session: Makes the connection, when it is needed.
        unit: A run for each replica, or one of means.
        live: Whether a recorded stage stays as it is. With refinement, later visits may replace it.
        say: Gets a line for whoever waits.
    """

    def __init__(
        self,
        writer: RecordWriter,
        points: Sequence[str],
        configuration: Mapping[str, Any],
        session: Callable[[], Session],
        unit: Unit = "replica",
        live: bool = True,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.writer, self.points, self.configuration = writer, tuple(points), configuration
        self.unit: Unit = unit
        self.live = live and (unit == "job" or len(self.points) <= LIVE)
        self.say = say or Console(stderr=True).print
        self._connect = session
        self._session: Session | None = None
        self._open: dict[str, OpenRun] = {}
        self._closed: set[str] = set()
        self._told: set[str] = set()
        self._given_up = False

    @property
    def session(self) -> Session:
        """The connection, from when it is first needed."""
        self._session = self._session or self._connect()
        return self._session

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Of a job that continues: what was complete before may be on W&B already."""
        before = self._complete()
        if not before.is_empty():
            self._guarded(lambda: self._look_back(before))

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Tells of what is new."""
        self._tell()

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Closes what could not be completed, and says where the runs are."""
        self._tell("failed")
        if self._session is not None and not self._given_up:
            count = f"{len(self._closed)} run{'s' * (len(self._closed) != 1)}"
            self.say(f"W&B: {count}: {self._session.where}")

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Closes runs in the state they are in. Of many, an interrupted job opens none: it will continue."""
        self._tell("interrupted" if isinstance(exception, Interrupted | KeyboardInterrupt) else "failed")

    def _tell(self, end: Outcome | None = None) -> None:
        everything = self.live or end == "failed"

        def tell() -> None:
            ending: list[Ending] = []
            for run in self._news(everything):
                ending += self._follow(run, end)
                if len(ending) == LIVE:
                    self._close(ending)
            self._close(ending)
            if end and self._session is not None:
                self._session.settle()

        self._guarded(tell)

    def _guarded(self, act: Callable[[], None]) -> None:
        if self._given_up:
            return
        try:
            act()
        except Exception as error:  # W&B's, of whatever kind: nothing depends on it
            self._given_up = True
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            self.say(f"W&B: given up ({reason}); `spinodal sync --rebuild` makes it from the records")

    def _look_back(self, before: pl.DataFrame) -> None:
        told = complete_runs(self.session.folder, self.session.project)
        for point in before.partition_by("point"):
            self._closed |= told & {run.id for run in replica_runs(point, self.configuration)}

    def _complete(self) -> pl.DataFrame:
        """Records of the points that have all their stages."""
        complete = pl.col("stage").n_unique() >= pl.col("stages").max()
        return self.writer.rows_of(self.points).filter(complete.over("point"))

    def _news(self, everything: bool) -> Iterator[Run]:
        """Runs that may not be closed: of all points, or of those that are complete."""
        table = self.writer.rows_of(self.points) if everything or self.unit == "job" else self._complete()
        if self.unit == "job":
            yield from job_runs(table, self.configuration)
            return
        for point in table.partition_by("point", maintain_order=True):
            if point["point"][0] not in self._told:
                runs = replica_runs(point, self.configuration)
                yield from runs
                if all(run.id in self._closed for run in runs):
                    self._told.add(point["point"][0])

    def _follow(self, run: Run, end: Outcome | None) -> list[Ending]:
        """Tells what is new of a run, and returns whether it ends with that."""
        if run.id in self._closed:
            return []
        if run.id not in self._open:
            self._open[run.id] = self.session.open(run)
        self._open[run.id].log(run)
        if run.complete:
            return [(self._open[run.id], run, "finished")]
        return [(self._open[run.id], run, end)] if end else []

    def _close(self, ending: list[Ending]) -> None:
        close_all(ending)
        for _, run, _ in ending:
            self._closed.add(run.id)
            del self._open[run.id]
        ending.clear()
