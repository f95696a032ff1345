"""How far a run is: stages done, replicas relaxed, time left."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from spinodal.penalties import symbol
from spinodal.training import EnsembleModule
from spinodal.waiting import Pulse


class StageProgress(pl.Callback):
    """A progress bar on the terminal; a line now and then where the output is none.

    Args:
        console: where to draw; the terminal's standard error by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._progress: Progress | None = None
        self._bar = TaskID(0)
        self._pulse: Pulse | None = None
        self._line, self._began = "begins", 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Opens the bar."""
        assert isinstance(pl_module, EnsembleModule)
        self._began = time.monotonic()
        if not self.console.is_terminal:
            self._pulse = Pulse(lambda: f"{self._line} ({time.monotonic() - self._began:.0f} s)")
            self._pulse.start()
            return
        self._progress = Progress(
            TextColumn("stage {task.fields[stage]}/{task.total} at {task.fields[control]}"),
            BarColumn(),
            TextColumn("{task.fields[relaxed]}/{task.fields[replicas]} relaxed"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=self.console,
            transient=True,
        )
        self._bar = self._progress.add_task(
            "stages", total=None, stage=0, control="", relaxed=0, replicas=len(pl_module.itineraries)
        )
        self._progress.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Moves the bar with every replica that is done."""
        assert isinstance(pl_module, EnsembleModule)
        relaxation, itineraries = pl_module.relaxation, pl_module.itineraries
        done, replicas = int((~relaxation.active).sum()), len(itineraries)
        here = [visit.control for visit in pl_module.visits if visit is not None]
        low, high = min(here), max(here)
        # With refinement more stages may turn up on the way.
        total = relaxation.stage + max(1, *(itinerary.left for itinerary in itineraries))
        values = f"{low:.4g}" if low == high else f"{low:.4g}…{high:.4g}"
        stage, control = relaxation.stage + 1, f"{symbol(pl_module.penalty)} = {values}"
        self._line = f"stage {stage}/{total} at {control}, {done}/{replicas} relaxed"
        if self._progress is not None:
            completed = relaxation.stage + done / replicas
            self._progress.update(
                self._bar, total=total, completed=completed, stage=stage, control=control, relaxed=done
            )

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Closes the bar: after an error Lightning tears down no callbacks."""
        self.teardown(trainer, pl_module, "fit")

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Closes the bar."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
        if self._pulse is not None:
            self._pulse.stop()
            self._pulse = None
