"""The functions 𝓛_c = E + c·P of all values of a control parameter c: what continuation needs of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from spinodal.geometry import linearise_gradient, value_and_gradient
from spinodal.geometry.derivatives import RowFunction, RowOperator


def squared_norm(theta: Float[Tensor, "R n"]) -> Float[Tensor, " R"]:
    """Compute P = ‖θ‖².

    Args:
        theta: Parameters, one network a row.
    """
    return theta.square().sum(-1)


squared_norm.hessian = 2.0  # type: ignore[attr-defined]


@runtime_checkable
class OfRows(Protocol):
    """A function whose rows differ, each with data of its own; all others serve any rows as they are."""

    def of(self, rows: Int[Tensor, " A"]) -> RowFunction:
        """Return the function of some rows.

        Args:
            rows: Their numbers; a number may occur more than once.
        """


@dataclass(frozen=True)
class Family:
    """𝓛_c = E + c·P, for rows of parameters.

    Attributes:
        error: E, with whatever does not change along the way.
        penalty: P. An attribute `hessian` of it states h where ∇²P = h·1 everywhere, which saves its products.
    """

    error: RowFunction
    penalty: RowFunction = squared_norm

    def of(self, rows: Int[Tensor, " A"]) -> Family:
        """Return the same for some rows."""
        error, penalty = (
            each.of(rows) if isinstance(each, OfRows) else each for each in (self.error, self.penalty)
        )
        return Family(error, penalty)

    def gradients(
        self, theta: Float[Tensor, "A n"]
    ) -> tuple[Float[Tensor, " A"], Float[Tensor, " A"], Float[Tensor, "A n"], Float[Tensor, "A n"]]:
        """Compute E, P, ∇E and ∇P."""
        error, force = value_and_gradient(self.error, theta)
        penalty, push = value_and_gradient(self.penalty, theta)
        return error, penalty, force, push

    def product(self, theta: Float[Tensor, "A n"], control: Float[Tensor, " A"]) -> RowOperator:
        """Return the product v ↦ ∇²𝓛_c(θ)·v."""
        of_error = linearise_gradient(self.error, theta)[2]
        stated = getattr(self.penalty, "hessian", None)
        if stated is not None:
            return lambda vectors: of_error(vectors) + (control * stated)[:, None] * vectors
        of_penalty = linearise_gradient(self.penalty, theta)[2]
        return lambda vectors: of_error(vectors) + control[:, None] * of_penalty(vectors)


def unit(vectors: Float[Tensor, "*R n"]) -> Float[Tensor, "*R n"]:
    """Return vectors of length one; zeros stay zeros."""
    length = vectors.norm(dim=-1, keepdim=True)
    return torch.where(length > 0, vectors / length, 0.0)
