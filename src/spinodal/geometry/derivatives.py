"""First and second derivatives of functions that act on each replica's row separately."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

RowFunction = Callable[[Tensor], Tensor]
"""θ [R, n] → values [R], the value of each row a function of that row alone."""

RowOperator = Callable[[Tensor], Tensor]
"""Vectors [R, n] → vectors [R, n], row by row."""


def value_and_gradient(
    function: RowFunction, theta: Float[Tensor, "R n"]
) -> tuple[Float[Tensor, " R"], Float[Tensor, "R n"]]:
    """Values and gradients of every row, from one backward pass through their sum."""
    with torch.enable_grad():
        theta = theta.detach().requires_grad_()
        values = function(theta)
        (gradient,) = torch.autograd.grad(values.sum(), theta)
    return values.detach(), gradient


def linearise_gradient(
    function: RowFunction, theta: Float[Tensor, "R n"]
) -> tuple[Float[Tensor, " R"], Float[Tensor, "R n"], RowOperator]:
    """Values, gradients and the Hessian-vector product v ↦ ∇²f(θ)·v of every row.

    The graph of the gradient is built once and kept, so that each product costs one backward pass through it
    (reverse over reverse), about two gradients, and nothing is computed again.
    """
    with torch.enable_grad():
        theta = theta.detach().requires_grad_()
        values = function(theta)
        (gradient,) = torch.autograd.grad(values.sum(), theta, create_graph=True)

    def product(vectors: Tensor) -> Tensor:
        (result,) = torch.autograd.grad(gradient, theta, vectors, retain_graph=True)
        return result

    return values.detach(), gradient.detach(), product
