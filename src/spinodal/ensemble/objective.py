"""The function each replica minimises: 𝓛 = E + c·P + Σ cᵢ·Pᵢ, c the control parameter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.func import vmap

from spinodal.ensemble.ensemble import BLOCK, Ensemble
from spinodal.ensemble.frozen import Frozen
from spinodal.geometry import Summed, kinked, value_and_gradient
from spinodal.geometry.derivatives import RowFunction
from spinodal.penalties import Penalty, isotropic, l2
from spinodal.tasks import Task


@dataclass(frozen=True)
class Objective:
    """E and 𝓛 of rows of parameters, on the training set of their task, in the precision of the parameters.

    Both are means over samples, computed and differentiated a block of samples after the other: memory does not depend
    on how many there are. What a penalty is of a block has the block's share, too, so that it may depend on data.

    Attributes:
        ensemble: of networks.
        task: of any rows; where every row has its own, as `stacked`, those of these rows in their order.
        frozen: what the networks of these rows hold besides θ, in their order; by default the ensemble's.
        penalty: P, what the control parameter multiplies.
        held: penalties that stay on along the way, each after its coefficient.
    """

    ensemble: Ensemble
    task: Task
    frozen: Frozen | None = None
    penalty: Penalty = l2
    held: tuple[tuple[float, Penalty], ...] = ()

    def of(self, rows: Tensor | Sequence[int]) -> Objective:
        """Return the same for some rows of the ensemble."""
        frozen = self.ensemble.frozen if self.frozen is None else self.frozen
        if not self.task.is_stacked and frozen is None:
            return self
        return replace(self, task=self.task.of(rows), frozen=None if frozen is None else frozen[rows])

    def drawn(self, samples: Int64[Tensor, "A B"]) -> Objective:
        """Return the same on a minibatch of each row: on so many samples, by their numbers."""
        return replace(self, task=self.task.drawn(samples))

    @property
    def smooth(self) -> bool:
        """Whether 𝓛 has a gradient and a Hessian everywhere, as far as its operations show.

        An attribute `smooth` of the network, True or False, takes precedence: its author answers for it.
        """
        given = getattr(self.ensemble.network, "smooth", None)
        if isinstance(given, bool):
            return given
        theta = self.ensemble.theta[:1]
        return not kinked(self.of([0])._blocks[0].at(theta.new_ones(1)), theta)

    @cached_property
    def error(self) -> RowFunction:
        """E(θ), the data error without any penalty: θ [A, n] → [A]."""
        return self._mean(Objective._error)

    def at(self, control: Float[Tensor, " A"]) -> RowFunction:
        """Return 𝓛(θ) where the control parameter has these values: θ [A, n] → [A]."""
        return self._mean(lambda block, theta: block._error(theta) + block._cost(theta, control))

    def weighted(self, weights: Float[Tensor, "A N"], control: Float[Tensor, " A"]) -> RowFunction:
        """Return 𝓛(θ) with Σ wᵢEᵢ(θ) in the place of E, Eᵢ the error on one sample: θ [A, n] → [A]."""

        def term(block: Objective, part: Tensor, theta: Tensor) -> Tensor:
            share = block.task.samples / self.task.samples
            return (part * block._sample_errors(theta)).sum(-1) + share * block._cost(theta, control)

        parts = torch.split(weights, BLOCK, dim=-1)
        terms = [partial(term, *each) for each in zip(self._blocks, parts, strict=True)]
        return terms[0] if len(terms) == 1 else Summed(terms)

    def loss(self, theta: Float[Tensor, "A n"], control: Float[Tensor, " A"]) -> Float[Tensor, " A"]:
        """Compute 𝓛(θ) = E(θ) + c·P(θ) + Σ cᵢ·Pᵢ(θ)."""
        return self.at(control)(theta)

    def cost(self, theta: Float[Tensor, "A n"], control: Float[Tensor, " A"]) -> Float[Tensor, " A"]:
        """Compute what 𝓛 has besides E: c·P + Σ cᵢ·Pᵢ."""
        return self._mean(lambda block, rows: block._cost(rows, control))(theta)

    def penalty_and_gradient(
        self, theta: Float[Tensor, "A n"]
    ) -> tuple[Float[Tensor, " A"], Float[Tensor, "A n"]]:
        """Compute P, which is d𝓛/dc along minima, and ∇P: with c a minimum moves by ∂θ*/∂c = −(∇²𝓛)⁻¹∇P."""
        return value_and_gradient(self.penalised, theta)

    @property
    def penalised(self) -> RowFunction:
        """P(θ), what the control parameter multiplies: θ [A, n] → [A]."""
        return self._mean(lambda block, rows: self.penalty(block, rows))

    def shift(self, control: Float[Tensor, " A"]) -> Float[Tensor, " A"] | None:
        """Return by how much eigenvalues of ∇²𝓛 lie above those of ∇²E; None where each is moved by another amount."""
        shift = torch.zeros_like(control)
        terms: list[tuple[Tensor | float, Penalty]] = [(control, self.penalty), *self.held]
        for coefficient, penalty in terms:
            own = isotropic(penalty)
            if own is None:
                return None
            shift = shift + coefficient * own
        return shift

    def zero_error(self, theta: Float[Tensor, "A n"]) -> Float[Tensor, " A"]:
        """Compute E₀, the error at θ = 0, which is that of the zero function, for each of these rows."""
        zero = torch.zeros_like(theta)
        alike = not self.task.is_stacked and self.ensemble.frozen is None
        return self.error(zero[:1]).expand(len(zero)) if alike else self.error(zero)

    @cached_property
    def _blocks(self) -> tuple[Objective, ...]:
        samples = self.task.samples
        if samples <= BLOCK:
            return (self,)
        parts = [slice(first, first + BLOCK) for first in range(0, samples, BLOCK)]
        return tuple(replace(self, task=self.task.part(part)) for part in parts)

    def _mean(self, function: Callable[[Objective, Tensor], Tensor]) -> RowFunction:
        """A mean over samples as the sum of what it is of each block, times the share of that block."""
        if len(self._blocks) == 1:
            return partial(function, self)

        def term(block: Objective) -> RowFunction:
            share = block.task.samples / self.task.samples
            return lambda theta: share * function(block, theta)

        return Summed([term(block) for block in self._blocks])

    @cached_property
    def _single(self) -> Task:
        return self.task.to(torch.float32)

    def outputs(self, theta: Float[Tensor, "A n"]) -> Float[Tensor, "A N ..."]:
        """Compute f(X), of each row, in the precision of θ: what a penalty that depends on data begins with."""
        task = self._typed(theta)
        return self.ensemble.outputs(theta, task.inputs, task.has_own_inputs, self.frozen)

    def _typed(self, theta: Float[Tensor, "A n"]) -> Task:
        return self._single if theta.dtype == torch.float32 else self.task

    def _error(self, theta: Float[Tensor, "A n"]) -> Float[Tensor, " A"]:
        task = self._typed(theta)
        return task.error(self.outputs(theta), task.targets)

    def _sample_errors(self, theta: Float[Tensor, "A n"]) -> Float[Tensor, "A N"]:
        task, outputs = self._typed(theta), self.outputs(theta).unsqueeze(-2)
        targets = task.targets.unsqueeze(-2)
        errors: Tensor = vmap(task.error, in_dims=(1, targets.dim() - 3), out_dims=1)(outputs, targets)
        return errors

    def _cost(self, theta: Float[Tensor, "A n"], control: Float[Tensor, " A"]) -> Float[Tensor, " A"]:
        cost = control * self.penalty(self, theta)
        for coefficient, penalty in self.held:
            cost = cost + coefficient * penalty(self, theta)
        return cost
