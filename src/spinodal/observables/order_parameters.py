"""What jumps at a transition: E, accuracy, ‖θ‖ and the number of learned features."""

from __future__ import annotations

from collections.abc import Sequence

import pytorch_lightning as pl
import torch
from jaxtyping import Float
from torch import Tensor

from spinodal.training import EnsembleModule

LEARNED = 0.05
"""Overlap above which a feature counts as learned. For L ≥ 3 deep linear networks an overlap is either 0 or at
least (L−2)/(2L−2) ≥ 1/4; for L = 2 it grows from 0 and the count follows the onset a few per cent late."""


class OrderParameters(pl.Callback):
    """Measures the order parameters of every replica at the end of each stage, on training and test data."""

    @torch.no_grad()
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Adds them to the stage's measurements."""
        assert isinstance(pl_module, EnsembleModule)
        task, theta = pl_module.task, pl_module.ensemble.theta
        outputs, test_outputs = (pl_module.objective.outputs(theta, test) for test in (False, True))
        overlaps = task.overlaps(outputs)
        strengths, variances = (each.expand_as(overlaps) for each in (task.strengths, task.variances))
        # Features that a task does not have are NaN, and so are overlaps with them, which exceed nothing.
        features = strengths.isfinite().sum(-1).tolist()
        complexity = torch.tensor(pl_module.complexities, device=theta.device)
        counted = torch.arange(overlaps.shape[-1], device=theta.device) < complexity[:, None]
        pl_module.measure(
            error=task.error(outputs, task.targets),
            test_error=task.error(test_outputs, task.test_targets),
            accuracy=task.accuracy(outputs, task.targets),
            test_accuracy=task.accuracy(test_outputs, task.test_targets),
            loss=pl_module.objective.loss(theta, pl_module.relaxation.rows["l2"]),
            norm=theta.norm(dim=-1),
            overlaps=_first(features, overlaps),
            learned_features=((overlaps > LEARNED) & counted).sum(-1),
            strengths=_first(features, strengths),
            variances=_first(features, variances),
        )


def _first(counts: Sequence[int], columns: Float[Tensor, "R k"]) -> list[list[float]]:
    """The first few values of each row."""
    return [row[:count] for row, count in zip(columns.tolist(), counts, strict=True)]
