"""Solutions of symmetric, possibly indefinite or singular systems, by minimal residuals."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from spinodal.geometry.derivatives import RowOperator
from spinodal.geometry.lanczos import MAX_BYTES


@dataclass(frozen=True)
class Solution:
    """A solution x of every row's H·x = f.

    Attributes:
        x: of least norm where H is singular and f in its range [R, n].
        residual: ‖f − H·x‖ [R].
        products: operator applications the row needed [R].
    """

    x: Float[Tensor, "R n"]
    residual: Float[Tensor, " R"]
    products: Int[Tensor, " R"]


def minres(
    operator: RowOperator,
    right: Float[Tensor, "R n"],
    tolerance: Float[Tensor, " R"],
    max_products: int,
    max_bytes: int | None = None,
) -> Solution:
    """Solve H·x = f by MINRES (Paige & Saunders, SIAM J. Numer. Anal. 12, 617 (1975)), every row at once.

    Lanczos vectors are kept orthogonal to all before them, as many as memory holds: near a bifurcation it saves a third
    of the products. Zero modes of symmetries do no harm where f has no component along them: neither has x.

    Args:
        operator: The symmetric operator H, row by row.
        right: f; a row of zeros is solved by zero.
        tolerance: A row is done when ‖f − H·x‖ ≤ tolerance·‖f‖.
        max_products: At most this many products.
        max_bytes: For the Lanczos vectors, `MAX_BYTES` by default.
    """
    rows, n = right.shape
    kept = max(2, (max_bytes or MAX_BYTES) // (right.element_size() * rows * n))
    basis: list[Tensor] = []
    size = right.norm(dim=-1)
    x, old_w, w = (torch.zeros_like(right) for _ in range(3))
    beta, left = size.clone(), size.clone()
    c, s = -torch.ones_like(size), torch.zeros_like(size)
    delta_next, epsilon_next = torch.zeros_like(size), torch.zeros_like(size)
    vector = _scaled(right, beta)
    previous = torch.zeros_like(right)
    running = (size > 0) & (tolerance < 1)
    products = torch.zeros_like(size, dtype=torch.int64)
    largest = torch.zeros_like(size)
    for _ in range(max_products):
        if not running.any():
            break
        products += running
        basis.append(vector)
        image = operator(vector)
        largest = torch.maximum(largest, image.norm(dim=-1))
        alpha = (image * vector).sum(-1)
        image = image - alpha[:, None] * vector - beta[:, None] * previous
        span = torch.stack(basis[-kept:])
        image = image - torch.einsum("krn,kr->rn", span, torch.einsum("krn,rn->kr", span, image))
        previous, new_beta = vector, image.norm(dim=-1)
        exhausted = new_beta <= 1e-14 * largest
        # Givens rotation of the new column of the tridiagonal matrix.
        delta = c * delta_next + s * alpha
        gamma_bar = s * delta_next - c * alpha
        epsilon, epsilon_next, delta_next = epsilon_next, s * new_beta, -c * new_beta
        gamma = torch.hypot(gamma_bar, new_beta)
        usable = running & (gamma > 1e-14 * largest)
        safe = torch.where(usable, gamma, 1.0)
        c, s = gamma_bar / safe, new_beta / safe
        new_w = (vector - epsilon[:, None] * old_w - delta[:, None] * w) / safe[:, None]
        x = x + torch.where(usable, c * left, 0.0)[:, None] * new_w
        left = torch.where(usable, left * s.abs(), left)
        old_w, w = w, new_w
        running = usable & ~exhausted & (left > tolerance * size)
        beta = new_beta
        vector = torch.where(running[:, None], _scaled(image, beta), 0.0)
    return Solution(x, left, products)


def _scaled(vectors: Tensor, length: Tensor) -> Tensor:
    return torch.where(length[:, None] > 0, vectors / length[:, None], 0.0)
