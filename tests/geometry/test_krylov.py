"""Krylov spaces as they should be: orthonormal, with H in them, whatever operator and start."""

import inspect

import pytest
import torch

from spinodal.geometry import lanczos, scalar_curvature, soft_mode


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def bipartite(strengths, n):
    """H of an unlearned network with one hidden layer: pairs of parameters, coupled; eigenvalues ±s and zeros."""
    matrix = torch.zeros(n, n, dtype=torch.float64)
    for i, s in enumerate(strengths):
        matrix[2 * i, 2 * i + 1] = matrix[2 * i + 1, 2 * i] = s
    return matrix


def one_half():
    start = torch.zeros(1, 60, dtype=torch.float64)
    start[0, ::2] = normal(30)
    return start


PAIRS = [1.0, 0.6, 0.3] * 3
CASES = {
    "random": (lambda: (normal(60, 60) + normal(60, 60).T) / 8, lambda: normal(1, 60), 40),
    "pairs": (lambda: bipartite(PAIRS, 60), lambda: normal(1, 60), 7),
    "pairs, from one half": (lambda: bipartite(PAIRS, 60), one_half, 7),
    "few eigenvalues": (
        lambda: torch.diag(torch.tensor([5.0] * 20 + [-1.0] * 20 + [0.01] * 20)).double(),
        lambda: normal(1, 60),
        3,
    ),
    "an eigenvector": (lambda: torch.diag(torch.arange(60).double()), lambda: torch.eye(60)[7:8].double(), 1),
    "zero": (lambda: torch.zeros(60, 60).double(), lambda: normal(1, 60), 1),
}


@pytest.mark.parametrize("name", CASES)
def test_the_space_and_what_h_does_in_it(name):
    build, begin, dimensions = CASES[name]
    matrix, start = build(), begin()
    found = lanczos(lambda v: v @ matrix, start, 40)
    assert found.dimensions.item() <= dimensions
    k = found.dimensions.item()
    basis = found.basis[:k, 0]
    torch.testing.assert_close(basis @ basis.T, torch.eye(k).double(), rtol=0, atol=1e-12)
    torch.testing.assert_close(basis @ matrix @ basis.T, found.tridiagonal[0, :k, :k], rtol=0, atol=1e-12)
    # H leaves the space only through the last vector, and by as much as is said.
    left = matrix @ basis.T - basis.T @ found.tridiagonal[0, :k, :k]
    torch.testing.assert_close(left[:, : k - 1], torch.zeros(60, k - 1).double(), rtol=0, atol=1e-12)
    torch.testing.assert_close(left[:, -1].norm(), found.remainder[0], rtol=0, atol=1e-12)
    # The residual of every Ritz pair is the remainder times its last component.
    ritz, vectors = found.ritz[0, :k], basis.T @ found.vectors[0, :k, :k]
    residual = (matrix @ vectors - ritz * vectors).norm(dim=0)
    torch.testing.assert_close(residual, (found.remainder * found.last[0, :k]).abs(), rtol=0, atol=1e-12)
    outside = found.project_out(normal(1, 60, seed=5))
    torch.testing.assert_close(outside @ basis.T, torch.zeros(1, k).double(), rtol=0, atol=1e-12)


def test_an_exhausted_row_does_not_disturb_the_others():
    matrices = torch.stack([bipartite(PAIRS, 60), CASES["random"][0](), torch.zeros(60, 60).double()])
    start = normal(3, 60)
    together = lanczos(lambda v: torch.einsum("rij,rj->ri", matrices, v), start, 30)
    assert together.dimensions.tolist() == [7, 30, 1]
    for row in range(3):
        alone = lanczos(lambda v, row=row: v @ matrices[row], start[row : row + 1], 30)
        k = alone.dimensions.item()
        torch.testing.assert_close(alone.ritz[0, :k], together.ritz[row, :k], rtol=0, atol=1e-10)
        torch.testing.assert_close(alone.remainder[0], together.remainder[row], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("relative_error", [0.0, 0.05])
def test_probes_do_not_depend_on_whose_space_is_exhausted(relative_error):
    """An unlearned network with one hidden layer beside a learned one: each has the curvature it has alone."""
    few, many = bipartite(PAIRS, 60), CASES["random"][0]()
    matrices, slopes = torch.stack([few, many]), torch.stack([torch.zeros(60).double(), 0.1 * normal(60)])

    def run(order):
        matrix, slope = matrices[order], slopes[order]
        return scalar_curvature(
            lambda t: 0.5 * torch.einsum("ri,rij,rj->r", t, matrix, t) + (slope * t).sum(-1),
            torch.zeros(len(order), 60, dtype=torch.float64),
            method="stochastic",
            probes=60,
            relative_error=relative_error,
            generator=[torch.Generator().manual_seed(row) for row in order],
        )

    together = run([0, 1])
    for row in (0, 1):
        alone = run([row])
        assert alone.probes[0] == together.probes[row]
        torch.testing.assert_close(alone.value[0], together.value[row], rtol=1e-9, atol=0)
        torch.testing.assert_close(alone.standard_error[0], together.standard_error[row], rtol=1e-6, atol=0)
        assert alone.products <= 60


def test_a_soft_mode_that_is_hard_to_find_says_so():
    """Fifteen hundred eigenvalues over six decades: the residual is honest and every product counted."""
    values, made = torch.logspace(-6, 0, 1500).double(), 0

    def operator(vectors):
        nonlocal made
        made += 1
        return values * vectors

    found = soft_mode(operator, normal(1, 1500), max_products=60)
    assert found.products == made
    assert found.residual > 1e-7
    assert (values - found.value).abs().min() <= found.residual


@pytest.mark.parametrize("relative_error", [-0.1, float("nan")])
def test_errors_below_nothing_are_refused(relative_error):
    unchecked = inspect.unwrap(scalar_curvature)
    with pytest.raises(ValueError, match="relative_error"):
        unchecked(lambda t: t.square().sum(), normal(3), relative_error=relative_error)
