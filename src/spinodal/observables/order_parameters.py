"""What jumps at a transition: E, accuracy, ‖θ‖ and the number of learned features."""

from __future__ import annotations

import pytorch_lightning as pl
import torch

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
        task, ensemble = pl_module.task, pl_module.ensemble
        outputs, test_outputs = ensemble(task.inputs), ensemble(task.test_inputs)
        overlaps = task.overlaps(outputs)
        theta, replicas = ensemble.theta, len(ensemble.theta)
        pl_module.measure(
            error=task.error(outputs, task.targets),
            test_error=task.error(test_outputs, task.test_targets),
            accuracy=task.accuracy(outputs, task.targets),
            test_accuracy=task.accuracy(test_outputs, task.test_targets),
            loss=pl_module.objective.loss(theta, pl_module.relaxation.rows["l2"]),
            norm=theta.norm(dim=-1),
            overlaps=overlaps.tolist(),
            learned_features=(overlaps[:, : task.complexity] > LEARNED).sum(-1),
            strengths=[task.strengths.tolist()] * replicas,
            variances=[task.variances.tolist()] * replicas,
        )
