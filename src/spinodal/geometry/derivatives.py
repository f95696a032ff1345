"""First and second derivatives of functions that act on each replica's row separately."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

RowFunction = Callable[[Tensor], Tensor]
"""θ [R, n] → values [R], the value of each row a function of that row alone."""

RowOperator = Callable[[Tensor], Tensor]
"""Vectors [R, n] → vectors [R, n], row by row."""

_ROWS = {"cpu": 32}
"""Rows a Hessian-vector product is best made for at once; more on other devices than the CPU."""


@dataclass(frozen=True)
class Summed:
    """A function of rows that is the sum of others, as an error is over blocks of samples.

    Its derivatives are taken term by term, so that the graph of one term exists at a time: memory does not grow with
    the number of terms. Terms are added in their order, so that a sum has the same bits on every occasion.

    Attributes:
        terms: at least one.
    """

    terms: Sequence[RowFunction]

    def __call__(self, theta: Float[Tensor, "R n"]) -> Float[Tensor, " R"]:
        """Return the sum of the terms."""
        first, *others = self.terms
        value = first(theta)
        for term in others:
            value = value + term(theta)
        return value

    def each(self, change: Callable[[RowFunction], RowFunction]) -> Summed:
        """Return the sum of changed terms."""
        return Summed([change(term) for term in self.terms])

    def plus(self, other: RowFunction) -> Summed:
        """Return the sum with another function, which shares the graph of the first term."""
        first, *others = self.terms
        return Summed([lambda theta: first(theta) + other(theta), *others])


def terms_of(function: RowFunction) -> Sequence[RowFunction]:
    """Return the functions whose sum a function is: itself, unless it is `Summed`."""
    return function.terms if isinstance(function, Summed) else (function,)


def value_and_gradient(
    function: RowFunction, theta: Float[Tensor, "R n"]
) -> tuple[Float[Tensor, " R"], Float[Tensor, "R n"]]:
    """Values and gradients of every row, from one backward pass through the sum over rows of each term."""
    first, *others = terms_of(function)
    value, gradient = _value_and_gradient(first, theta)
    for term in others:
        more = _value_and_gradient(term, theta)
        value, gradient = value + more[0], gradient + more[1]
    return value, gradient


def _value_and_gradient(term: RowFunction, theta: Tensor) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        theta = theta.detach().requires_grad_()
        values = term(theta)
        (gradient,) = torch.autograd.grad(values.sum(), theta)
    return values.detach(), gradient


def linearise_gradient(
    function: RowFunction, theta: Float[Tensor, "R n"]
) -> tuple[Float[Tensor, " R"], Float[Tensor, "R n"], RowOperator]:
    """Values, gradients and the Hessian-vector product v ↦ ∇²f(θ)·v of every row.

    The graph of the gradient is built once and kept, so that each product costs one backward pass through it
    (reverse over reverse), about two gradients, and nothing is computed again. Of a sum of several terms no graph is
    kept: each product, or stack of products, builds that of every term again, in the memory of one term.

    Returns:
        Values [R], gradients [R, n], and the product, which also takes stacks of vectors [k, R, n].
    """
    terms = terms_of(function)
    if len(terms) == 1:
        return _linearised(terms[0], theta)
    where = theta.detach().clone()

    def product(vectors: Tensor) -> Tensor:
        first, *others = terms
        result = _linearised(first, where)[2](vectors)
        for term in others:
            result = result + _linearised(term, where)[2](vectors)
        return result

    return *value_and_gradient(function, where), product


def _linearised(term: RowFunction, theta: Tensor) -> tuple[Tensor, Tensor, RowOperator]:
    with torch.enable_grad():
        theta = theta.detach().requires_grad_()
        values = term(theta)
        (gradient,) = torch.autograd.grad(values.sum(), theta, create_graph=True)

    def product(vectors: Tensor) -> Tensor:
        (result,) = torch.autograd.grad(
            gradient, theta, vectors, retain_graph=True, is_grads_batched=vectors.dim() > theta.dim()
        )
        return result

    if not gradient.requires_grad:  # a function of degree one: its Hessian is zero
        return values.detach(), gradient, torch.zeros_like
    return values.detach(), gradient.detach(), product


def hessian_columns(
    product: RowOperator, theta: Float[Tensor, "R n"], max_bytes: int
) -> Iterator[tuple[int, Float[Tensor, "k R n"]]]:
    """The columns of every row's Hessian, some at a time: (index of the first, columns).

    Args:
        product: as `linearise_gradient` returns it.
        theta: where it was made.
        max_bytes: of columns at a time; a single one is made in any case.
    """
    rows, n = theta.shape
    at_once = min(
        _ROWS.get(theta.device.type, 4096) // rows, max_bytes // (theta.element_size() * rows * n), n
    )
    for first in range(0, n, max(1, at_once)):
        units = torch.arange(first, min(first + max(1, at_once), n), device=theta.device)
        vectors = theta.new_zeros(len(units), rows, n)
        vectors[torch.arange(len(units), device=theta.device), :, units] = 1.0
        yield first, product(vectors) if len(units) > 1 else product(vectors[0])[None]


def hessian(
    function: RowFunction, theta: Float[Tensor, "R n"], max_bytes: int = 2**29
) -> Float[Tensor, "R n n"]:
    """The full Hessian of every row.

    Args:
        function: of rows.
        theta: where.
        max_bytes: of columns in the making; the result itself takes 8·R·n².
    """
    _, _, product = linearise_gradient(function, theta)
    result = theta.new_empty(theta.shape[-1], *theta.shape)
    for first, columns in hessian_columns(product, theta, max_bytes):
        result[first : first + len(columns)] = columns
    return result.movedim(0, -1)
