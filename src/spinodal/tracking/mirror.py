"""The mirror of a job on W&B: what its records say, as soon as they say it."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytorch_lightning as lightning

from spinodal.records import RecordWriter
from spinodal.tracking.limits import GRACE, LIVE, PAUSE
from spinodal.tracking.messenger import Messenger, finish, messenger
from spinodal.training import Interrupted

COMPLETE = (pl.col("stage").n_unique() >= pl.col("stages").max()).over("point")
"""Whether a row's point has all its stages."""


class Mirror(lightning.Callback):
    """Hands what is recorded to a process that tells W&B, so that the job does not wait for it.

    Comes after the callback that records. The first `LIVE` replicas are followed stage by stage; each of the others is
    told of when its trajectory is complete, so that never more runs are open. Whatever happens there, the job goes on.

    Args:
        writer: Of the job's records.
        points: Identity of every replica's trajectory [R].
        configuration: The job's, resolved, in plain containers; its logger is the mirror's.
        folder: Of the campaign.
        live: Whether a recorded stage stays as it is. With refinement, later visits may replace it.
        say: Gets a line for whoever waits.
    """

    def __init__(
        self,
        writer: RecordWriter,
        points: Sequence[str],
        configuration: Mapping[str, Any],
        folder: Path,
        live: bool,
        say: Callable[[str], None],
    ) -> None:
        self.writer, self.points, self.configuration = writer, tuple(points), dict(configuration)
        self.folder, self.say = folder, say
        self.whole = configuration["logger"]["unit"] == "job"
        self.followed = self.points[: None if self.whole else LIVE] if live else ()
        self._sent: set[str] = set()
        self._looked = -math.inf
        self._messenger: Messenger | None = None
        self._interrupted = False

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Begins. Of a job that continues, what was complete before may be told already."""
        self._messenger = messenger()
        self._send("begin", self.folder, self.configuration)
        before = self.writer.rows_of(self.points).filter(COMPLETE)
        if not before.is_empty():
            self._send("told_before", _bytes(before))

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Hands over what is new, once in a while."""
        if time.monotonic() < self._looked + PAUSE:
            return
        self._looked = time.monotonic()
        followed = pl.col("point").is_in(list(self.followed))
        rows = self._unsent(self.points).filter(followed if self.whole else followed | COMPLETE)
        if not self.whole:
            self._sent.update(rows.filter(COMPLETE)["point"])
        if not rows.is_empty():
            self._send("tell", _bytes(rows))

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Ends what could not be completed."""
        self._end("failed", self.points)

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Ends the runs in the state they are in. An interrupted job begins no other: it will continue."""
        if not isinstance(exception, Interrupted | KeyboardInterrupt):
            self._end("failed", self.points)
            return
        self._interrupted = True
        self._end("interrupted", self.followed)
        if not finish(GRACE):
            self.say(
                f"W&B: not done within {GRACE:.0f} s; `spinodal sync --rebuild` makes it from the records"
            )

    def _end(self, outcome: str, points: Sequence[str]) -> None:
        self._send("tell", _bytes(self._unsent(points)), outcome)

    def _unsent(self, points: Sequence[str]) -> pl.DataFrame:
        return self.writer.rows_of(set(points) - self._sent)

    def _send(self, *message: Any) -> None:
        if self._messenger is None:
            return
        try:
            self._messenger.send(*message)
        except OSError as error:
            self._messenger = None
            if self._interrupted:
                self.say("W&B: its process was ended with the job, and tells the rest when the job continues")
            else:
                why = "its process has ended" if isinstance(error, BrokenPipeError) else str(error)
                self.say(f"W&B: given up ({why}); `spinodal sync --rebuild` makes it from the records")


def _bytes(rows: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    rows.write_ipc(buffer)
    return buffer.getvalue()
