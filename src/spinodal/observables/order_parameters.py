"""What jumps at a transition: E, accuracy, ‖θ‖, the rank of the outputs and the number of learned features."""

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

ALIVE = 0.05
"""Fraction of the targets' largest singular value above which a direction of the outputs counts for `rank`. Both are
root mean squares over samples along a direction, so that the fraction has no unit and the scale of the targets drops
out. A dead direction is 0 to rounding. One that is alive, of L ≥ 3 deep linear layers, has at least a quarter of its
strength: one above 0.2 of the strongest is counted up to its spinodal, a weaker one up to a little before. With L = 2,
where directions fade to 0, it is counted up to λ_sp less ALIVE/2 of the strongest (inputs whitened)."""


class OrderParameters(pl.Callback):
    """Measures the order parameters of every replica at the end of each stage, on training and test data."""

    @torch.no_grad()
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Adds them to the stage's measurements."""
        assert isinstance(pl_module, EnsembleModule)
        task, ensemble = pl_module.task, pl_module.ensemble
        theta, objective = ensemble.theta.detach(), pl_module.objective
        penalty, push = objective.penalty_and_gradient(theta)
        outputs, test_outputs = (
            ensemble.answers(inputs, task.has_own_inputs) for inputs in (task.inputs, task.test_inputs)
        )
        pl_module.measure(
            error=task.error(outputs, task.targets),
            test_error=task.error(test_outputs, task.test_targets),
            accuracy=task.accuracy(outputs, task.targets),
            test_accuracy=task.accuracy(test_outputs, task.test_targets),
            loss=objective.loss(theta, pl_module.relaxation.rows["control"]),
            penalty=penalty,
            penalty_gradient=push.norm(dim=-1),
            norm=theta.norm(dim=-1),
            rank=output_rank(outputs, task.targets),
        )
        if not task.has_features:
            return
        overlaps = task.overlaps(outputs)
        strengths, variances = (each.expand_as(overlaps) for each in (task.strengths, task.variances))
        # Features that a task does not have are NaN, and so are overlaps with them, which exceed nothing.
        features = strengths.isfinite().sum(-1).tolist()
        complexity = torch.tensor(pl_module.complexities, device=theta.device)
        counted = torch.arange(overlaps.shape[-1], device=theta.device) < complexity[:, None]
        pl_module.measure(
            overlaps=_first(features, overlaps),
            learned_features=((overlaps > LEARNED) & counted).sum(-1),
            strengths=_first(features, strengths),
            variances=_first(features, variances),
        )


def output_rank(outputs: Float[Tensor, "R N c"], targets: Float[Tensor, "*S N c"]) -> list[int | None]:
    """Count the directions of the outputs that are alive, for each replica.

    These are the singular values of f(X)/√N above `ALIVE` times the largest of Y/√N. The count needs no features of the
    data and nothing of the network but its outputs, and is the same in all rotated coordinates. Constant outputs are a
    direction, too.

    Returns:
        One number for each replica; None where outputs are not finite.
    """
    squares = _squares(outputs)
    known = squares.isfinite().all(-1).all(-1)
    largest = torch.linalg.eigvalsh(_squares(targets))[..., -1:]
    alive = torch.linalg.eigvalsh(torch.where(known[:, None, None], squares, 0.0)) > ALIVE**2 * largest
    return [
        count if finite else None
        for count, finite in zip(alive.sum(-1).tolist(), known.tolist(), strict=True)
    ]


def _squares(outputs: Float[Tensor, "*R N c"]) -> Float[Tensor, "*R c c"]:
    """The matrix fᵀf/N, whose eigenvalues are the squares of the singular values of f/√N."""
    product: Tensor = outputs.mT @ outputs / outputs.shape[-2]
    return product


def _first(counts: Sequence[int], columns: Float[Tensor, "R k"]) -> list[list[float]]:
    """The first few values of each row."""
    return [row[:count] for row, count in zip(columns.tolist(), counts, strict=True)]
