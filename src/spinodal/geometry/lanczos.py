"""Extreme eigenvalues of Hessians from products alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from spinodal.geometry.derivatives import RowOperator


@dataclass(frozen=True)
class Extremes:
    """Both ends of the spectrum of every row's operator.

    Attributes:
        smallest: the lowest Ritz value [R]; the true λ_min lies below it by at most `residual`.
        largest: the highest Ritz value [R].
        mode: unit Ritz vector of the smallest [R, n].
        residual: ‖Hv − θv‖ of that vector [R].
        products: operator applications it took.
    """

    smallest: Float[Tensor, " R"]
    largest: Float[Tensor, " R"]
    mode: Float[Tensor, "R n"]
    residual: Float[Tensor, " R"]
    products: int


def extreme_eigenvalues(
    operator: RowOperator, start: Float[Tensor, "R n"], max_products: int = 120
) -> Extremes:
    """Lanczos with full reorthogonalisation, every row at once.

    Without reorthogonalisation the many (near-)zero modes of these Hessians come back as ghosts.

    Args:
        operator: the symmetric operator, row by row.
        start: any vectors with a component along the wanted modes (random ones have).
        max_products: at most this many products, or n, where the answer is exact.
    """
    rows, n = start.shape
    steps = min(max_products, n)
    basis = start.new_zeros(steps, rows, n)
    alpha, beta = start.new_zeros(rows, steps), start.new_zeros(rows, steps)
    vector = start / start.norm(dim=-1, keepdim=True)
    products = 0
    for k in range(steps):
        if not vector.any():
            break
        products += 1
        basis[k] = vector
        image = operator(vector)
        alpha[:, k] = (image * vector).sum(-1)
        for _ in range(2):  # once is not enough in floating point, twice is (Parlett, "twice is enough")
            overlaps = torch.einsum("krn,rn->kr", basis[: k + 1], image)
            image = image - torch.einsum("krn,kr->rn", basis[: k + 1], overlaps)
        beta[:, k] = image.norm(dim=-1)
        # A row whose Krylov space is exhausted goes on with zeros, until all are.
        vector = torch.where(
            beta[:, k, None] > 1e-13 * alpha[:, : k + 1].abs().amax(-1)[:, None],
            image / beta[:, k, None],
            0.0,
        )
    tridiagonal = torch.diag_embed(alpha) + sum(torch.diag_embed(beta[:, :-1], offset) for offset in (1, -1))
    used = basis.square().sum(-1).T > 0  # [R, steps]
    # Unused directions are moved far above the spectrum's lower end and below its upper end: to alpha_0.
    tridiagonal = tridiagonal + torch.diag_embed(torch.where(used, 0.0, alpha[:, :1]))
    ritz, vectors = torch.linalg.eigh(tridiagonal)
    mode = torch.einsum("krn,rk->rn", basis, vectors[:, :, 0])
    residual = (operator(mode) - ritz[:, :1] * mode).norm(dim=-1)
    return Extremes(ritz[:, 0], ritz[:, -1], mode, residual, products + 1)
