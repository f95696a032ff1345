"""The mirror of a job on W&B: what its records say, as soon as they say it."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytorch_lightning as lightning

from spinodal.records import RecordWriter
from spinodal.tracking.environment import afresh
from spinodal.tracking.limits import GRACE, LIVE
from spinodal.training import Interrupted


class Mirror(lightning.Callback):
    """Hands what is recorded to a process that tells W&B, so that the job does not wait for it.

    Comes after the callback that records. Up to `LIVE` replicas are followed stage by stage; of more, each is told
    of when its trajectory is complete, so that never more runs are open. Whatever happens there, the job goes on.

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
        self.live = live and (self.whole or len(self.points) <= LIVE)
        self._sent: set[str] = set()
        self._process: subprocess.Popen[bytes] | None = None

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Starts the process. Of a job that continues, what was complete before may be told already."""
        command = [sys.executable, "-P", "-m", "spinodal.tracking.process"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=afresh()
        )
        self._send((self.folder, self.configuration))
        self._send(("told_before", _bytes(self._complete())))

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Hands over what is new."""
        if self.whole and not self.live:
            return
        rows = self.writer.rows_of(self.points) if self.live else self._complete()
        new = rows.filter(~pl.col("point").is_in(list(self._sent)))
        self._sent.update(() if self.live else new["point"].unique())
        if not new.is_empty():
            self._send(("tell", _bytes(new), None))

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Ends what could not be completed, and waits until all is told."""
        self._end("failed")

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Ends the runs in the state they are in. Of many, an interrupted job begins none: it will continue."""
        if isinstance(exception, Interrupted | KeyboardInterrupt):
            self._end("interrupted", begin=self.live, patience=GRACE)
        else:
            self._end("failed")

    def _end(self, outcome: str, begin: bool = True, patience: float | None = None) -> None:
        rows = self.writer.rows_of(self.points if begin else ())
        self._send(("tell", _bytes(rows.filter(~pl.col("point").is_in(list(self._sent)))), outcome))
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            self.say(
                f"W&B: not done within {patience:.0f} s; `spinodal sync --rebuild` makes it from the records"
            )

    def _complete(self) -> pl.DataFrame:
        """Records of the points that have all their stages."""
        complete = pl.col("stage").n_unique() >= pl.col("stages").max()
        return self.writer.rows_of(self.points).filter(complete.over("point"))

    def _send(self, message: Any) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None
        try:
            pickle.dump(message, self._process.stdin)
            self._process.stdin.flush()
        except OSError as error:
            self._process = None
            self._give_up(str(error))

    def _give_up(self, trouble: str) -> None:
        self.say(f"W&B: given up ({trouble}); `spinodal sync --rebuild` makes it from the records")


def _bytes(rows: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    rows.write_ipc(buffer)
    return buffer.getvalue()
