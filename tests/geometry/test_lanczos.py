"""Products and extreme eigenvalues against full Hessians and dense diagonalisation."""

from importlib import import_module

import pytest
import torch

from spinodal.geometry import (
    extreme_eigenvalues,
    lanczos,
    linearise_gradient,
    rows_at_once,
    soft_mode,
    value_and_gradient,
)


def quartic(theta):
    """Smooth, coupled, indefinite; each row its own function of itself."""
    return (theta[:, :1] * theta).sum(-1).sin() + theta.pow(4).sum(-1) - theta.prod(-1)


def test_derivatives_are_those_of_each_row_alone():
    theta = torch.randn(3, 4, dtype=torch.float64)
    values, gradient, product = linearise_gradient(quartic, theta)
    plain_values, plain_gradient = value_and_gradient(quartic, theta)
    assert torch.equal(values, plain_values)
    torch.testing.assert_close(gradient, plain_gradient)
    vectors = torch.randn(3, 4, dtype=torch.float64)
    images = product(vectors)
    for row in range(3):
        hessian = torch.autograd.functional.hessian(lambda t: quartic(t[None])[0], theta[row])
        torch.testing.assert_close(images[row], hessian @ vectors[row])


def symmetric(eigenvalues, seed=0):
    """A dense matrix with these eigenvalues in a random basis."""
    generator = torch.Generator().manual_seed(seed)
    n = len(eigenvalues)
    basis, _ = torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64))
    return basis @ torch.diag(torch.tensor(eigenvalues, dtype=torch.float64)) @ basis.T


SPECTRA = {
    "minimum with many zero modes": [0.0] * 30 + [1e-4, 1e-3] + [0.1 * k for k in range(1, 60)],
    "saddle": [-0.008, -1e-3] + [0.0] * 30 + [0.05 * k for k in range(1, 90)],
    "multiple of one": [0.3] * 12,
    "zero": [0.0] * 8,
    "one dimension": [-2.0],
}


@pytest.mark.parametrize("name", SPECTRA)
def test_extremes_of_known_spectra(name):
    wanted = SPECTRA[name]
    matrices = torch.stack([symmetric(wanted, seed) for seed in range(3)])
    start = torch.randn(3, len(wanted), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ends = extreme_eigenvalues(lambda v: torch.einsum("rij,rj->ri", matrices, v), start)
    torch.testing.assert_close(
        ends.smallest, torch.full((3,), min(wanted), dtype=torch.float64), atol=1e-8, rtol=0
    )
    torch.testing.assert_close(
        ends.largest, torch.full((3,), max(wanted), dtype=torch.float64), atol=1e-8, rtol=0
    )
    image = torch.einsum("rij,rj->ri", matrices, ends.mode)
    torch.testing.assert_close(image, ends.smallest[:, None] * ends.mode, atol=1e-6, rtol=0)
    assert (ends.residual < 1e-6).all()


def test_an_unfinished_search_says_so():
    """Few products on a hard spectrum: the residual bounds how far the Ritz value may be off."""
    wanted = [-1.0] + [1e-6 * k for k in range(400)] + [5.0]
    matrix = symmetric(wanted)
    start = torch.randn(1, len(wanted), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ends = extreme_eigenvalues(lambda v: v @ matrix, start, max_products=4)
    assert ends.products <= 5
    assert ends.smallest >= -1.0
    assert (ends.smallest + 1.0).abs() <= ends.residual + 1e-12


def test_a_basis_takes_no_more_memory_than_it_may(monkeypatch):
    """Fewer rows at once first; of a single row fewer dimensions, so that what a row gets depends on no other."""
    rows, n, steps = 6, 30, 20
    matrix = symmetric(torch.linspace(-1, 3, n).tolist())
    start = torch.randn(rows, n, dtype=torch.float64)

    def operator(vectors):
        return vectors @ matrix

    whole = lanczos(operator, start, steps)
    assert whole.basis.shape == (steps, rows, n)
    monkeypatch.setattr(import_module("spinodal.geometry.lanczos"), "MAX_BYTES", 8 * n * steps * 2)
    assert rows_at_once(n, steps) == 2
    parts = [lanczos(operator, part, steps).ritz for part in start.split(2)]
    torch.testing.assert_close(torch.cat(parts), whole.ritz, rtol=1e-10, atol=1e-12)
    monkeypatch.setattr(import_module("spinodal.geometry.lanczos"), "MAX_BYTES", 8 * n * 5)
    assert rows_at_once(n, steps) == 1
    (alone,) = lanczos(operator, start[:1], steps).basis.shape[:1]
    assert alone == 5
    soft = soft_mode(operator, start[:1], max_products=steps)
    assert soft.products == 5
    assert soft.residual > 1e-6  # which says that five dimensions were too few
