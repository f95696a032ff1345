"""Where memory, budgets and rounding end things: each kept to, and no sooner."""

import pytest
import torch

from spinodal.geometry import (
    hessian,
    lanczos,
    linearise_gradient,
    scalar_curvature,
    soft_mode,
    spectral_density,
)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_weak_coupling_does_not_end_a_space():
    """The start couples to the other dimension by a millionth only; there H is another one."""
    matrix = torch.tensor([[1.0, 1e-6], [1e-6, -3.0]], dtype=torch.float64)
    found = lanczos(lambda v: v @ matrix, torch.tensor([[1.0, 0.0]], dtype=torch.float64), 2)
    assert found.dimensions.item() == 2
    torch.testing.assert_close(found.ritz[0], torch.linalg.eigvalsh(matrix))


@pytest.mark.parametrize(("columns", "most"), [(0, 1), (1, 1), (3, 3), (1000, 10)])
def test_no_more_columns_at_a_time_than_memory_holds(columns, most, monkeypatch):
    rows, n, sizes = 3, 24, []

    def watching(function, theta):
        values, gradient, product = linearise_gradient(function, theta)

        def watched(vectors):
            sizes.append(len(vectors) if vectors.dim() == 3 else 1)
            return product(vectors)

        return values, gradient, watched

    monkeypatch.setattr("spinodal.geometry.derivatives.linearise_gradient", watching)
    hessian(lambda t: t.sin().sum(-1) ** 2, normal(rows, n), max_bytes=columns * 8 * rows * n)
    assert max(sizes) == most
    assert sum(sizes) == n


def test_a_negative_curvature_ends_early_too():
    """R = −Σ over pairs of a saddle: its error is compared with |R|."""
    values = torch.cat([torch.full((40,), 0.5), torch.full((40,), -0.5)]).double()
    turn, _ = torch.linalg.qr(normal(80, 80))
    matrix = turn @ torch.diag(values + 1e-2 * normal(80, seed=1)) @ turn.T
    found = scalar_curvature(
        lambda t: 0.5 * t @ matrix @ t,
        torch.zeros(80, dtype=torch.float64),
        method="stochastic",
        probes=79,
        relative_error=0.5,
        generator=torch.Generator().manual_seed(0),
    )
    assert found.value < 0
    assert found.products < 79
    assert found.standard_error <= 0.5 * found.value.abs()


def test_a_zero_mode_along_the_minimum_is_left_out_of_its_response():
    values = torch.tensor([0.0, 0.5, 2.0, 7.0], dtype=torch.float64)
    theta = torch.tensor([[0.3, 1.0, 1.0, 1.0]], dtype=torch.float64)
    found = soft_mode(lambda vectors: values * vectors, 2 * theta)
    assert found.value.item() == pytest.approx(0.5)
    torch.testing.assert_close(found.response[:, 1:], -2 * theta[:, 1:] / values[1:])
    assert found.response[0, 0].item() == pytest.approx(0, abs=1e-9)


def test_the_error_of_a_count_is_its_scatter():
    n, repeats = 120, 40
    values = torch.linspace(-1, 2, n).double()
    generators = [torch.Generator().manual_seed(seed) for seed in range(repeats)]
    density = spectral_density(
        lambda vectors: values * vectors,
        torch.zeros(repeats, n, dtype=torch.float64),
        probes=10,
        steps=n,
        generators=generators,
    )
    counted = density.below(0.0)
    scatter, stated = counted.value.std(), counted.standard_error.square().mean().sqrt()
    assert 0.6 * scatter < stated < 1.6 * scatter
    off = counted.value.mean() - (values < 0).sum()
    assert off.abs() < 4 * scatter / repeats**0.5
