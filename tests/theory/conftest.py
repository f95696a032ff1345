"""Deep linear networks as torch sees them: full Hessians by automatic differentiation, nothing of the theory's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor


@dataclass(frozen=True)
class Surface:
    """E of a network with layers of these sizes; features with c_k and σ_k in a random basis of the inputs."""

    sizes: tuple[int, ...]
    covariance: Tensor
    cross: Tensor
    bases: tuple[Tensor, ...]
    """Orthogonal matrices, one a level from inputs to outputs."""

    def error(self, theta: Tensor) -> Tensor:
        """E = ½ tr(WΣWᵀ) − tr(WCᵀ), 0 for W = 0."""
        product, first = torch.eye(self.sizes[0], dtype=torch.float64), 0
        for n, m in pairwise(self.sizes):
            product = theta[first : first + n * m].reshape(m, n) @ product
            first += n * m
        return 0.5 * (product @ self.covariance @ product.T).trace() - (product * self.cross).sum()

    def balanced(self, amplitudes: Sequence[float]) -> Tensor:
        """θ whose every layer has the singular value u_k^{1/L} on feature k."""
        layers = []
        for level, (n, m) in enumerate(pairwise(self.sizes)):
            layer = torch.zeros(m, n, dtype=torch.float64)
            for k, u in enumerate(amplitudes):
                layer[k, k] = float(u) ** (1 / (len(self.sizes) - 1))
            layers.append((self.bases[level + 1] @ layer @ self.bases[level].T).flatten())
        return torch.cat(layers)

    def hessian(self, theta: Tensor) -> Tensor:
        """∇²E, all of it."""
        matrix: Tensor = torch.func.hessian(self.error)(theta)
        return matrix

    def gradient(self, theta: Tensor) -> Tensor:
        """∇E."""
        vector: Tensor = torch.func.grad(self.error)(theta)
        return vector


@pytest.fixture
def surface() -> Callable[..., Surface]:
    """Makes one, whitened if no variances are given."""

    def make(
        strengths: Sequence[float],
        sizes: Sequence[int],
        variances: Sequence[float] | float = 1.0,
        spare: Sequence[float] | float = 1.0,
    ) -> Surface:
        generator = torch.Generator().manual_seed(7)
        bases = tuple(
            torch.linalg.qr(torch.randn(n, n, dtype=torch.float64, generator=generator))[0] for n in sizes
        )
        known = len(strengths)
        sigma = np.concatenate([np.broadcast_to(variances, known), np.broadcast_to(spare, sizes[0] - known)])
        cross = torch.zeros(sizes[-1], sizes[0], dtype=torch.float64)
        cross[range(known), range(known)] = torch.tensor(list(strengths), dtype=torch.float64)
        return Surface(
            tuple(sizes),
            bases[0] @ torch.diag(torch.as_tensor(sigma)) @ bases[0].T,
            bases[-1] @ cross @ bases[0].T,
            bases,
        )

    return make
