"""Curvature from random probes: unbiased, its error neither too small nor too large, each row by itself."""

import pytest
import torch
from surfaces import rough

from spinodal.geometry import Estimate, linearise_gradient, pieces, scalar_curvature

N = 120


@pytest.fixture(scope="module")
def surface():
    """A quadratic with a few large eigenvalues, a zero and a negative bulk, as at the minima met here; exact R."""
    generator = torch.Generator().manual_seed(0)
    turn, _ = torch.linalg.qr(torch.randn(N, N, generator=generator, dtype=torch.float64))
    bulk = torch.linspace(-0.3, 0.5, N, dtype=torch.float64) ** 3
    bulk[:6] = torch.tensor([-0.4, 0.9, 1.1, 1.5, 2.1, 2.8])
    hessian = turn @ torch.diag(bulk) @ turn.T
    slope = 0.1 * torch.randn(N, generator=generator, dtype=torch.float64)

    def error(theta):
        return 0.5 * (theta @ hessian * theta).sum(-1) + theta @ slope

    return error, scalar_curvature(error, torch.zeros(N, dtype=torch.float64))


def repeated(surface, repeats, **options):
    """Many independent estimates at the same point, as rows of one call."""
    error, _ = surface
    generators = [torch.Generator().manual_seed(seed) for seed in range(repeats)]
    theta = torch.zeros(repeats, N, dtype=torch.float64)
    return scalar_curvature(error, theta, method="stochastic", generator=generators, **options)


@pytest.mark.parametrize("probes", [8, 20, 60])
def test_estimates_cover_the_exact_value(surface, probes):
    """Of 200 repeats hardly any lies further off than three of its errors, and these match the scatter.

    With products enough for the large eigenvalues 99 % do not; with few, what is left is skewed, and of an error from
    few probes Student's t makes a tail of its own: 90 and 95 %, as `scalar_curvature` says.
    """
    found = repeated(surface, 200, probes=probes)
    exact = surface[1]
    expected = {8: 0.85, 20: 0.92, 60: 0.97}[probes]
    pairs = {
        "curvature": (Estimate(found.value, found.standard_error), exact.value),
        "trace": (found.trace, exact.trace.value),
        "frobenius": (found.frobenius_squared, exact.frobenius_squared.value),
    }
    for name, (estimate, truth) in pairs.items():
        away = (estimate.value - truth).abs()
        tiny = 1e-9 * truth.abs()
        inside = (away <= 3 * estimate.standard_error + tiny).double().mean()
        assert inside >= expected, name
        scatter = (estimate.value - truth).square().mean().sqrt()
        stated = estimate.standard_error.square().mean().sqrt()
        assert 0.7 * scatter <= stated <= 2 * scatter, name
        off = (estimate.value.mean() - truth).abs()
        assert off <= 4 * scatter / 200**0.5, name
    torch.testing.assert_close(
        found.gradient_hessian_gradient, exact.gradient_hessian_gradient.expand(200), rtol=1e-10, atol=0
    )


def test_the_square_of_the_trace_is_unbiased(surface):
    """Squaring the mean would add its variance; with 8 products that is many errors of the mean of 2000 repeats."""
    found = repeated(surface, 2000, probes=8)
    variance = found.trace.value.var()
    off = (found.value - surface[1].value).mean()
    assert off.abs() < 4 * found.value.std() / 2000**0.5
    assert variance > 8 * found.value.std() / 2000**0.5


def test_large_eigenvalues_do_no_harm_once_there_are_products_enough(surface):
    """Plain probes have Var tr = 2(‖H‖_F² − Σ H_ii²)/m; without the six large eigenvalues little is left of it."""
    found = repeated(surface, 100, probes=60)
    plain = (2 * surface[1].frobenius_squared.value / 60).sqrt()
    assert found.trace.value.std() < 0.5 * plain


def test_a_rows_result_is_its_own(surface):
    error, _ = surface
    theta = 0.1 * torch.randn(4, N, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def run(order, **options):
        generators = [torch.Generator().manual_seed(seed) for seed in order]
        return scalar_curvature(error, theta[order], method="stochastic", generator=generators, **options)

    for options in ({"probes": 30}, {"probes": 200, "relative_error": 0.05}):
        together = run([0, 1, 2, 3], **options)
        backwards = run([3, 2, 1, 0], **options)
        torch.testing.assert_close(together.value, backwards.value.flip(0), rtol=1e-9, atol=0)
        assert torch.equal(together.probes, backwards.probes.flip(0))
        for row in range(4):
            alone = run([row], **options)
            torch.testing.assert_close(alone.value[0], together.value[row], rtol=1e-9, atol=0)
            torch.testing.assert_close(
                alone.standard_error[0], together.standard_error[row], rtol=1e-6, atol=0
            )


def test_it_ends_when_the_error_is_small_enough(surface):
    found = repeated(surface, 20, probes=200, relative_error=0.004)
    settled = found.standard_error <= 0.004 * found.value.abs()
    assert settled.all()
    assert found.products < 200
    assert len(set(found.probes.tolist())) > 1  # some settle before others
    spent = repeated(surface, 2, probes=30, relative_error=1e-9)
    assert spent.products == 30


def test_products_are_counted(surface, monkeypatch):
    made = 0

    def counting(function, theta):
        values, gradient, product = linearise_gradient(function, theta)

        def counted(vectors):
            nonlocal made
            made += len(vectors) if vectors.dim() == 3 else 1
            return product(vectors)

        return values, gradient, counted

    monkeypatch.setattr("spinodal.geometry.curvature.linearise_gradient", counting)
    theta = torch.zeros(2, N, dtype=torch.float64)
    for method, wanted in (("stochastic", 40), ("exact", N + 1)):
        made = 0
        found = scalar_curvature(surface[0], theta, method=method, probes=40)
        assert found.products == made == wanted


def test_where_the_space_is_everything_it_is_exact():
    theta = 0.3 * torch.randn(5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = scalar_curvature(rough(0, 5), theta, method="stochastic", probes=20)
    exact = scalar_curvature(rough(0, 5), theta)
    torch.testing.assert_close(found.value, exact.value, rtol=1e-9, atol=1e-9)
    assert found.standard_error < 1e-9


def test_memory_bounds_the_deflation(surface, monkeypatch):
    dimensions = []
    original = pieces.lanczos
    monkeypatch.setattr(
        pieces,
        "lanczos",
        lambda product, start, steps, *more: (
            dimensions.append(steps) or original(product, start, steps, *more)
        ),
    )
    repeated(surface, 2, probes=100)
    repeated(surface, 2, probes=100, max_bytes=4 * 8 * 2 * N)
    repeated(surface, 2, probes=100, max_bytes=0)
    assert dimensions == [33, 4, 1]


def test_torchs_seed_governs_unless_a_generator_is_given(surface):
    theta = torch.zeros(N, dtype=torch.float64)

    def value():
        return scalar_curvature(surface[0], theta, method="stochastic", probes=20).value

    torch.manual_seed(5)
    first = value()
    assert value() != first
    torch.manual_seed(5)
    assert value() == first


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (183.31891, 0.0, "183.31891 ± 0"),
        (183.31891, 0.0517, "183.319 ± 0.052"),
        (183.31891, 12.7, "183 ± 13"),
        (18331.891, 230.0, "18330 ± 230"),
        (-1.2e-5, 3.4e-7, "-0.00001200 ± 0.00000034"),
    ],
)
def test_estimates_are_written_to_the_digits_they_have(value, error, said):
    assert str(Estimate(torch.tensor(value).double(), torch.tensor(error).double())) == said
