"""Attempts: who computes which points of a campaign, how far that is, and how it ended.

Each start of a job is a numbered file, `attempts/<number>.json`. Whoever wants to compute points first reads all
attempts there are, leaves out the points of those that are alive, and then makes the file of the next number, which
the file system grants to one of several only; the others look again. So no point is computed twice at the same
time, without a lock that somebody could die with. Afterwards only the owner writes to the file, whole each time,
and often enough to be seen alive.
"""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from spinodal.campaign.machine import Process, runs_here, this_process
from spinodal.campaign.packs import Pack
from spinodal.errors import UserError
from spinodal.files import write_atomically

HEARTBEAT = 20.0
"""Seconds after which an attempt shows that it is alive, and how far it is."""

YOUNG = 2.0
"""The same for one that has just begun: it grows with its age, so that short jobs are seen to move, too."""

SILENCE = 180.0
"""Seconds of silence after which an attempt on another machine counts as dead: nine beats, and three times what
a network file system may take to show a change."""

NO_LINKS = {getattr(errno, name) for name in ("EMLINK", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EPERM")}
"""What a file system without hard links says."""

PATIENCE = 2.0
"""Seconds a file may take to become readable that is being made without a hard link."""

NOT_FINITE = "not finite"
"""Begins the error of points whose replica diverged."""

State = Literal["running", "done", "stopped", "failed", "too large", "refused"]


@dataclass(frozen=True)
class Failure:
    """Why points were given up."""

    points: tuple[str, ...]
    error: str
    """In a line."""
    traceback: str


@dataclass(frozen=True)
class Attempt:
    """One start of a job.

    Attributes:
        number: in the order of the starts.
        pack: which job.
        curve: what its points share, or the first of them.
        points: the points it set out to compute, which nobody else did at the time.
        process: that computes them.
        state: `done` also with failures of single points; `stopped` by a signal; `failed` or `too large` as a whole,
            and tried again in halves; `refused`, since something could not be written.
        began: when, in seconds since 1970, by the clock of its machine.
        seen: when it last wrote.
        stage: how many stages are done.
        control: values of the control parameter that it is at, smallest and largest; `l2` in its file.
        rows: stages done, summed over points.
        failures: what was given up.
        where: what the launcher calls the job, if it has a name for it.
    """

    number: int
    pack: str
    curve: str
    points: tuple[str, ...]
    process: Process
    state: State = "running"
    began: float = 0.0
    seen: float = 0.0
    stage: int = 0
    control: tuple[float, ...] = ()
    rows: int = 0
    failures: tuple[Failure, ...] = ()
    where: str = ""

    @property
    def seconds(self) -> float:
        """How long it ran, as far as it has said."""
        return self.seen - self.began

    @property
    def failed(self) -> dict[str, Failure]:
        """Points given up, and why."""
        return {point: failure for failure in self.failures for point in failure.points}


def read_attempts(campaign: Path) -> list[Attempt]:
    """All attempts of a campaign, the first one first; what cannot be read is left out."""
    return [each for each in _read_all(campaign).values() if each is not None]


def _read_all(campaign: Path, patience: float = 0.0) -> dict[int, Attempt | None]:
    """All attempts by number; None for what cannot be read."""
    found = {number: _read(campaign, number, patience) for number in _numbers(campaign)}
    # A listing may be old, a file asked for by name is not.
    while (last := _read(campaign, max(found, default=0) + 1)) is not None:
        found[last.number] = last
    return found


def alive(campaign: Path, attempts: Iterable[Attempt]) -> list[Attempt]:
    """Those that are being computed: by a process of this machine that is there, or by one elsewhere that shows it."""
    running = [each for each in attempts if each.state == "running"]
    here = {each.number: runs_here(each.process) for each in running}
    now = _now(campaign) if None in here.values() else 0.0
    return [
        each
        for each in running
        if here[each.number]
        or (here[each.number] is None and now - _written(campaign, each.number) < SILENCE)
    ]


@dataclass
class Running:
    """An attempt of this process, from its beginning to its end; alive while entered.

    Left by an exception it has been `stopped`, unless `end` has said otherwise before.
    """

    campaign: Path
    attempt: Attempt
    _silence: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread | None = None

    @property
    def points(self) -> tuple[str, ...]:
        """What it may compute."""
        return self.attempt.points

    def progress(self, stage: int, control: Iterable[float], rows: int) -> None:
        """Note how far it is; written with the next heartbeat."""
        self.attempt = replace(self.attempt, stage=stage, control=tuple(control), rows=rows)

    def leave(self, points: Iterable[str]) -> None:
        """Give points back that somebody has finished."""
        left = set(points)
        kept = tuple(point for point in self.points if point not in left)
        if kept != self.points:
            self.attempt = replace(self.attempt, points=kept)
            self._write()

    def fail(self, points: Iterable[str], error: str, traceback: str) -> None:
        """Give points up, for good until somebody asks for them again."""
        failure = Failure(tuple(points), error, traceback)
        if failure.points:
            self.attempt = replace(self.attempt, failures=(*self.attempt.failures, failure))
            self._write()

    def end(self, state: State = "done") -> None:
        """The last that is written."""
        self._silence.set()
        self.attempt = replace(self.attempt, state=state)
        self._write()

    def __enter__(self) -> Running:
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.attempt.state == "running":
            self.end("done" if kind is None else "stopped")

    def _beat(self) -> None:
        while not self._silence.wait(min(HEARTBEAT, YOUNG + 0.1 * self.attempt.seconds)):
            try:
                self._write()
            except UserError:
                continue  # a full disk is the business of those who write results

    def _write(self) -> None:
        with self._lock:
            self.attempt = replace(self.attempt, seen=time.time())
            write_atomically(_file(self.campaign, self.attempt.number), _encoded(self.attempt))


def begin(campaign: Path, pack: Pack, points: Iterable[str], where: str = "") -> Running | None:
    """Claim points for this process.

    Args:
        campaign: its folder.
        pack: they belong to.
        points: wanted.
        where: what the launcher calls the job.

    Returns:
        The attempt, with those of the points that no living attempt has; None if none is left.

    Raises:
        UserError: If the folder cannot be written to.
    """
    wanted = list(points)
    while True:
        known = _read_all(campaign, PATIENCE)
        attempts = [each for each in known.values() if each is not None]
        taken = {point for each in alive(campaign, attempts) for point in each.points}
        mine = tuple(point for point in wanted if point not in taken)
        if not mine:
            return None
        # The next after those looked at: had somebody come in between, it would be theirs.
        number = max(known, default=0) + 1
        now = time.time()
        attempt = Attempt(
            number, pack.name, pack.curves[0], mine, this_process(), began=now, seen=now, where=where
        )
        if _create(_file(campaign, number), _encoded(attempt)):
            return Running(campaign, attempt)


def _create(path: Path, content: bytes) -> bool:
    """Make a file that is whole from its first moment, unless there is one of that name already."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(content)
            try:
                os.link(temporary, path)
            except FileNotFoundError:
                return False  # somebody has tidied up
            except OSError as error:
                if error.errno not in NO_LINKS:
                    raise
                with path.open("xb") as file:  # whole only a moment later: readers have patience
                    file.write(content)
        finally:
            temporary.unlink(missing_ok=True)
    except FileExistsError:
        if path.exists():
            return False
        raise UserError(f"{path.parent}: is not a folder") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error
    return True


def _read(campaign: Path, number: int, patience: float = 0.0) -> Attempt | None:
    """An attempt; None if it is not there, or cannot be read, also after some seconds of patience."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return _decoded(json.loads(_file(campaign, number).read_bytes()))
        except (OSError, ValueError, KeyError, TypeError):
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.05)


def _numbers(campaign: Path) -> list[int]:
    return sorted(
        int(path.stem) for path in attempts_folder(campaign).glob("*.json") if path.stem.isdecimal()
    )


def _encoded(attempt: Attempt) -> bytes:
    content = asdict(attempt) | {"process": attempt.process._asdict()}
    content["l2"] = content.pop("control")  # as it was called before there was a choice
    return json.dumps(content).encode()


def _decoded(content: Mapping[str, Any]) -> Attempt:
    failures = tuple(
        Failure(tuple(each["points"]), each["error"], each["traceback"]) for each in content["failures"]
    )
    read = {
        "points": tuple(content["points"]),
        "process": Process(**content["process"]),
        "control": tuple(content["l2"]),
        "failures": failures,
    }
    return Attempt(**{key: value for key, value in content.items() if key != "l2"} | read)


def attempts_folder(campaign: Path) -> Path:
    """Where attempts are written down."""
    return campaign / "attempts"


def _file(campaign: Path, number: int) -> Path:
    return attempts_folder(campaign) / f"{number:06d}.json"


def _written(campaign: Path, number: int) -> float:
    try:
        return _file(campaign, number).stat().st_mtime
    except OSError:
        return 0.0


def _now(campaign: Path) -> float:
    """By the clock of the file system, since those of the machines may differ."""
    probe = attempts_folder(campaign) / f".now.{os.getpid()}.{threading.get_ident()}.tmp"
    try:
        probe.write_bytes(b"now")
        return probe.stat().st_mtime
    except OSError:
        return time.time()
    finally:
        probe.unlink(missing_ok=True)
