"""The process that tells W&B of jobs, one after the other, while they compute: it reads what they record.

Each line of its input is the path of the records of a job that begins; the job before has ended then, and the last one
when there are no more lines. So has a job that was killed.
"""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit
from threading import Thread
from typing import TYPE_CHECKING

from spinodal.tracking.mirror import THE_JOBS

if TYPE_CHECKING:
    from spinodal.tracking.jobs import Job
    from spinodal.tracking.runs import Run
    from spinodal.tracking.session import OpenRun, Session

HANDLES = getrlimit(RLIMIT_NOFILE)[0]
"""Files that a process may have open."""

LIVE = 256 if HANDLES == RLIM_INFINITY else min(256, HANDLES // 8)
"""Runs of a job that are open at once: each takes half a megabyte, and three handles of W&B's process."""

CLOSING = 64
"""Runs that are closed at the same time."""

PAUSE = 2.0
"""Seconds between two looks at what is new: nobody sees more, and stages may be short."""

SHARE = 0.05
"""Of the time, that looking may take: with thousands of replicas, each look takes a while."""

AFTER = 60.0
"""Seconds after the end of all jobs from which on no server is waited for."""


class Following:
    """Tells of a job what its records say, as soon as they say it.

    As many replicas as may be open are followed stage by stage; each of the others is told of when its trajectory is
    complete. Whatever happens here, nothing is raised: no job depends on W&B.
    """

    def __init__(self, job: Job, session: Session) -> None:
        self.job, self.session, self._seen, self._given_up = job, session, 0, False
        self._open: dict[str, OpenRun] = {}
        self._done: set[str] = set()
        # With refinement, later visits may replace a recorded stage; files are whole when the job has ended.
        self._live = 0 if job.configuration.get("protocol", {}).get("refine") else LIVE
        self._in_the_end = bool(job.logger.get("console") or job.logger.get("log_model"))

    def tell(self, ended: bool = False) -> None:
        """Tell what is new; where the job has ended, close what could not be completed, too."""
        try:
            written = self.job.records.stat().st_mtime_ns if self.job.records.exists() else 0
            if not self._given_up and written and (ended or written != self._seen):
                self._seen = written
                self._tell(ended)
        except Exception as error:  # W&B's, of whatever kind
            self._given_up = True
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            say(f"W&B: given up ({reason}); `spinodal sync` makes the rest from the records")

    def _tell(self, ended: bool) -> None:
        import polars as pl

        from spinodal.records import read_records
        from spinodal.tracking.runs import runs_of

        rows = read_records(self.job.records).filter(~pl.col("point").is_in(list(self._done)))
        ending: list[tuple[OpenRun, Run]] = []
        for run in runs_of(rows, self.job) if len(rows) else ():
            over = ended or (run.complete and not self._in_the_end)
            if run.id not in self._open:
                if not over and len(self._open) >= self._live:
                    continue
                if run.complete and self.session.told(run):
                    continue  # before the job was stopped
                self._open[run.id] = self.session.open(run)
            self._open[run.id].log(run)
            if over:
                ending.append((self._open[run.id], run))
            if len(ending) == CLOSING:
                self._close(ending)
        self._close(ending)

    def _close(self, ending: list[tuple[OpenRun, Run]]) -> None:
        from spinodal.tracking.session import close_all

        close_all(ending)
        for _, run in ending:
            del self._open[run.id]
            self._done.update(run.points)
        ending.clear()


def main() -> None:
    """Follow the jobs that the standard input names."""
    # Ignored alone is not enough: polars puts a handler of its own for SIGINT over every query.
    signal.pthread_sigmask(signal.SIG_BLOCK, THE_JOBS)
    for each in THE_JOBS:
        signal.signal(each, signal.SIG_IGN)
    lines: SimpleQueue[str] = SimpleQueue()
    ended: list[float] = []
    # From the very start, or the job would wait for the imports below.
    Thread(target=_receive, args=(lines, ended), daemon=True).start()

    from spinodal.campaign import origin_of
    from spinodal.tracking.jobs import read_job
    from spinodal.tracking.session import Session

    @cache
    def session_of(campaign: Path, project: str, entity: str | None, online: bool) -> Session:
        session = Session(campaign, project, entity, online, say, late=late)
        sessions.append(session)
        return session

    def late() -> bool:
        return bool(ended) and time.monotonic() > ended[0] + AFTER

    sessions: list[Session] = []
    following: Following | None = None
    pause = PAUSE
    while True:
        try:
            line = lines.get(timeout=pause if following else None)
        except Empty:
            assert following
            began = time.monotonic()
            following.tell()
            pause = max(PAUSE, (time.monotonic() - began) / SHARE)
            continue
        if following is not None:
            following.job = replace(following.job, origin=origin_of(following.job.origin.folder))
            following.tell(ended=True)
        if not line:
            break
        campaign = Path(line).parent.parent
        job = read_job(Path(line), origin_of(campaign))
        following, pause = Following(job, session_of(campaign, *job.where, job.online)), PAUSE
        following.tell()
    for session in sessions:
        if session.count:
            say(f"W&B: {session.count} run{'s' * (session.count != 1)}: {session.where}")


@cache
def say(line: str) -> None:
    """Print a line once: what is wrong for one job often is for the next."""
    print(line, file=sys.stderr, flush=True)


def _receive(lines: SimpleQueue[str], ended: list[float]) -> None:
    for line in sys.stdin:
        lines.put(line.rstrip("\n"))
    ended.append(time.monotonic())
    lines.put("")


if __name__ == "__main__":
    main()
