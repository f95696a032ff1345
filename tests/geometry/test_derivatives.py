"""Hessians of rows against finite differences and each row alone."""

import torch
from surfaces import rough

from spinodal.geometry import hessian, kinked, linearise_gradient, value_and_gradient

THETA = 0.5 * torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
FUNCTION = torch.vmap(rough(0, 5))


def test_hessians_are_differences_of_gradients():
    full, step = hessian(FUNCTION, THETA), 1e-5
    for j in range(5):
        shift = torch.zeros(5, dtype=torch.float64)
        shift[j] = step
        up, down = (value_and_gradient(FUNCTION, THETA + sign * shift)[1] for sign in (1, -1))
        torch.testing.assert_close(full[:, :, j], (up - down) / (2 * step), rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(full, full.mT)


def test_rows_are_alone_and_chunks_make_no_difference():
    full = hessian(FUNCTION, THETA)
    torch.testing.assert_close(hessian(FUNCTION, THETA, max_bytes=1), full)
    for row in range(3):
        torch.testing.assert_close(hessian(FUNCTION, THETA[row : row + 1])[0], full[row])


def test_products_take_stacks_of_vectors():
    _, _, product = linearise_gradient(FUNCTION, THETA)
    vectors = torch.randn(4, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(product(vectors), torch.stack([product(each) for each in vectors]))


def test_kinks_are_seen():
    smooth = {
        "tanh": torch.tanh,
        "softplus": torch.nn.functional.softplus,
        "gelu": torch.nn.functional.gelu,
        "logsumexp": lambda t: t.logsumexp(-1, keepdim=True),
        "square": torch.square,
    }
    sharp = {
        "relu": torch.relu,
        "leaky": torch.nn.functional.leaky_relu,
        "abs": torch.abs,
        "clamp": lambda t: t.clamp(min=0),
        "maximum": lambda t: torch.maximum(t, -t),
        "max": lambda t: t.amax(-1, keepdim=True),
        "hardtanh": torch.nn.functional.hardtanh,
    }
    for expected, functions in ((False, smooth), (True, sharp)):
        for name, function in functions.items():
            assert kinked(lambda t, f=function: f(t.sin()).sum(-1), THETA) is expected, name
            assert kinked(torch.vmap(lambda t, f=function: f(t.sin()).sum()), THETA) is expected, name
