import torch

from spinodal.tasks import features


def gaussian(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_one_feature_is_a_covariance_and_a_variance() -> None:
    x, y = gaussian(50, 1, seed=1), gaussian(50, 1, seed=2)
    measured = features(x, y)
    torch.testing.assert_close(measured.strengths, (x * y).mean(0).abs())
    torch.testing.assert_close(measured.variances, x.square().mean(0))


def test_unwhitened_inputs_are_not_whitened_by_the_measurement() -> None:
    """White inputs stretched along the teacher's own directions: s_k becomes s_k·√σ_k, the variance σ_k."""
    white, _ = torch.linalg.qr(gaussian(40, 3))
    variances = torch.tensor([0.5, 4.0, 1.0], dtype=torch.float64)
    x = white * 40**0.5 * variances.sqrt()
    y = white * 40**0.5 * torch.tensor([1.0, 0.6, 0.3], dtype=torch.float64)
    measured = features(x, y)
    torch.testing.assert_close(measured.strengths, torch.tensor([1.2, 0.5**0.5, 0.3], dtype=torch.float64))
    torch.testing.assert_close(measured.variances, variances[[1, 0, 2]])


def test_directions_rebuild_the_cross_covariance_and_turn_with_the_data() -> None:
    x, y = gaussian(30, 5), gaussian(30, 4, seed=3)
    turn, _ = torch.linalg.qr(gaussian(5, 5, seed=4))
    plain, turned = features(x, y), features(x @ turn, y)
    rebuilt = plain.output_directions.T @ plain.strengths.diag() @ plain.input_directions
    torch.testing.assert_close(rebuilt, y.T @ x / 30)
    torch.testing.assert_close(turned.strengths, plain.strengths)
    torch.testing.assert_close(turned.variances, plain.variances)
    overlap = (turned.input_directions * (plain.input_directions @ turn)).sum(-1).abs()
    torch.testing.assert_close(overlap, torch.ones_like(overlap))


def test_rounding_errors_are_no_features() -> None:
    x, y = gaussian(30, 5), gaussian(30, 1, seed=3)
    measured = features(x, y @ gaussian(1, 4, seed=5))
    assert measured.strengths.shape == (1,)
    assert measured.input_directions.shape == (1, 5)
    assert measured.output_directions.shape == (1, 4)
