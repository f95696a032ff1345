"""The spectrum of ∇²𝓛 at a minimum, and the one mode in it that ends the phase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from spinodal.geometry.derivatives import RowOperator
from spinodal.geometry.lanczos import lanczos
from spinodal.geometry.pieces import Estimate, draw

FLAT = 1e-6
"""Eigenvalues below this fraction of the largest are zero."""

_CONVERGED = 1e-7
"""Residuals, relative to the largest eigenvalue or to half of ∇P, at which a Krylov space is large enough."""


@dataclass(frozen=True)
class SoftMode:
    """The mode along which a minimum gives way when the control parameter c grows.

    Attributes:
        value: its eigenvalue of ∇²𝓛 [R]; NaN where ∇P = 0, and the minimum does not answer to c.
        overlap: |cosine| between the mode and ∂θ*/∂c [R].
        residual: ‖Hu − μu‖ of the mode [R]; an eigenvalue lies within that of `value`.
        response: ∂θ*/∂c [R, n].
        products: Hessian-vector products it took.
    """

    value: Float[Tensor, " R"]
    overlap: Float[Tensor, " R"]
    residual: Float[Tensor, " R"]
    response: Float[Tensor, "R n"]
    products: int


RESPONSE = 300
"""Dimensions of the Krylov space for the soft mode."""


def soft_mode(operator: RowOperator, push: Float[Tensor, "R n"], max_products: int = RESPONSE) -> SoftMode:
    """Find the eigenvalue of ∇²𝓛 whose mode has the largest overlap with ∂θ*/∂c, for 𝓛 = E + c·P.

    A minimum moves with the control parameter as (∇²𝓛) ∂θ*/∂c = −∇P. Only modes that ∇P has a component along take
    part, so Lanczos started at ∇P finds them, solves the equation, and leaves out the modes of symmetries that P
    shares with E, to which ∇P is orthogonal. The smallest eigenvalue of all is usually one of those, or a rotation
    between features, and no sign of an end.

    Args:
        operator: Products with ∇²𝓛 at the minima.
        push: ∇P there; 2θ* where P = ‖θ‖².
        max_products: At most this many for the last Krylov space; smaller ones of 25 and 100 are tried before it.
    """
    length, products = push.norm(dim=-1, keepdim=True), 0
    for steps in (*(each for each in (25, 100) if each < max_products), max_products):
        krylov = lanczos(operator, push, steps)
        products += krylov.products
        largest = krylov.tridiagonal.abs().amax((1, 2))[:, None]
        answers = -length * krylov.vectors[:, 0] / krylov.ritz  # ∂θ*/∂c along every Ritz vector
        answers = torch.where(krylov.ritz.abs() <= FLAT * largest, 0.0, answers)
        size, index = answers.abs().max(-1, keepdim=True)
        left = krylov.remainder[:, None] * krylov.last
        residual = left.gather(1, index).abs()
        unsolved = (left * answers).sum(-1, keepdim=True).abs()  # ‖(∇²𝓛) ∂θ*/∂c + ∇P‖
        solved = (residual <= _CONVERGED * largest) & (unsolved <= 0.5 * _CONVERGED * length)
        if solved.all() or len(krylov.basis) < steps:  # there are no more dimensions, or no memory for more
            break
    unlearned = (size == 0).squeeze(-1)
    value, overlap = krylov.ritz.gather(1, index), size / answers.norm(dim=-1, keepdim=True)
    return SoftMode(
        value=torch.where(unlearned, torch.nan, value.squeeze(1)),
        overlap=torch.where(unlearned, torch.nan, overlap.squeeze(1)),
        residual=residual.squeeze(1),
        response=torch.einsum(
            "krn,rk->rn", krylov.basis, torch.einsum("rki,ri->rk", krylov.vectors, answers)
        ),
        products=products,
    )


def zero_modes(eigenvalues: Float[Tensor, "R n"]) -> Int[Tensor, " R"]:
    """How many eigenvalues are zero, up to a millionth of the largest."""
    return (eigenvalues.abs() <= FLAT * eigenvalues.abs().amax(-1, keepdim=True)).sum(-1)


def negative_modes(eigenvalues: Float[Tensor, "R n"]) -> Int[Tensor, " R"]:
    """How many eigenvalues are negative by more than a millionth of the largest: none, in a minimum."""
    return (eigenvalues < -FLAT * eigenvalues.abs().amax(-1, keepdim=True)).sum(-1)


@dataclass(frozen=True)
class SpectralDensity:
    """The density of eigenvalues as stochastic Lanczos quadrature has it: weights at nodes, for each probe.

    Attributes:
        nodes: [R, probes, steps].
        weights: of the nodes [R, probes, steps]; those of a probe sum to 1.
        n: number of eigenvalues.
    """

    nodes: Float[Tensor, "R p k"]
    weights: Float[Tensor, "R p k"]
    n: int

    def below(self, eigenvalue: float) -> Estimate:
        """How many eigenvalues are smaller [R]."""
        counts = self.n * (self.weights * (self.nodes < eigenvalue)).sum(-1)
        return Estimate(counts.mean(-1), counts.std(-1) / counts.shape[-1] ** 0.5)

    def smoothed(self, eigenvalues: Float[Tensor, " x"], sigma: float) -> Estimate:
        """The density at some eigenvalues, every node a Gaussian of width sigma [R, x]."""
        distance = (eigenvalues[:, None, None, None] - self.nodes) / sigma
        bumps = torch.exp(-0.5 * distance**2) / (sigma * (2 * torch.pi) ** 0.5)
        density = (bumps * self.weights).sum(-1).permute(1, 0, 2)
        return Estimate(density.mean(-1), density.std(-1) / density.shape[-1] ** 0.5)


def spectral_density(
    operator: RowOperator,
    like: Float[Tensor, "R n"],
    *,
    probes: int = 10,
    steps: int = 80,
    generators: Sequence[torch.Generator],
) -> SpectralDensity:
    """Stochastic Lanczos quadrature (Ubaru, Chen & Saad 2017): no Hessian is ever formed.

    Args:
        operator: products with the Hessian.
        like: any tensor of the shape, dtype and device of θ.
        probes: random starting vectors, at least 2.
        steps: products with each.
        generators: one per row, or one for all.
    """
    nodes, weights = [], []
    for _ in range(probes):
        krylov = lanczos(operator, draw(like, generators, torch.randn), steps)
        nodes.append(krylov.ritz)
        weights.append(krylov.vectors[:, 0] ** 2)
    return SpectralDensity(torch.stack(nodes, 1), torch.stack(weights, 1), like.shape[-1])
