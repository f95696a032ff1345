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
from spinodal.ensemble.frozen import Frozen
from spinodal.geometry import kinked
from spinodal.tasks import Task


@dataclass(frozen=True)
class Objective:
    """E and 𝓛 of rows of parameters, on the training set of their task, in the precision of the parameters.

    Attributes:
        ensemble: of networks.
        task: of any rows; where every row has its own, as `stacked`, those of these rows in their order.
        frozen: what the networks of these rows hold besides θ, in their order; by default the ensemble's.
    """

    ensemble: Ensemble
    task: Task
    frozen: Frozen | None = None

    @cached_property
    def _single(self) -> Task:
        return self.task.to(torch.float32)

    def of(self, rows: Tensor | Sequence[int]) -> Objective:
        """The same for some rows of the ensemble."""
        frozen = self.ensemble.frozen if self.frozen is None else self.frozen
        if not self.task.is_stacked and frozen is None:
            return self
        return replace(self, task=self.task.of(rows), frozen=None if frozen is None else frozen[rows])

    @property
    def smooth(self) -> bool:
        """Whether E has a gradient and a Hessian everywhere, as far as its operations show.

        An attribute `smooth` of the network, True or False, takes precedence: its author answers for it.
        """
        given = getattr(self.ensemble.network, "smooth", None)
        return given if isinstance(given, bool) else not kinked(self.of([0]).error, self.ensemble.theta[:1])

    def error(self, theta: Float[Tensor, "A n"]) -> Float[Tensor, " A"]:
        """E(θ), the data error without the L2 term."""
        task = self._single if theta.dtype == torch.float32 else self.task
        outputs = self.ensemble.outputs(theta, task.inputs, task.has_own_inputs, self.frozen)
        return task.error(outputs, task.targets)

    def zero_error(self, theta: Float[Tensor, "A n"]) -> Float[Tensor, " A"]:
        """E₀, the error at θ = 0, which is that of the zero function, for each of these rows."""
        zero = torch.zeros_like(theta)
        alike = not self.task.is_stacked and self.ensemble.frozen is None
        return self.error(zero[:1]).expand(len(zero)) if alike else self.error(zero)

    def sample_errors(self, theta: Float[Tensor, "A n"]) -> Float[Tensor, "A N"]:
        """E of every training sample by itself; E is their mean."""
        task = self._single if theta.dtype == torch.float32 else self.task
        outputs = self.ensemble.outputs(theta, task.inputs, task.has_own_inputs, self.frozen).unsqueeze(-2)
        targets = task.targets.unsqueeze(-2)
        errors: Tensor = vmap(task.error, in_dims=(1, targets.dim() - 3), out_dims=1)(outputs, targets)
        return errors

    def loss(self, theta: Float[Tensor, "A n"], l2: Float[Tensor, " A"]) -> Float[Tensor, " A"]:
        """𝓛(θ) = E(θ) + λ‖θ‖² (not λ/2: an optimiser's `weight_decay` would be 2λ)."""
        return self.error(theta) + l2 * theta.square().sum(-1)
