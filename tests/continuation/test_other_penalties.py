"""A penalty other than ‖θ‖²: the smoothed L1 norm of one weight a layer, whose states have closed forms."""

import numpy as np
import pytest
import torch
from scipy.optimize import brentq, minimize_scalar

from spinodal.continuation import Kind, barrier, coexistence, locate, saddles

WIDTH, DEPTH = 0.01, 3


def error(theta):
    return 0.5 * (1 - theta.prod(-1)) ** 2


def smooth_l1(theta):
    return ((theta.square() + WIDTH**2).sqrt() - WIDTH).sum(-1)


def control_at(a):
    return a ** (DEPTH - 2) * (1 - a**DEPTH) * np.hypot(a, WIDTH)


def loss_at(a, c):
    return 0.5 * (1 - a**DEPTH) ** 2 + c * DEPTH * (np.hypot(a, WIDTH) - WIDTH)


FOLD = minimize_scalar(
    lambda a: -control_at(a), bounds=(0.3, 1), method="bounded", options={"xatol": 1e-12}
).x


def test_folds_barriers_and_coexistence_of_a_smoothed_l1_norm() -> None:
    learned = brentq(lambda a: control_at(a) - 0.1, FOLD, 1)
    theta = torch.full((1, DEPTH), learned, dtype=torch.float64)
    found = locate(error, theta, theta.new_tensor([0.1]), theta.new_tensor([0.9]), penalty=smooth_l1)
    assert found.kind == (Kind.FOLD,)
    assert float(found.value) == pytest.approx(control_at(FOLD), rel=1e-12)
    assert float(found.value) == pytest.approx(0.32576, abs=1e-5)
    control = theta.new_tensor([0.25])
    on_top = saddles(error, found, control, penalty=smooth_l1)
    top, low = (
        brentq(lambda a: control_at(a) - 0.25, 0.1, FOLD),
        brentq(lambda a: control_at(a) - 0.25, FOLD, 1),
    )
    torch.testing.assert_close(on_top.theta, torch.full_like(theta, top))
    both = barrier(error, on_top.theta, control, penalty=smooth_l1)
    exact = [loss_at(top, 0.25) - loss_at(low, 0.25), loss_at(top, 0.25) - 0.5]
    assert both.heights[:, 0].tolist() == pytest.approx(exact, rel=1e-11)
    equal = coexistence(error, both.minima[0].theta, both.minima[1].theta, control, penalty=smooth_l1)
    at = brentq(lambda a: loss_at(a, control_at(a)) - 0.5, FOLD, 1)
    assert float(equal.value) == pytest.approx(control_at(at), rel=1e-12)


def test_rows_with_data_of_their_own() -> None:
    """E of each row has a strength of its own; λ_sp ∝ s^{4/3} at three layers."""

    class Strengths:
        def __init__(self, strengths):
            self.strengths = strengths

        def __call__(self, theta):
            return 0.5 * (self.strengths - theta.prod(-1)) ** 2

        def of(self, rows):
            return Strengths(self.strengths[rows])

    strengths = torch.tensor([1.0, 0.5, 2.0], dtype=torch.float64)
    a = (0.9 * strengths) ** (1 / 3)
    value = 0.05 * strengths * a
    found = locate(Strengths(strengths), a[:, None].expand(3, 3).clone(), value, value + 2)
    expected = 0.23623519685528872 * strengths ** (4 / 3)
    torch.testing.assert_close(found.value, expected, rtol=1e-12, atol=0)
