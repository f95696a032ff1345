"""Telling W&B what records say, as they grow: which runs are new, which go on, and which are over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import polars as pl

from spinodal.tracking.folders import complete_runs
from spinodal.tracking.limits import CLOSING
from spinodal.tracking.runs import Run, job_runs, replica_runs
from spinodal.tracking.session import Ending, OpenRun, Outcome, Session, close_all

Unit = Literal["replica", "job"]


class Teller:
    """Tells of the rows it is given. Whatever happens here, nothing is raised: nobody depends on W&B.

    Args:
        session: The connection.
        configuration: The job's, resolved, in plain containers.
        unit: A run for each replica, or one of means.
        say: Gets a line for whoever waits.
    """

    def __init__(
        self, session: Session, configuration: Mapping[str, Any], unit: Unit, say: Callable[[str], None]
    ) -> None:
        self.session, self.configuration, self.unit, self.say = session, configuration, unit, say
        self._open: dict[str, OpenRun] = {}
        self._closed: set[str] = set()
        self._given_up = False

    def told_before(self, rows: pl.DataFrame) -> None:
        """Looks which of these, complete before the job was stopped, a folder tells of already."""
        told = complete_runs(self.session.folder, self.session.project)
        self._closed |= told & {run.id for run in self._runs(rows)}

    def tell(self, rows: pl.DataFrame, end: Outcome | None = None) -> None:
        """Tells what is new in these rows, and closes the runs that are complete.

        Args:
            rows: Records of some points, with all their stages so far.
            end: How those end that are not complete; None if they go on.
        """
        if self._given_up:
            return
        try:
            ending: list[Ending] = []
            for run in self._runs(rows):
                if run.id not in self._closed:
                    ending += self._follow(run, end)
                if len(ending) == CLOSING:
                    self._close(ending)
            self._close(ending)
            if end:
                self.session.settle()
        except Exception as error:  # W&B's, of whatever kind
            self._given_up = True
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            self.say(f"W&B: given up ({reason}); `spinodal sync --rebuild` makes it from the records")

    def _runs(self, rows: pl.DataFrame) -> Iterator[Run]:
        if self.unit == "job":
            yield from job_runs(rows, self.configuration)
            return
        for point in rows.partition_by("point", maintain_order=True):
            yield from replica_runs(point, self.configuration)

    def _follow(self, run: Run, end: Outcome | None) -> list[Ending]:
        """Tells what is new of a run, and returns whether it ends with that."""
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
