"""Other curvatures of the error surface, from the same derivatives."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from spinodal.geometry.derivatives import hessian, linearise_gradient


def sectional_curvature(
    error: Callable[[Tensor], Tensor],
    theta: Float[Tensor, " n"],
    first: Float[Tensor, " n"],
    second: Float[Tensor, " n"],
) -> Float[Tensor, ""]:
    """Sectional curvature of the surface z = E(θ) in the plane over two directions of parameter space.

    K = (H₁₁H₂₂ − H₁₂²)/w / (g₁₁g₂₂ − g₁₂²), g = 1 + v vᵀ (Gauss' equation); two Hessian-vector products. The
    scalar curvature is the sum over all ordered pairs of an orthonormal frame of the tangent space.

    Args:
        error: E of θ [n].
        theta: where.
        first: direction in the plane.
        second: another one.
    """
    _, gradient, product = linearise_gradient(lambda rows: error(rows[0])[None], theta[None])
    plane = torch.stack([first, second])
    images = torch.stack([product(each[None])[0] for each in plane])
    second_form = plane @ images.T
    slopes = plane @ gradient[0]
    metric = plane @ plane.T + torch.outer(slopes, slopes)
    return second_form.det() / (1 + gradient.square().sum()) / metric.det()


def gaussian_curvature(error: Callable[[Tensor], Tensor], theta: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """Gauss–Kronecker curvature, the product of all principal curvatures: det H / w^{(n+2)/2}.

    From the full Hessian; for n = 2 it is half the scalar curvature.

    Args:
        error: E of θ [n].
        theta: where.
    """

    def function(rows: Tensor) -> Tensor:
        return error(rows[0])[None]

    _, gradient, _ = linearise_gradient(function, theta[None])
    w = 1 + gradient.square().sum()
    curvature: Tensor = torch.linalg.det(hessian(function, theta[None])[0]) / w ** (len(theta) / 2 + 1)
    return curvature
