"""Solutions of symmetric systems against dense linear algebra and scipy."""

import pytest
import torch
from scipy.sparse.linalg import minres as oracle

from spinodal.geometry.minres import minres


def system(eigenvalues, rows=3):
    generator = torch.Generator().manual_seed(5)
    n = len(eigenvalues)
    basis, _ = torch.linalg.qr(torch.randn(rows, n, n, generator=generator, dtype=torch.float64))
    matrices = basis @ torch.diag_embed(eigenvalues.double().expand(rows, n)) @ basis.mT
    right = torch.einsum(
        "rij,rj->ri", matrices, torch.randn(rows, n, generator=generator, dtype=torch.float64)
    )
    return basis, matrices, right


def solve(matrices, right, tolerance=1e-12, **options):
    tolerances = torch.full((len(right),), tolerance, dtype=torch.float64)
    return minres(lambda v: torch.einsum("rij,rj->ri", matrices, v), right, tolerances, 200, **options)


@pytest.mark.parametrize("lowest", [0.1, -2.0])
def test_definite_and_indefinite(lowest) -> None:
    _, matrices, right = system(torch.linspace(lowest, 3.1, 20))
    found = solve(matrices, right)
    torch.testing.assert_close(found.x, torch.linalg.solve(matrices, right), rtol=1e-9, atol=1e-9)
    assert (found.products <= 20).all()


def test_singular_systems_have_the_solution_of_least_norm() -> None:
    eigenvalues = torch.linspace(-1, 2, 15)
    eigenvalues[:6] = 0
    basis, matrices, right = system(eigenvalues)
    found = solve(matrices, right)
    torch.testing.assert_close(torch.einsum("rij,rj->ri", matrices, found.x), right, rtol=1e-9, atol=1e-9)
    assert torch.einsum("rij,ri->rj", basis[:, :, :6], found.x).abs().max() < 1e-10


def test_residuals_are_no_larger_than_scipys_while_rows_stop_one_by_one() -> None:
    _, matrices, right = system(torch.logspace(-2, 1, 40))
    right = right * torch.tensor([[1.0], [1e-6], [0.0]], dtype=torch.float64)
    found = solve(matrices, right, tolerance=1e-4)
    actual = (torch.einsum("rij,rj->ri", matrices, found.x) - right).norm(dim=-1)
    torch.testing.assert_close(found.residual, actual, rtol=1e-6, atol=1e-15)
    assert (actual <= 1e-4 * right.norm(dim=-1)).all()
    assert found.products[2] == 0
    x, _ = oracle(matrices[0].numpy(), right[0].numpy(), rtol=1e-14, maxiter=int(found.products[0]))
    residual = (matrices[0] @ torch.as_tensor(x) - right[0]).norm()
    assert float(found.residual[0]) <= 1.001 * float(residual)  # smaller, as ours are kept orthogonal
    alone = solve(matrices[:1], right[:1], tolerance=1e-4)
    torch.testing.assert_close(alone.x[0], found.x[0])
