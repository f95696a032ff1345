"""The function each replica minimises: 𝓛 = E + c·P + Σ cᵢ·Pᵢ, c the control parameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import vmap

from spinodal.ensemble.ensemble import Ensemble
from spinodal.geometry import kinked, value_and_gradient
from spinodal.penalties import Penalty, isotropic, l2
from spinodal.tasks import Task


@dataclass(frozen=True)
class Objective:
    """E and 𝓛 of rows of parameters, on the training set of their task, in the precision of the parameters.

    Attributes:
        ensemble: of networks.
        task: of any rows; where every row has its own, as `stacked`, those of these rows in their order.
        frozen: parameters that are not trained, of these rows in their order [A, m]; by default the ensemble's.
        penalty: P, what the control parameter multiplies.
        held: penalties that stay on along the way, each after its coefficient.
    """

    ensemble: Ensemble
    task: Task
    frozen: Float[Tensor, "A m"] | None = None
    penalty: Penalty = l2
    held: tuple[tuple[float, Penalty], ...] = ()

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
        outputs = self.ensemble.outputs(theta, task.inputs, task.is_stacked, self.frozen)
        return task.error(outputs, task.targets)

    def zero_error(self, theta: Float[Tensor, "A n"]) -> Float[Tensor, " A"]:
        """E₀, the error at θ = 0, which is that of the zero function, for each of these rows."""
        zero = torch.zeros_like(theta)
        alike = not self.task.is_stacked and self.ensemble.frozen is None
        return self.error(zero[:1]).expand(len(zero)) if alike else self.error(zero)

    def sample_errors(self, theta: Float[Tensor, "A n"]) -> Float[Tensor, "A N"]:
        """E of every training sample by itself; E is their mean."""
        task = self._single if theta.dtype == torch.float32 else self.task
        outputs = self.ensemble.outputs(theta, task.inputs, task.is_stacked, self.frozen).unsqueeze(-2)
        targets = task.targets.unsqueeze(-2)
        errors: Tensor = vmap(task.error, in_dims=(1, targets.dim() - 3), out_dims=1)(outputs, targets)
        return errors

    def cost(self, theta: Float[Tensor, "A n"], control: Float[Tensor, " A"]) -> Float[Tensor, " A"]:
        """What 𝓛 has besides E: c·P + Σ cᵢ·Pᵢ."""
        cost = control * self.penalty(self, theta)
        for coefficient, penalty in self.held:
            cost = cost + coefficient * penalty(self, theta)
        return cost

    def loss(self, theta: Float[Tensor, "A n"], control: Float[Tensor, " A"]) -> Float[Tensor, " A"]:
        """𝓛(θ) = E(θ) + c·P(θ) + Σ cᵢ·Pᵢ(θ)."""
        return self.error(theta) + self.cost(theta, control)

    def shift(self, control: Float[Tensor, " A"]) -> Float[Tensor, " A"] | None:
        """By how much eigenvalues of ∇²𝓛 lie above those of ∇²E; None where penalties move each by another amount."""
        shift = torch.zeros_like(control)
        terms: list[tuple[Tensor | float, Penalty]] = [(control, self.penalty), *self.held]
        for coefficient, penalty in terms:
            own = isotropic(penalty)
            if own is None:
                return None
            shift = shift + coefficient * own
        return shift

    def push(self, theta: Float[Tensor, "A n"]) -> Float[Tensor, "A n"]:
        """∇P, against which a minimum is held: it moves with the control parameter by ∂θ*/∂c = −(∇²𝓛)⁻¹∇P."""
        return value_and_gradient(lambda rows: self.penalty(self, rows), theta)[1]
