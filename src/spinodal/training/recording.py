"""Every stage's measurements go to the job's records as soon as they are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from spinodal.records import RecordWriter
from spinodal.training.module import EnsembleModule


class RecordStages(pl.Callback):
    """Appends a row per replica at the end of each stage. Comes after the callbacks that measure.

    Args:
        writer: of the job's one file.
        points: identity of every replica's trajectory [R].
        constants: columns that are the same in all rows: what was run, and with what.
        own: columns that are the same in all rows of a replica, of each replica [R].
    """

    def __init__(
        self,
        writer: RecordWriter,
        points: Sequence[str],
        constants: Mapping[str, Any],
        own: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        self.writer = writer
        self.points = tuple(points)
        self.constants = [{**constants, **each} for each in own or [{}] * len(self.points)]

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes this stage's rows; the same rows again do no harm."""
        assert isinstance(pl_module, EnsembleModule)
        self.writer.append(
            [
                _with_l2({"point": self.points[replica], **self.constants[replica], **row})
                for replica, row in pl_module.stage_rows()
            ]
        )

    def state_dict(self) -> dict[str, Any]:
        """The rows already written, so that a checkpoint goes on also where they are lost."""
        return {"records": torch.from_numpy(np.frombuffer(self.writer.content, np.uint8).copy())}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Writes them again."""
        content = state_dict["records"]  # bytes in checkpoints of the version before
        self.writer.restore(content if isinstance(content, bytes) else content.cpu().numpy().tobytes())


def _with_l2(row: dict[str, Any]) -> dict[str, Any]:
    """A row with λ where that is the control parameter; where it is held, it is a constant."""
    return row | {"l2": row["control_value"]} if row.get("control") == "l2" else row
