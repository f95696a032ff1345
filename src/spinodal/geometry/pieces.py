"""What the scalar curvature is made of: tr H, ‖H‖_F² and products with v = ∇E, exactly or from random probes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from spinodal.geometry.derivatives import RowOperator, hessian_columns
from spinodal.geometry.lanczos import MAX_BYTES, Krylov, lanczos

FEWEST = 3
"""Probes from which an unbiased (tr H)² and its error can be had; two products go elsewhere."""

_LARGEST = 150
"""Dimensions of the Krylov space: by then it has taken in what stands out, and more would only cost time."""

_BLOCK = 8
"""Probes between two looks at whether the error is small enough."""


class Estimate(NamedTuple):
    """A number and its standard error, for every replica."""

    value: Float[Tensor, "*R"]
    standard_error: Float[Tensor, "*R"]

    def __str__(self) -> str:
        pairs = zip(self.value.reshape(-1).tolist(), self.standard_error.reshape(-1).tolist(), strict=True)
        return ", ".join(_written(value, error) for value, error in pairs)


def _written(value: float, error: float) -> str:
    if not 0 < error < float("inf"):
        return f"{value:.8g} ± {error:.2g}"
    # Two digits of the error, and the value to the same place.
    digits = 1 - int(f"{error:.1e}".partition("e")[2])
    return f"{round(value, digits):.{max(0, digits)}f} ± {round(error, digits):.{max(0, digits)}f}"


@dataclass(frozen=True)
class Along:
    """What one gradient and one product with it tell [R]: ‖v‖², vᵀHv and ‖Hv‖²."""

    gradient_squared: Float[Tensor, " R"]
    gradient_hessian_gradient: Float[Tensor, " R"]
    hessian_gradient_squared: Float[Tensor, " R"]

    @classmethod
    def of(cls, gradient: Float[Tensor, "R n"], product: RowOperator) -> Along:
        """Measures them."""
        image = product(gradient)
        return cls(gradient.square().sum(-1), (gradient * image).sum(-1), image.square().sum(-1))

    def curvature(
        self,
        trace: Float[Tensor, "R ..."],
        trace_squared: Float[Tensor, "R ..."],
        frobenius_squared: Float[Tensor, "R ..."],
    ) -> Float[Tensor, "R ..."]:
        """R = [(tr H)² − ‖H‖_F² − (2/w)(tr H·vᵀHv − ‖Hv‖²)]/w with w = 1 + ‖v‖² (Gauss' equation)."""
        shape = (-1,) + (1,) * (trace.dim() - 1)
        w = 1 + self.gradient_squared.view(shape)
        along, image = self.gradient_hessian_gradient.view(shape), self.hessian_gradient_squared.view(shape)
        return (trace_squared - frobenius_squared - 2 / w * (trace * along - image)) / w


class Pieces(NamedTuple):
    """Curvature and what it is made of."""

    curvature: Estimate
    trace: Estimate
    frobenius_squared: Estimate
    along: Along
    probes: Int[Tensor, " R"]
    """Random probes each row's estimates come from; 0 where they are exact."""
    products: int


def largest_deflation(products: int) -> int:
    """Return the dimensions of the Krylov space, where memory allows them, for a budget of products."""
    return min((products - 1) // 3, _LARGEST)


def exact_pieces(gradient: Float[Tensor, "R n"], product: RowOperator, max_bytes: int) -> Pieces:
    """From every column of H, n products."""
    rows, n = gradient.shape
    trace, frobenius_squared = gradient.new_zeros(2, rows)
    for first, columns in hessian_columns(product, gradient, max_bytes):
        trace += columns.diagonal(first, dim1=0, dim2=2).sum(-1)
        frobenius_squared += columns.square().sum((0, 2))
    along, none = Along.of(gradient, product), gradient.new_zeros(rows)
    return Pieces(
        Estimate(along.curvature(trace, trace**2, frobenius_squared), none),
        Estimate(trace, none),
        Estimate(frobenius_squared, none),
        along,
        none.long(),
        n + 1,
    )


def stochastic_pieces(
    gradient: Float[Tensor, "R n"],
    product: RowOperator,
    products: int,
    relative_error: float,
    generators: Sequence[torch.Generator],
    max_bytes: int,
) -> Pieces:
    """From random probes outside of a small Krylov space, within which H is known.

    A third of the products goes into a Krylov space started at v and a random direction: it takes in the few large
    eigenvalues that make plain probes noisy. With its projector P and z = ±1, tr H is the trace within plus the
    mean of zᵀPHPz, ‖H‖_F² likewise with ‖PHPz‖², and (tr H)² comes from products of different probes; all three
    are unbiased whatever the space. Errors are the jackknife's.

    The benchmark of estimators compares this with plain probes, Hutch++ and others.

    Args:
        gradient: v = ∇E.
        product: with H.
        products: budget.
        relative_error: ends a row as soon as the error of its curvature is below this fraction of it.
        generators: one per row, or one for all.
        max_bytes: of the basis of the Krylov space.
    """
    rows, n = gradient.shape
    along = Along.of(gradient, product)
    dimensions = max(1, min(largest_deflation(products), max_bytes // (8 * rows * n), n))
    start = gradient / gradient.norm(dim=-1, keepdim=True).clamp_min(1e-300)
    start = start + draw(gradient, generators, torch.randn) / n**0.5
    krylov = lanczos(product, start, dimensions, max(max_bytes, MAX_BYTES))
    within = krylov.tridiagonal
    trace_within = within.diagonal(dim1=1, dim2=2).sum(-1)
    frobenius_within = within.square().sum((1, 2)) + 2 * krylov.remainder**2

    # As many where the space was exhausted before: how many must not depend on other rows' spaces.
    probes, at_once = products - 1 - dimensions, max(1, min(_BLOCK, max_bytes // (8 * rows * n) - dimensions))
    t = f = gradient.new_empty(rows, 0)
    result: _Sample | None = None
    while t.shape[-1] < probes:
        more = _probe(gradient, product, krylov, generators, min(at_once, probes - t.shape[-1]))
        t, f = (
            torch.cat([t, trace_within[:, None] + more[0]], -1),
            torch.cat([f, frobenius_within[:, None] + more[1]], -1),
        )
        made = t.shape[-1]
        if made == probes or (relative_error and made // _BLOCK > (made - more[0].shape[-1]) // _BLOCK):
            result = _Sample.of(t, f, along).after(result, relative_error)
            if result.settled(relative_error).all():
                break
    assert result is not None
    return Pieces(
        result.curvature,
        result.trace,
        result.frobenius_squared,
        along,
        result.probes,
        1 + krylov.products + t.shape[-1],
    )


def _probe(
    gradient: Float[Tensor, "R n"],
    product: RowOperator,
    krylov: Krylov,
    generators: Sequence[torch.Generator],
    number: int,
) -> tuple[Float[Tensor, "R b"], Float[Tensor, "R b"]]:
    """zᵀPHPz and ‖PHPz‖² of a number of random vectors of signs z for each row."""
    probes = krylov.project_out(torch.stack([draw(gradient, generators, _signs) for _ in range(number)]))
    images = krylov.project_out(torch.stack([product(each) for each in probes]))
    return (probes * images).sum(-1).T, images.square().sum(-1).T


def _signs(n: int, *, generator: torch.Generator, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.randint(0, 2, (n,), generator=generator, device=device).to(dtype).mul_(2).sub_(1)


def draw(
    like: Float[Tensor, "R n"], generators: Sequence[torch.Generator], kind: Any
) -> Float[Tensor, "R n"]:
    """A random vector for each row, from its own generator if there is one for each."""
    rows, n = like.shape
    each = list(generators) * rows if len(generators) == 1 else generators
    drawn = [kind(n, generator=one, dtype=like.dtype, device=one.device) for one in each]
    return torch.stack(drawn).to(like.device)


class _Sample(NamedTuple):
    """What a number of probes says of each row."""

    curvature: Estimate
    trace: Estimate
    frobenius_squared: Estimate
    probes: Int[Tensor, " R"]

    @classmethod
    def of(cls, t: Float[Tensor, "R m"], f: Float[Tensor, "R m"], along: Along) -> _Sample:
        """From zᵀHz and ‖Hz‖² of m probes."""
        m = t.shape[-1]
        total, squares = t.sum(-1), t.square().sum(-1)
        value = along.curvature(total / m, (total**2 - squares) / (m * (m - 1)), f.mean(-1))
        # Jackknife: the same with each probe left out.
        others, other_squares = total[:, None] - t, squares[:, None] - t**2
        leaving_out = along.curvature(
            others / (m - 1),
            (others**2 - other_squares) / ((m - 1) * (m - 2)),
            (f.sum(-1, keepdim=True) - f) / (m - 1),
        )
        error = ((m - 1) * leaving_out.var(-1, correction=0)).sqrt()
        return cls(
            Estimate(value, error),
            Estimate(total / m, t.std(-1) / m**0.5),
            Estimate(f.mean(-1), f.std(-1) / m**0.5),
            torch.full_like(total, m, dtype=torch.int64),
        )

    def settled(self, relative_error: float) -> Tensor:
        """Rows whose error is small enough [R]."""
        return self.curvature.standard_error <= relative_error * self.curvature.value.abs()

    def after(self, earlier: _Sample | None, relative_error: float) -> _Sample:
        """This sample, but for rows that had settled earlier: they do not depend on how long others take."""
        if earlier is None:
            return self
        done = earlier.settled(relative_error)

        def chosen(old: Estimate, new: Estimate) -> Estimate:
            return Estimate(*(torch.where(done, a, b) for a, b in zip(old, new, strict=True)))

        return _Sample(
            chosen(earlier.curvature, self.curvature),
            chosen(earlier.trace, self.trace),
            chosen(earlier.frobenius_squared, self.frobenius_squared),
            torch.where(done, earlier.probes, self.probes),
        )
