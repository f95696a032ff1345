"""What rows ask for: values, Newton steps, solutions and modes, computed for many rows at once.

Operators are A = ∇²𝓛_c, or QAQ with Q the projector that takes borders out: unit vectors [A, k, n], orthogonal to each
other; k may be 0.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from spinodal.continuation.family import Family, unit
from spinodal.continuation.rows import Answer
from spinodal.geometry import lanczos, newton_step, value_and_gradient
from spinodal.geometry.derivatives import RowOperator
from spinodal.geometry.minres import minres

MAX_PRODUCTS = 400
"""Products for one solution, or n."""


def evaluate(family: Family, theta: Float[Tensor, "A n"]) -> tuple[Answer, Tensor]:
    """Compute E, P, ∇E and ∇P."""
    return family.gradients(theta), theta.new_ones(len(theta))


def evaluate_on_level(
    family: Family, theta: Float[Tensor, "A n"], level: Float[Tensor, " A"]
) -> tuple[Answer, Tensor]:
    """Compute θ brought to P(θ) = level along ∇P, and E, P, ∇E and ∇P there.

    Newton's steps along ∇P serve any penalty. Where P = ‖θ‖² they scale θ, and the level is a sphere.
    """
    for _ in range(30):
        value, push = value_and_gradient(family.penalty, theta)
        missing = level - value
        square = push.square().sum(-1)
        off = (missing.abs() > 4e-16 * level.abs()) & (square > 0)
        if not off.any():
            break
        theta = theta + torch.where(off, missing / square, 0.0)[:, None] * push
    return (theta, *family.gradients(theta)), theta.new_ones(len(theta))


def newton(
    family: Family,
    theta: Float[Tensor, "A n"],
    control: Float[Tensor, " A"],
    borders: Float[Tensor, "A k n"],
    gradient: Float[Tensor, "A n"],
    radius: Float[Tensor, " A"],
    tolerance: Float[Tensor, " A"],
) -> tuple[Answer, Tensor]:
    """Compute a Newton step orthogonal to the borders, within a radius, and QAQ times it: that of a minimisation."""
    product = _projected(family.product(theta, control), borders)
    step = newton_step(product, _without(borders, gradient), radius, tolerance, _most(theta))
    return (step.step, step.image, step.negative), 1 + 2 * step.products.to(theta)


def newton_anywhere(
    family: Family,
    theta: Float[Tensor, "A n"],
    control: Float[Tensor, " A"],
    borders: Float[Tensor, "A k n"],
    right: Float[Tensor, "A n"],
    tolerance: Float[Tensor, " A"],
) -> tuple[Answer, Tensor]:
    """Compute the solution of QAQ·x = Q·right, whether or not A has negative modes."""
    found = minres(
        _projected(family.product(theta, control), borders), _without(borders, right), tolerance, _most(theta)
    )
    return (found.x,), 1 + 2 * found.products.to(theta)


def level_tangent(
    family: Family,
    theta: Float[Tensor, "A n"],
    control: Float[Tensor, " A"],
    push: Float[Tensor, "A n"],
    near: Float[Tensor, "A n"],
    tolerance: Float[Tensor, " A"],
    floor: Float[Tensor, " A"],
) -> tuple[Answer, Tensor]:
    """Compute the direction t = b + x, x ⊥ b = ∇P/‖∇P‖, in which A·t is parallel to b, and t·A·t.

    Stationary points of all c go that way: dθ/dP = t/‖∇P‖ and dc/dP = −t·A·t/‖∇P‖², an error of which is quadratic in
    that of x. Nothing here needs ∇P = 2θ.

    Args:
        family: 𝓛_c.
        theta: Stationary points.
        control: c.
        push: ∇P.
        near: a guess of t of any length, or zeros.
        tolerance: residual relative to A·b.
        floor: residuals below this are what zero modes of symmetries have where ∇𝓛 is not quite 0.
    """
    b = unit(push)
    product, borders = family.product(theta, control), b[:, None]
    along = (near * b).sum(-1, keepdim=True)
    x = torch.where(along.abs() > 0, _without(borders, near) / along, 0.0)
    of_b, of_x = product(b), product(x)
    right = -_without(borders, of_b + of_x)
    wanted = torch.maximum(tolerance * _without(borders, of_b).norm(dim=-1), floor)
    relative = _relative(wanted, right)
    found = minres(_projected(product, borders), right, relative, _most(theta))
    tangent = b + x + found.x
    image = product(tangent)
    return (tangent, (tangent * image).sum(-1)), 7 + 2 * found.products.to(theta)


def bordered(
    family: Family,
    theta: Float[Tensor, "A n"],
    control: Float[Tensor, " A"],
    push: Float[Tensor, "A n"],
    border: Float[Tensor, "A n"],
    right: Float[Tensor, "A n"],
    tolerance: Float[Tensor, " A"],
    floor: Float[Tensor, " A"],
) -> tuple[Answer, Tensor]:
    """Compute y ⊥ d and γ with A·y + γ∇P = right, for a border d.

    The solution is made of two with QAQ, Q = 1 − ddᵀ, which is regular at a fold if d is near the mode that A loses
    there: Lyapunov–Schmidt's reduction. Without a right-hand side it is −A·d, and d + y the tangent.
    """
    product, borders = family.product(theta, control), border[:, None]
    of_border = product(border)
    tangent = ~right.any(-1, keepdim=True)
    right = torch.where(tangent, -of_border, right)
    both, twice = torch.cat([right, -push]), torch.cat([borders, borders])
    doubled = family.of(torch.arange(len(theta)).repeat(2))
    product = doubled.product(torch.cat([theta, theta]), torch.cat([control, control]))
    both = _without(twice, both)
    relative = torch.cat([torch.maximum(tolerance, _relative(floor, both[: len(theta)])), tolerance])
    found = minres(_projected(product, twice), both, relative, _most(theta))
    x, z = found.x.chunk(2)
    gamma = ((border * right).sum(-1) - (of_border * x).sum(-1)) / (
        (border * push).sum(-1) + (of_border * z).sum(-1)
    )
    y = torch.where(tangent, border, 0.0) + x + gamma[:, None] * z
    return (y, gamma), 5 + 2 * found.products.to(theta).reshape(2, -1).sum(0)


def lowest(
    family: Family,
    theta: Float[Tensor, "A n"],
    control: Float[Tensor, " A"],
    start: Float[Tensor, "A n"],
    floor: Float[Tensor, " A"],
    steps: int,
) -> tuple[Answer, Tensor]:
    """Compute the lowest eigenvalue of A that Lanczos finds, its mode, and how many are negative.

    Args:
        family: 𝓛_c.
        theta: Where.
        control: c.
        start: of the Krylov space.
        floor: eigenvalues as small as this may be zero.
        steps: products.
    """
    krylov = lanczos(family.product(theta, control), start, steps)
    mode = torch.einsum("krn,rk->rn", krylov.basis, krylov.vectors[:, :, 0])
    largest = krylov.ritz.gather(1, (krylov.dimensions[:, None] - 1).clamp_min(0)).squeeze(1)
    noise = 1e-10 * largest + floor
    negative = (krylov.ritz < -noise[:, None]).sum(-1)
    cost = 1 + 2 * krylov.dimensions.to(theta)
    return (krylov.ritz[:, 0], unit(mode), negative), cost


def tracked(
    family: Family,
    theta: Float[Tensor, "A n"],
    control: Float[Tensor, " A"],
    start: Float[Tensor, "A n"],
    steps: int,
) -> tuple[Answer, Tensor]:
    """Compute the eigenvalue of A whose mode is nearest to a given one, the mode, and ‖Av − μv‖.

    Krylov vectors of a mode stay within its class of symmetry: zero modes of other classes do not interfere.
    """
    krylov = lanczos(family.product(theta, control), start, steps)
    nearest = krylov.vectors[:, 0].abs().argmax(-1, keepdim=True)
    columns = krylov.vectors.gather(2, nearest[:, :, None].expand(-1, krylov.vectors.shape[1], 1)).squeeze(2)
    mode = unit(torch.einsum("krn,rk->rn", krylov.basis, columns))
    residual = (krylov.remainder[:, None] * krylov.last).gather(1, nearest).squeeze(1).abs()
    mode = torch.where((mode * start).sum(-1, keepdim=True) < 0, -mode, mode)
    cost = 1 + 2 * krylov.dimensions.to(theta)
    return (krylov.ritz.gather(1, nearest).squeeze(1), mode, residual), cost


def _relative(residual: Float[Tensor, " A"], right: Float[Tensor, "A n"]) -> Float[Tensor, " A"]:
    size = right.norm(dim=-1)
    return torch.where(size > 0, residual / size, 1.0)


def _most(theta: Tensor) -> int:
    return min(2 * theta.shape[-1], MAX_PRODUCTS)


def _without(borders: Float[Tensor, "A k n"], vectors: Float[Tensor, "A n"]) -> Float[Tensor, "A n"]:
    for border in borders.unbind(1):
        vectors = vectors - (border * vectors).sum(-1, keepdim=True) * border
    return vectors


def _projected(product: RowOperator, borders: Float[Tensor, "A k n"]) -> RowOperator:
    return lambda vectors: _without(borders, product(_without(borders, vectors)))
