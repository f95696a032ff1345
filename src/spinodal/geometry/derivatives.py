"""First and second derivatives of functions that act on each replica's row separately."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

RowFunction = Callable[[Tensor], Tensor]
"""θ [R, n] → values [R], the value of each row a function of that row alone."""

RowOperator = Callable[[Tensor], Tensor]
"""Vectors [R, n] → vectors [R, n], row by row."""


class Summed:
    """A row function that is a sum, as a mean over many samples is: differentiated one term after the other.

    Derivatives then take the memory of one term, and every sum is made in the order of the terms.

    Args:
        terms: At least one.
    """

    def __init__(self, terms: Sequence[RowFunction]) -> None:
        self.terms = tuple(terms)

    def __call__(self, theta: Float[Tensor, "R n"]) -> Float[Tensor, " R"]:
        """Compute the sum.

        Args:
            theta: Where.
        """
        return _summed(term(theta) for term in self.terms)


def terms_of(function: RowFunction) -> tuple[RowFunction, ...]:
    """Return the terms of a sum; of any other function itself alone."""
    return function.terms if isinstance(function, Summed) else (function,)


def each_term(change: Callable[[RowFunction], RowFunction], function: RowFunction) -> RowFunction:
    """Return a function with every term of its sum changed, still as a sum."""
    changed = [change(term) for term in terms_of(function)]
    return changed[0] if len(changed) == 1 else Summed(changed)


def _summed(parts: Iterable[Tensor]) -> Tensor:
    each = iter(parts)  # one at a time: those of many terms would take more memory than their sum
    total = next(each)
    for part in each:
        total = total + part
    return total


_ROWS = {"cpu": 32}
"""Rows a Hessian-vector product is best made for at once; more on other devices than the CPU."""


def value_and_gradient(
    function: RowFunction, theta: Float[Tensor, "R n"]
) -> tuple[Float[Tensor, " R"], Float[Tensor, "R n"]]:
    """Compute values and gradients of every row, from one backward pass through their sum, term by term."""
    with torch.enable_grad():
        theta = theta.detach().requires_grad_()
        total: tuple[Tensor, Tensor] | None = None
        for term in terms_of(function):
            values = term(theta)
            (gradient,) = torch.autograd.grad(values.sum(), theta)
            values = values.detach()
            total = (values, gradient) if total is None else (total[0] + values, total[1] + gradient)
    assert total is not None
    return total


def linearise_gradient(
    function: RowFunction, theta: Float[Tensor, "R n"]
) -> tuple[Float[Tensor, " R"], Float[Tensor, "R n"], RowOperator]:
    """Compute values, gradients and the Hessian-vector product v ↦ ∇²f(θ)·v of every row.

    The graph of the gradient is built once and kept, so that each product costs one backward pass through it
    (reverse over reverse), about two gradients, and nothing is computed again. Those of a sum of several terms would
    together take the memory of all: each is built again for each product, which then costs about four gradients.

    Returns:
        Values [R], gradients [R, n], and the product, which also takes stacks of vectors [k, R, n].
    """
    terms = terms_of(function)
    if len(terms) == 1:
        return _linearised(terms[0], theta)
    theta = theta.detach()

    def product(vectors: Tensor) -> Tensor:
        return _summed(_linearised(term, theta)[2](vectors) for term in terms)

    return *value_and_gradient(function, theta), product


def _linearised(
    function: RowFunction, theta: Float[Tensor, "R n"]
) -> tuple[Float[Tensor, " R"], Float[Tensor, "R n"], RowOperator]:
    with torch.enable_grad():
        theta = theta.detach().requires_grad_()
        values = function(theta)
        (gradient,) = torch.autograd.grad(values.sum(), theta, create_graph=True)

    if not gradient.requires_grad:  # a function of degree one: its Hessian is zero
        return values.detach(), gradient, torch.zeros_like
    return values.detach(), gradient.detach(), partial(_product, gradient, theta)


def _product(gradient: Tensor, theta: Tensor, vectors: Tensor) -> Tensor:
    (result,) = torch.autograd.grad(
        gradient, theta, vectors, retain_graph=True, is_grads_batched=vectors.dim() > theta.dim()
    )
    return result


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
