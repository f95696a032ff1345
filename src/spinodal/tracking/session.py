"""The connection to W&B: runs that are opened, logged to and closed, on the server or in a folder."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import wandb
from wandb.errors import Error as WandBError

from spinodal.errors import in_a_line
from spinodal.tracking.folders import MARKER
from spinodal.tracking.limits import PATIENCE
from spinodal.tracking.runs import Run, axis_of

Mode = Literal["offline", "online"]
Outcome = Literal["finished", "failed", "interrupted"]

EXIT_CODES: dict[Outcome, int] = {"finished": 0, "failed": 1, "interrupted": 143}


class Session:
    """Where the runs of a process go.

    Args:
        folder: W&B makes a folder `wandb` in it.
        project: On W&B.
        entity: On W&B; None is the key's own.
        mode: offline, or online; an online session whose server cannot be had goes on offline.
        say: Gets a line for whoever waits.
    """

    def __init__(
        self,
        folder: Path,
        project: str,
        entity: str | None = None,
        mode: Mode = "offline",
        say: Callable[[str], None] = print,
    ) -> None:
        # What W&B itself says is about each of a thousand runs.
        os.environ.setdefault("WANDB_SILENT", "true")
        wandb.setup()  # starts its process, which takes a while
        self.folder, self.project, self.entity, self.mode, self.say = folder, project, entity, mode, say
        self.url, self.count = "", 0
        self._lock = threading.Lock()
        self._closing: list[tuple[Path, dict[str, Any]]] = []

    @property
    def where(self) -> str:
        """Where the runs are, for people."""
        return self.url if self.mode == "online" else f"`spinodal sync {self.folder}` uploads"

    def fall_back(self, trouble: str) -> None:
        """Goes on offline; what was logged online so far is on disk, too."""
        online, self.mode = self.mode == "online", "offline"
        if online:
            self.say(f"W&B: {trouble}: offline from here on; `spinodal sync {self.folder}` uploads later")

    def open(self, run: Run) -> OpenRun:
        """Opens a run; the same id again takes the place of what the server has of it."""
        if self.mode == "online" and (trouble := unreachable()):
            self.fall_back(trouble)
        try:
            opened = self._init(run)
        except WandBError as error:
            if self.mode != "online":
                raise
            self.fall_back(in_a_line(error)[:200])
            # Or the id of the run that could not be opened would be in use.
            wandb.teardown()
            opened = self._init(run)
        self.url = self.url or (opened.project_url or "" if self.mode == "online" else "")
        return OpenRun(self, opened)

    def write(self, run: Run, outcome: Outcome) -> None:
        """Tells all of a run."""
        opened = self.open(run)
        opened.log(run)
        opened.close(run, outcome)

    def settle(self, patience: float = 10.0) -> None:
        """Waits until all that was closed is on disk: W&B writes behind."""
        end = time.monotonic() + patience
        while self._closing and time.monotonic() < end:
            self._mark()
            time.sleep(0.01 if self._closing else 0.0)

    def conclude(self) -> None:
        """Says where the runs are, if there are any, and whether some could not be written."""
        if self._closing:
            lost = f"runs not on disk: {len(self._closing)}"
            self.say(f"W&B: {lost}; `spinodal sync {self.folder} --rebuild` makes them from the records")
        if self.count:
            self.say(f"W&B: {self.count} run{'s' * (self.count != 1)}: {self.where}")

    def closed(self, folder: Path, marker: dict[str, Any]) -> None:
        """Remembers to mark the folder of a run as closed, once it is on disk."""
        with self._lock:
            self._closing.append((folder, marker))
            self._mark()

    def _mark(self) -> None:
        for folder, marker in [each for each in self._closing if _written(each[0])]:
            (folder / MARKER).write_text(json.dumps(marker) + "\n", encoding="utf-8")
            self._closing.remove((folder, marker))
            self.count += 1

    def _init(self, run: Run) -> wandb.Run:
        # Where it cannot write, W&B would write to a temporary folder.
        (self.folder / "wandb").mkdir(parents=True, exist_ok=True)
        return wandb.init(
            project=self.project,
            entity=self.entity,
            id=run.id,
            name=run.name,
            group=run.group,
            job_type=run.job_type,
            tags=run.tags,
            config=run.config,
            dir=self.folder,
            reinit="create_new",  # several at once, and none of them `wandb.run`
            settings=wandb.Settings(
                mode=self.mode,
                silent=True,
                console="off",
                init_timeout=PATIENCE,
                finish_timeout=PATIENCE,
                finish_timeout_raises=True,
                # The records say what was run where. Listing all packages alone would double the cost.
                disable_code=True,
                disable_git=True,
                x_disable_meta=True,
                x_disable_stats=True,
                x_disable_machine_info=True,
                x_save_requirements=False,
            ),
        )


class OpenRun:
    """A run that is being logged to."""

    def __init__(self, session: Session, opened: wandb.Run) -> None:
        self.session, self.opened = session, opened
        self._online = session.mode == "online"
        self._logged: set[Hashable] = set()
        self._drawn: set[str] = set()

    def log(self, run: Run) -> None:
        """Logs the stages that were not there yet."""
        for stage, rows in run.history.items():
            if stage not in self._logged:
                for row in rows:
                    self._draw(row)
                    self.opened.log(row)
                self._logged.add(stage)

    def _draw(self, row: Mapping[str, Any]) -> None:
        """Says what each metric is drawn against, by exact names: of two globs W&B picks one at random."""
        for name in row:
            if name not in self._drawn:
                axis = axis_of(name, row)
                self.opened.define_metric(name, step_metric=None if axis == name else axis)
                self._drawn.add(name)

    def close(self, run: Run, outcome: Outcome) -> None:
        """Ends the run in the state it is in, and says so in its folder and on W&B."""
        self.opened.summary.update({**run.summary, "outcome": outcome})
        if outcome == "interrupted":
            self.opened.mark_preempting()
        uploaded = self._online
        try:
            self.opened.finish(exit_code=EXIT_CODES[outcome])
        except TimeoutError:
            uploaded = False
            self.session.fall_back(f"no upload within {PATIENCE:.0f} s")
        marker: dict[str, Any] = {
            "id": run.id,
            "project": self.session.project,
            "entity": self.session.entity,
            "outcome": outcome,
            "complete": run.complete,
            "rows": sum(map(len, run.history.values())),
            "uploaded": uploaded,
        }
        self.session.closed(Path(self.opened.dir).parent, marker)


Ending = tuple[OpenRun, Run, Outcome]
"""A run to be closed: with what it has told, and how it ended."""


def close_all(ending: Sequence[Ending]) -> None:
    """Closes runs; online all at the same time, since each waits until the server has everything."""
    with ThreadPoolExecutor(max(1, len(ending))) as pool:
        closing = [pool.submit(opened.close, run, outcome) for opened, run, outcome in ending]
    for each in closing:
        each.result()


def _written(folder: Path) -> bool:
    """Whether a run's file ends as `OpenRun.close` ends it: what was said before is there, too."""
    for path in folder.glob("*.wandb"):
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 2**16))
            tail = file.read()
        # A block of the file may end within one of these words.
        if b"outcome" in tail or b"complete" in tail:
            return True
    return False


def unreachable(patience: float = 10.0) -> str:
    """Why the server cannot be used; empty if it can, or at least answers."""
    settings = wandb.setup().settings
    if not (settings.api_key or wandb.api.api_key):
        return "no API key (`wandb login` asks for one)"
    try:
        urlopen(settings.base_url, timeout=patience).close()
    except HTTPError:
        return ""
    except (URLError, OSError, ValueError) as error:
        return f"{settings.base_url} does not answer ({getattr(error, 'reason', error)})"
    return ""
