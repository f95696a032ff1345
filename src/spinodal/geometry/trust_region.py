"""Newton steps within a trust region, by conjugate gradients: the polish to stationarity."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from spinodal.geometry.derivatives import RowOperator


@dataclass(frozen=True)
class NewtonStep:
    """A step p of every row, and how it ended.

    Attributes:
        step: p [A, n].
        image: ∇²𝓛·p [A, n].
        negative: a direction of negative curvature was met, and followed to the boundary [A].
        products: Hessian-vector products the row needed [A].
    """

    step: Float[Tensor, "A n"]
    image: Float[Tensor, "A n"]
    negative: Bool[Tensor, " A"]
    products: Int[Tensor, " A"]


def newton_step(
    product: RowOperator,
    gradient: Float[Tensor, "A n"],
    radius: Float[Tensor, " A"],
    tolerance: Float[Tensor, " A"],
    max_products: int,
) -> NewtonStep:
    """Minimises gᵀp + ½ pᵀHp over ‖p‖ ≤ radius by truncated conjugate gradients.

    Steihaug, SIAM J. Numer. Anal. 20, 626 (1983), every row at once. Flat symmetry directions do no harm: the
    gradient has no component along them, so neither has p.

    Args:
        product: v ↦ Hv, row by row.
        gradient: g.
        radius: of each row's trust region.
        tolerance: a row is done when ‖g + Hp‖ ≤ tolerance·‖g‖.
        max_products: at most this many products.
    """
    step, image = torch.zeros_like(gradient), torch.zeros_like(gradient)
    residual, direction = gradient.clone(), -gradient
    square = residual.square().sum(-1)
    target = square * tolerance.square()
    running = square > 0
    negative = torch.zeros_like(running)
    products = torch.zeros_like(running, dtype=torch.int64)
    for _ in range(max_products):
        if not running.any():
            break
        h_direction = product(direction)
        products += running
        curvature = (direction * h_direction).sum(-1)
        length = direction.square().sum(-1)
        # Rounding gives flat directions curvatures of either sign, far below the scale of H.
        bad = running & (curvature <= -1e-12 * length)
        flat = running & ~bad & (curvature <= 1e-14 * length)
        alpha = square / curvature
        outside = running & ~flat & (bad | ((step + alpha[:, None] * direction).norm(dim=-1) >= radius))
        alpha = torch.where(outside, _to_boundary(step, direction, radius), alpha)
        alpha = torch.where(running & ~flat, alpha, 0.0)[:, None]
        step, image = step + alpha * direction, image + alpha * h_direction
        residual = residual + alpha * h_direction
        negative |= bad
        new_square = residual.square().sum(-1)
        running = running & ~outside & ~flat & (new_square > target)
        direction = torch.where(running[:, None], -residual + (new_square / square)[:, None] * direction, 0.0)
        square = new_square
    return NewtonStep(step, image, negative, products)


def _to_boundary(step: Tensor, direction: Tensor, radius: Tensor) -> Tensor:
    """The τ ≥ 0 with ‖step + τ·direction‖ = radius [A]."""
    a = direction.square().sum(-1)
    b = (step * direction).sum(-1)
    c = step.square().sum(-1) - radius.square()
    return (-b + (b * b - a * c).clamp_min(0).sqrt()) / a
