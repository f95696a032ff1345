"""Newton steps on quadratic models whose minimisers are known."""

import torch

from spinodal.geometry.trust_region import newton_step


def solve(matrices, gradient, radius, tolerance=1e-12):
    rows = len(gradient)
    return newton_step(
        lambda v: torch.einsum("rij,rj->ri", matrices, v),
        gradient,
        torch.full((rows,), radius, dtype=torch.float64),
        torch.full((rows,), tolerance, dtype=torch.float64),
        max_products=200,
    )


def positive(rows=4, n=9, zero_modes=0):
    generator = torch.Generator().manual_seed(2)
    basis, _ = torch.linalg.qr(torch.randn(rows, n, n, generator=generator, dtype=torch.float64))
    eigenvalues = torch.linspace(0.5, 3, n, dtype=torch.float64)
    eigenvalues[:zero_modes] = 0
    return basis, basis @ torch.diag_embed(eigenvalues.expand(rows, n)) @ basis.mT


def test_inside_the_region_the_step_is_newtons():
    _, matrices = positive()
    gradient = torch.randn(4, 9, dtype=torch.float64)
    step = solve(matrices, gradient, radius=1e6)
    torch.testing.assert_close(step.step, -torch.linalg.solve(matrices, gradient))
    torch.testing.assert_close(step.image, -gradient, atol=1e-10, rtol=0)
    assert not step.negative.any()


def test_flat_directions_do_no_harm():
    """A singular Hessian with the gradient in its range, as at every minimum of a symmetric network."""
    basis, matrices = positive(zero_modes=4)
    gradient = torch.einsum("rij,rj->ri", matrices, torch.randn(4, 9, dtype=torch.float64))
    step = solve(matrices, gradient, radius=1e6)
    torch.testing.assert_close(torch.einsum("rij,rj->ri", matrices, step.step), -gradient)
    along_flat = torch.einsum("rij,ri->rj", basis[:, :, :4], step.step)
    assert along_flat.abs().max() < 1e-10


def test_a_step_too_long_ends_on_the_boundary_and_still_descends():
    _, matrices = positive()
    gradient = torch.randn(4, 9, dtype=torch.float64)
    step = solve(matrices, gradient, radius=0.05)
    torch.testing.assert_close(step.step.norm(dim=-1), torch.full((4,), 0.05, dtype=torch.float64))
    assert ((gradient * step.step).sum(-1) < 0).all()


def test_negative_curvature_is_followed_to_the_boundary_and_reported():
    matrices = torch.diag(torch.tensor([1.0, -0.5], dtype=torch.float64)).expand(2, 2, 2)
    gradient = torch.tensor([[0.1, 1e-4], [0.1, 0.0]], dtype=torch.float64)
    step = solve(matrices, gradient, radius=0.3)
    # The second row's gradient has no component along the negative mode: it cannot know.
    assert step.negative.tolist() == [True, False]
    torch.testing.assert_close(step.step[0].norm(), torch.tensor(0.3, dtype=torch.float64))
    model = (gradient * step.step).sum(-1) + 0.5 * (step.image * step.step).sum(-1)
    assert (model < 0).all()


def test_rows_do_not_feel_each_other():
    _, matrices = positive(rows=6)
    gradient = torch.randn(6, 9, dtype=torch.float64) * torch.logspace(-8, 0, 6, dtype=torch.float64)[:, None]
    together = solve(matrices, gradient, radius=1.0, tolerance=0.1)
    for row in range(6):
        alone = solve(matrices[row : row + 1], gradient[row : row + 1], radius=1.0, tolerance=0.1)
        torch.testing.assert_close(alone.step[0], together.step[row])
        assert alone.products[0] == together.products[row]
