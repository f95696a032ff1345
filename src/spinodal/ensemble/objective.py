"""The function each replica minimises: 𝓛(θ) = E(θ) + λ‖θ‖²."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import vmap

from spinodal.ensemble.ensemble import Ensemble
from spinodal.tasks import Task


@dataclass(frozen=True)
class Objective:
    """E and 𝓛 of rows of parameters, on the training set of their task, in the precision of the parameters.

    Attributes:
        ensemble: of networks.
        task: of any rows; where every row has its own, as `stacked`, those of these rows in their order.
    """

    ensemble: Ensemble
    task: Task

    @cached_property
    def _single(self) -> Task:
        return self.task.to(torch.float32)

    def of(self, rows: Tensor | Sequence[int]) -> Objective:
        """The same for some rows of the ensemble."""
        return replace(self, task=self.task.of(rows)) if self.task.is_stacked else self

    def error(self, theta: Float[Tensor, "A n"]) -> Float[Tensor, " A"]:
        """E(θ), the data error without the L2 term."""
        task = self._single if theta.dtype == torch.float32 else self.task
        return task.error(self.ensemble.outputs(theta, task.inputs, task.is_stacked), task.targets)

    def zero_error(self, theta: Float[Tensor, "A n"]) -> Float[Tensor, " A"]:
        """E₀, the error of the zero function, for each of these rows."""
        zero = torch.zeros_like(theta)
        return self.error(zero) if self.task.is_stacked else self.error(zero[:1]).expand(len(zero))

    def sample_errors(self, theta: Float[Tensor, "A n"]) -> Float[Tensor, "A N"]:
        """E of every training sample by itself; E is their mean."""
        task = self._single if theta.dtype == torch.float32 else self.task
        outputs = self.ensemble.outputs(theta, task.inputs, task.is_stacked).unsqueeze(-2)
        targets = task.targets.unsqueeze(-2)
        errors: Tensor = vmap(task.error, in_dims=(1, targets.dim() - 3), out_dims=1)(outputs, targets)
        return errors

    def loss(self, theta: Float[Tensor, "A n"], l2: Float[Tensor, " A"]) -> Float[Tensor, " A"]:
        """𝓛(θ) = E(θ) + λ‖θ‖² (not λ/2: an optimiser's `weight_decay` would be 2λ)."""
        return self.error(theta) + l2 * theta.square().sum(-1)
