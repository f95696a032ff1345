"""The function each replica minimises: 𝓛 = E + c·P + Σ cᵢ·Pᵢ, c the control parameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.func import vmap

from spinodal.ensemble.ensemble import Ensemble
from spinodal.ensemble.samples import Samples
from spinodal.geometry import Summed, kinked, value_and_gradient
from spinodal.geometry.derivatives import RowFunction
from spinodal.penalties import Penalty, isotropic, l2
from spinodal.tasks import Task


@dataclass(frozen=True)
class Objective:
    """E and 𝓛 of rows of parameters, on the training set of their task, in the precision of the parameters.

    E is a mean over samples, and so a sum over blocks of them: what `value_and_gradient`, `linearise_gradient` and
    `hessian` make of `error`, or of `loss_at` some c, takes the memory of one block, however many samples there are.

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
    def _double(self) -> list[Samples]:
        return Samples.of(self.task).blocks()

    @cached_property
    def _single(self) -> list[Samples]:
        return Samples.of(self.task.to(torch.float32)).blocks()

    def _block(self, place: int, theta: Tensor) -> Samples:
        return (self._single if theta.dtype == torch.float32 else self._double)[place]

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

    @property
    def error(self) -> Summed:
        """E(θ) of rows [A, n], the data error without penalties: a function of θ, with a term for each block."""

        def term(place: int, theta: Tensor) -> Tensor:
            return self._error_on(self._block(place, theta), theta)

        shares = [block.number / self.task.samples for block in self._double]
        return _shared([partial(term, place) for place in range(len(shares))], shares)

    def error_of_drawn(self, numbers: Int[Tensor, "A B"]) -> Summed:
        """E(θ) on B samples of the training set, of every row its own; one drawn twice counts twice.

        Args:
            numbers: of the samples.
        """
        blocks = Samples.of(self.task).drawn(numbers).blocks()

        def term(block: Samples, theta: Tensor) -> Tensor:
            return self._error_on(block.to(theta.dtype), theta)

        shares = [block.number / numbers.shape[-1] for block in blocks]
        return _shared([partial(term, block) for block in blocks], shares)

    def weighted_error(self, weights: Float[Tensor, "A N"]) -> Summed:
        """Σ wᵢEᵢ(θ) over the training set, of every row with its own weights.

        Args:
            weights: of the samples' errors Eᵢ.
        """
        parts = torch.split(weights, [block.number for block in self._double], -1)

        def term(place: int, theta: Tensor) -> Tensor:
            return (parts[place] * self._errors_on(self._block(place, theta), theta)).sum(-1)

        return Summed([partial(term, place) for place in range(len(parts))])

    def _error_on(self, block: Samples, theta: Tensor) -> Float[Tensor, " A"]:
        return self.task.error(self._outputs_on(block, theta), block.targets)

    def _errors_on(self, block: Samples, theta: Tensor) -> Float[Tensor, "A b"]:
        outputs, targets = self._outputs_on(block, theta).unsqueeze(-2), block.targets.unsqueeze(-2)
        errors: Tensor = vmap(self.task.error, in_dims=(1, targets.dim() - 3), out_dims=1)(outputs, targets)
        return errors

    def _outputs_on(self, block: Samples, theta: Tensor) -> Float[Tensor, "A b c"]:
        return self.ensemble.outputs(theta, block.inputs, block.own_inputs, self.frozen)

    def zero_error(self, theta: Float[Tensor, "A n"]) -> Float[Tensor, " A"]:
        """E₀, the error at θ = 0, which is that of the zero function, for each of these rows."""
        zero = torch.zeros_like(theta)
        alike = not self.task.is_stacked and self.ensemble.frozen is None
        return self.error(zero[:1]).expand(len(zero)) if alike else self.error(zero)

    def sample_errors(self, theta: Float[Tensor, "A n"]) -> Float[Tensor, "A N"]:
        """E of every training sample by itself; E is their mean."""
        blocks = [self._block(place, theta) for place in range(len(self._double))]
        return torch.cat([self._errors_on(block, theta) for block in blocks], -1)

    @torch.no_grad()
    def outputs(self, theta: Float[Tensor, "A n"], test: bool = False) -> Float[Tensor, "A N c"]:
        """Outputs for all samples of the training set or the test set, without a graph."""
        samples = Samples.of(self.task, test)
        return torch.cat([self._outputs_on(block, theta) for block in samples.blocks()], -2)

    def cost(self, theta: Float[Tensor, "A n"], control: Float[Tensor, " A"]) -> Float[Tensor, " A"]:
        """What 𝓛 has besides E: c·P + Σ cᵢ·Pᵢ."""
        cost = control * self.penalty(self, theta)
        for coefficient, penalty in self.held:
            cost = cost + coefficient * penalty(self, theta)
        return cost

    def loss_at(self, control: Float[Tensor, " A"]) -> Summed:
        """𝓛(θ) = E(θ) + c·P(θ) + Σ cᵢ·Pᵢ(θ) at some c: a function of θ, with a term for each block of samples."""
        return self.error.plus(lambda theta: self.cost(theta, control))

    def loss(self, theta: Float[Tensor, "A n"], control: Float[Tensor, " A"]) -> Float[Tensor, " A"]:
        """𝓛 of rows at their c."""
        return self.loss_at(control)(theta)

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


def _shared(terms: Sequence[RowFunction], shares: Sequence[float]) -> Summed:
    """The mean over samples from the means over blocks; that over a single block as it is, to the bit."""
    if len(terms) == 1:
        return Summed(terms)

    def shared(term: RowFunction, share: float, theta: Tensor) -> Tensor:
        return share * term(theta)

    return Summed([partial(shared, *each) for each in zip(terms, shares, strict=True)])
