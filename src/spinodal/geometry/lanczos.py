"""Krylov spaces: what products with a Hessian alone tell of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from spinodal.geometry.derivatives import RowOperator

MAX_BYTES = 2**32
"""Memory for a basis. A constant, so that no result depends on what a machine has."""

INSPECTED = 120
"""Dimensions of the Krylov space for the ends of a spectrum."""


def rows_at_once(n: int, steps: int, max_bytes: int | None = None) -> int:
    """Return of how many rows of n numbers the bases fit into memory together; of one in any case."""
    return max(1, (max_bytes or MAX_BYTES) // (8 * n * min(steps, n)))


@dataclass(frozen=True)
class Krylov:
    """The space of start, H·start, H²·start, … of every row, and H in it.

    Attributes:
        basis: orthonormal [k, R, n]; zeros where a row's space has fewer than k dimensions.
        tridiagonal: H in this basis [R, k, k].
        dimensions: how many each row's space has [R].
        ritz: eigenvalues of H in it, ascending [R, k]; beyond a row's dimensions larger numbers that mean nothing.
        vectors: the eigenvectors in this basis, as columns [R, k, k].
        remainder: norm of what H adds to the space at its last dimension [R]; 0 where it is exhausted.
        products: operator applications it took.
    """

    basis: Float[Tensor, "k R n"]
    tridiagonal: Float[Tensor, "R k k"]
    dimensions: Int[Tensor, " R"]
    ritz: Float[Tensor, "R k"]
    vectors: Float[Tensor, "R k k"]
    remainder: Float[Tensor, " R"]
    products: int

    @property
    def last(self) -> Float[Tensor, "R k"]:
        """The component of each eigenvector along the last basis vector; times `remainder` it is the residual."""
        index = (self.dimensions - 1).clamp_min(0)[:, None, None].expand(-1, 1, self.ritz.shape[-1])
        return self.vectors.gather(1, index).squeeze(1)

    def project_out(self, vectors: Float[Tensor, "*b R n"]) -> Float[Tensor, "*b R n"]:
        """What of vectors lies outside the space; several at once, so that the basis is read once for all."""
        within = torch.einsum("krn,...rn->...rk", self.basis, vectors)
        return vectors - torch.einsum("krn,...rk->...rn", self.basis, within)


def lanczos(
    operator: RowOperator, start: Float[Tensor, "R n"], steps: int, max_bytes: int | None = None
) -> Krylov:
    """Lanczos with full reorthogonalisation, every row at once.

    Without reorthogonalisation the many (near-)zero modes of these Hessians come back as ghosts.

    Args:
        operator: the symmetric operator, row by row.
        start: first vectors, of any length; a row of zeros has an empty space.
        steps: dimensions of the space, at most n.
        max_bytes: of the basis, `MAX_BYTES` by default; the space has fewer dimensions where they do not fit, but 2
            in any case. As long as rows are no more than `rows_at_once`, this depends on n and steps alone.
    """
    rows, n = start.shape
    steps = min(steps, n, max(2, (max_bytes or MAX_BYTES) // (start.element_size() * rows * n)))
    basis = start.new_zeros(steps, rows, n)
    alpha, beta = start.new_zeros(rows, steps), start.new_zeros(rows, steps)
    length = start.norm(dim=-1, keepdim=True)
    vector = torch.where(length > 0, start / length, 0.0)
    remainder, scale = start.new_zeros(2, rows)
    products = 0
    for k in range(steps):
        if not vector.any():
            break
        products += 1
        basis[k] = vector
        image = operator(vector)
        scale = torch.maximum(scale, image.norm(dim=-1))
        alpha[:, k] = (image * vector).sum(-1)
        for _ in range(2):  # once is not enough in floating point, twice is (Parlett, "twice is enough")
            overlaps = torch.einsum("krn,rn->kr", basis[: k + 1], image)
            image = image - torch.einsum("krn,kr->rn", basis[: k + 1], overlaps)
        remainder = image.norm(dim=-1)
        # A row whose Krylov space is exhausted goes on with zeros, until all are.
        goes_on = remainder > 1e-13 * scale
        beta[:, k] = remainder = torch.where(goes_on, remainder, 0.0)
        vector = torch.where(goes_on[:, None], image / remainder[:, None], 0.0)
    tridiagonal = torch.diag_embed(alpha) + sum(torch.diag_embed(beta[:, :-1], offset) for offset in (1, -1))
    used = basis.square().sum(-1).T > 0  # [R, k]
    # Unused directions are put above the spectrum, each by itself, or they would mix with what they are equal to.
    above = (1 + 2 * tridiagonal.abs().amax((1, 2), keepdim=True).squeeze(-1)) * torch.arange(
        2, steps + 2, device=start.device
    )
    ritz, vectors = torch.linalg.eigh(tridiagonal + torch.diag_embed(torch.where(used, 0.0, above)))
    return Krylov(basis, tridiagonal, used.sum(-1), ritz, vectors, remainder, products)


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
    operator: RowOperator, start: Float[Tensor, "R n"], max_products: int = INSPECTED
) -> Extremes:
    """Extreme eigenvalues of every row's operator from its Krylov space.

    Args:
        operator: the symmetric operator, row by row.
        start: any vectors with a component along the wanted modes (random ones have).
        max_products: at most this many products, or n, where the answer is exact.
    """
    krylov = lanczos(operator, start, max_products)
    mode = torch.einsum("krn,rk->rn", krylov.basis, krylov.vectors[:, :, 0])
    residual = (operator(mode) - krylov.ritz[:, :1] * mode).norm(dim=-1)
    largest = krylov.ritz.gather(1, krylov.dimensions[:, None] - 1).squeeze(1)
    return Extremes(krylov.ritz[:, 0], largest, mode, residual, krylov.products + 1)
