"""Curves against the control parameter, for loggers of Lightning's that a user brings along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as lightning

from spinodal.records import RecordWriter
from spinodal.tracking.jobs import Job
from spinodal.tracking.runs import curve_runs


class LogStages(lightning.Callback):
    """Logs the means of a job's replicas over each λ, with their standard errors. Comes after the one that records.

    Args:
        writer: Of the job's records.
        points: Identity of every replica's trajectory [R].
        configuration: The job's, resolved, in plain containers: a DictConfig would be mangled.
    """

    def __init__(self, writer: RecordWriter, points: Sequence[str], configuration: Mapping[str, Any]) -> None:
        self.writer, self.points, self.configuration = writer, tuple(points), dict(configuration)
        self._logged: set[tuple[str, Any]] = set()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Logs the configuration."""
        for logger in trainer.loggers:
            logger.log_hyperparams(self.configuration)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Logs what is new."""
        for run in curve_runs(self.writer.rows_of(self.points), Job(self.configuration, self.writer.path)):
            for stage, (row, *_) in run.history.items():
                if (run.id, stage) not in self._logged:
                    self._logged.add((run.id, stage))
                    for logger in trainer.loggers:
                        logger.log_metrics(row)
