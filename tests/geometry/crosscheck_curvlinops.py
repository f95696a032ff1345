"""tr H and ‖H‖_F² against curvlinops, by its own command, since that would install torchvision and another torch:

    pip install --no-deps --target /tmp/curvlinops curvlinops-for-pytorch linear_operator einops einconv \\
        backpack-for-pytorch unfoldNd mpmath
    PYTHONPATH=/tmp/curvlinops pytest tests/geometry/crosscheck_curvlinops.py
"""

import pytest
import torch
from curvlinops import HessianLinearOperator, hutchinson_squared_fro, hutchinson_trace
from torch import nn

from spinodal.geometry import parametrise, scalar_curvature


@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.CrossEntropyLoss()], ids=["squared", "cross-entropy"])
def test_trace_and_frobenius_norm(loss):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Linear(6, 10), nn.Tanh(), nn.Linear(10, 8), nn.Tanh(), nn.Linear(8, 3)
    ).double()
    inputs = torch.randn(40, 6).double()
    targets = torch.randn(40, 3).double() if isinstance(loss, nn.MSELoss) else torch.randint(0, 3, (40,))
    error, theta = parametrise(network, inputs, targets, loss)
    exact = scalar_curvature(error, theta, method="exact")
    operator = HessianLinearOperator(network, loss, list(network.parameters()), [(inputs, targets)])
    matrix = operator @ torch.eye(len(theta), dtype=torch.float64)
    torch.testing.assert_close(exact.trace.value, matrix.trace(), rtol=1e-9, atol=0)
    torch.testing.assert_close(exact.frobenius_squared.value, matrix.square().sum(), rtol=1e-9, atol=0)

    ours = scalar_curvature(error, theta, method="stochastic", probes=100)
    theirs = hutchinson_trace(operator, num_matvecs=100), hutchinson_squared_fro(operator, num_matvecs=100)
    for estimate, truth, other in zip(
        (ours.trace, ours.frobenius_squared),
        (exact.trace.value, exact.frobenius_squared.value),
        theirs,
        strict=True,
    ):
        assert (estimate.value - truth).abs() <= 4 * estimate.standard_error
        print(f"exact {truth:.5g}, spinodal {estimate}, curvlinops {other:.5g}")
