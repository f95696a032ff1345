"""The connection to W&B: runs that are opened, logged to and closed, on the server or in a folder."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import wandb
from requests.utils import get_netrc_auth
from wandb.errors import Error as WandBError

from spinodal.campaign import checkpoint_file
from spinodal.errors import in_a_line
from spinodal.files import write_atomically
from spinodal.tracking.metrics import axis_of
from spinodal.tracking.mirror import console_file
from spinodal.tracking.runs import Outcome, Run

EXIT_CODES: dict[Outcome, int] = {"finished": 0, "failed": 1, "interrupted": 143}

PATIENCE = 60.0
"""Seconds that a run may need to be opened on the server, or to be uploaded when it is closed."""


class Session:
    """Where the runs of a campaign go.

    Args:
        campaign: Its folder, which has a word on each run that was closed.
        project: On W&B.
        entity: On W&B; None is the key's own.
        online: Whether to the server; if that cannot be had, the rest goes into a folder.
        say: Gets a line for whoever waits.
        folder: W&B makes its folder in this one; by default in the campaign's.
        late: Whether no server is waited for any more.
    """

    def __init__(
        self,
        campaign: Path,
        project: str,
        entity: str | None = None,
        online: bool = False,
        say: Callable[[str], None] = print,
        folder: Path | None = None,
        late: Callable[[], bool] = lambda: False,
    ) -> None:
        os.environ.setdefault("WANDB_SILENT", "true")  # what W&B prints is about each of a thousand runs
        wandb.setup()  # starts its process, which takes a while
        self.campaign, self.project, self.entity, self.online, self.say = (
            campaign,
            project,
            entity,
            online,
            say,
        )
        self.folder, self.url, self.count, self._late = folder or campaign, "", 0, late

    @property
    def where(self) -> str:
        """Where the runs are, for people."""
        return self.url if self.online else f"`spinodal sync {self.campaign}` uploads"

    @property
    def server(self) -> str:
        """Names server, owner and project."""
        return "/".join([str(wandb.setup().settings.base_url), self.entity or "", self.project])

    def fall_back(self, trouble: str) -> None:
        """Go on offline."""
        if self.online:
            self.say(f"W&B: {trouble}: offline from here on; `spinodal sync {self.campaign}` uploads later")
        self.online = False

    def open(self, run: Run) -> OpenRun:
        """Open a run; the same id again takes the place of what the server has of it."""
        if self.online and (trouble := "too slow a server" if self._late() else unreachable()):
            self.fall_back(trouble)
        try:
            opened = self._init(run)
        except WandBError as error:
            if not self.online:
                raise
            self.fall_back(in_a_line(error)[:200])
            wandb.teardown()  # or the id of the run that could not be opened would be in use
            opened = self._init(run)
        self.url = self.url or (opened.project_url or "" if self.online else "")
        return OpenRun(self, opened, run)

    def told(self, run: Run, uploaded: bool = False) -> bool:
        """Return whether all there is of a run was told before, to a folder or, if need be, to the server."""
        try:
            word = json.loads(_word(self.campaign, run.id).read_bytes())
            same = (word["rows"], word["complete"]) == (len(run.rows), run.complete)
            return bool(same and (word["server"] == self.server or not uploaded))
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def leave_word(self, run: Run, server: str = "") -> None:
        """Leave word of a run that was closed, and of the server that has all of it."""
        word = {"rows": len(run.rows), "complete": run.complete, "outcome": run.outcome, "server": server}
        write_atomically(_word(self.campaign, run.id), json.dumps(word).encode())

    def write(self, run: Run) -> Path:
        """Tell all of a run, and return its folder."""
        opened = self.open(run)
        opened.log(run)
        opened.close(run)
        return Path(opened.opened.dir).parent

    def _init(self, run: Run) -> wandb.Run:
        # Where it cannot write, W&B would write to a temporary folder.
        (self.folder / "wandb").mkdir(parents=True, exist_ok=True)
        origin, statistics = run.config.get("origin", {}), bool(run.logger.get("system_metrics"))
        return wandb.init(
            project=self.project,
            entity=self.entity,
            id=run.id,
            name=run.name,
            notes=run.logger.get("notes"),
            group=run.group,
            job_type=run.job_type,
            tags=run.tags,
            config=run.config,
            dir=self.folder,
            reinit="create_new",  # several at once, and none of them `wandb.run`
            settings=wandb.Settings(
                mode="online" if self.online else "offline",
                silent=True,
                console="off",
                init_timeout=PATIENCE,
                finish_timeout=PATIENCE,
                finish_timeout_raises=True,
                host=origin.get("host"),
                git_commit=run.config.get("commit"),
                # The records say what was run where. Listing all packages alone would double the cost.
                disable_code=True,
                disable_git=True,
                x_disable_meta=True,
                x_disable_stats=not statistics,
                x_stats_pid=origin.get("pid", os.getpid()),
                x_disable_machine_info=not statistics,
                x_save_requirements=False,
            ),
        )


class OpenRun:
    """A run that is being logged to."""

    def __init__(self, session: Session, opened: wandb.Run, run: Run) -> None:
        self.session, self.opened, self._online = session, opened, session.online
        self._summary = "none" if run.along else None
        self._logged: set[Hashable] = set()
        self._drawn: set[str] = set()

    def log(self, run: Run) -> None:
        """Log the stages that were not there yet."""
        for stage, rows in run.history.items():
            for row in rows if stage not in self._logged else ():
                # What a metric is drawn against, by exact names: of two globs W&B picks one at random.
                for name in row.keys() - self._drawn:
                    axis = axis_of(name, row)
                    self.opened.define_metric(name, None if axis == name else axis, summary=self._summary)
                self._drawn |= row.keys()
                self.opened.log(row)
            self._logged.add(stage)

    def close(self, run: Run) -> None:
        """End the run in the state it is in, and leave word of it."""
        outcome = run.outcome
        self._attach(run)
        self.opened.summary.update({**run.summary, "outcome": outcome})
        if outcome == "interrupted":
            self.opened.mark_preempting()
        try:
            self.opened.finish(exit_code=EXIT_CODES[outcome])
        except TimeoutError:
            self._online = False
            self.session.fall_back(f"no upload within {PATIENCE:.0f} s")
        self.session.leave_word(run, self.session.server if self._online else "")
        self.session.count += 1

    def _attach(self, run: Run) -> None:
        """Add what is no number, and the files of the job that its logger asks for."""
        folder, job = run.job.origin.folder, run.job.name
        if media := run.media:
            self.opened.log(media)
        if run.logger.get("console") and (console := console_file(folder, job)).is_file():
            copy = shutil.copy(console, Path(self.opened.dir) / "output.log")  # where W&B looks for it
            self.opened.save(copy, base_path=self.opened.dir, policy="now")
        if run.logger.get("log_model") and (kept := checkpoint_file(folder, job)).is_file():
            model = wandb.Artifact(f"model-{job}", type="model")
            model.add_file(str(kept), policy="immutable")
            self.opened.log_artifact(model)


def close_all(ending: Sequence[tuple[OpenRun, Run]]) -> None:
    """Close runs, all at the same time, since each may wait until the server has everything."""
    with ThreadPoolExecutor(max(1, len(ending))) as pool:
        list(pool.map(lambda each: each[0].close(each[1]), ending))


def _word(campaign: Path, run: str) -> Path:
    """Where word of a run is left that was closed."""
    return campaign / "wandb" / "closed" / f"{run}.json"


def unreachable(patience: float = 10.0) -> str:
    """Return why the server cannot be used; empty if it can, or at least answers."""
    settings = wandb.setup().settings
    if not (settings.api_key or settings.identity_token_file or get_netrc_auth(settings.base_url)):
        return "no API key (`wandb login` asks for one)"
    try:
        urlopen(settings.base_url, timeout=patience).close()
    except HTTPError:
        return ""
    except (URLError, OSError, ValueError) as error:
        return f"{settings.base_url} does not answer ({getattr(error, 'reason', error)})"
    return ""
