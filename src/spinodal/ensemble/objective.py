"""The function each replica minimises: 𝓛(θ) = E(θ) + λ‖θ‖²."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import vmap

from spinodal.ensemble.ensemble import Ensemble
from spinodal.tasks import Task


@dataclass(frozen=True)
class Objective:
    """E and 𝓛 of any rows of parameters, on the training set of a task, in the precision of the parameters."""

    ensemble: Ensemble
    task: Task

    @cached_property
    def _single(self) -> Task:
        return self.task.to(torch.float32)

    def error(self, theta: Float[Tensor, "A n"]) -> Float[Tensor, " A"]:
        """E(θ), the data error without the L2 term."""
        task = self._single if theta.dtype == torch.float32 else self.task
        return task.error(self.ensemble.outputs(theta, task.inputs), task.targets)

    def sample_errors(self, theta: Float[Tensor, "A n"]) -> Float[Tensor, "A N"]:
        """E of every training sample by itself; E is their mean."""
        task = self._single if theta.dtype == torch.float32 else self.task
        outputs = self.ensemble.outputs(theta, task.inputs).unsqueeze(-2)
        errors: Tensor = vmap(task.error, in_dims=(1, 0), out_dims=1)(outputs, task.targets.unsqueeze(-2))
        return errors

    def loss(self, theta: Float[Tensor, "A n"], l2: Float[Tensor, " A"]) -> Float[Tensor, " A"]:
        """𝓛(θ) = E(θ) + λ‖θ‖² (not λ/2: an optimiser's `weight_decay` would be 2λ)."""
        return self.error(theta) + l2 * theta.square().sum(-1)
