"""Jumps of tanh networks against reference values, and against what relaxation finds beside them."""

import subprocess
import sys

import pytest
import torch

from spinodal.continuation import Kind, barrier, coexistence, locate, saddles
from spinodal.geometry import hessian

TEACHER = (1.0, 0.6, 0.36)


@pytest.mark.parametrize(
    ("start", "reference", "pitchforks", "fold_overlap"),
    [
        (0.12, 0.2193469269, [], 0.999),
        (0.0581, 0.0743293205, [0.0715048], 0.0106),
        pytest.param(0.02, 0.0425701639, [0.0420766], 0.0088, marks=pytest.mark.slow),
        pytest.param(0.0428, 0.0479764343, [], 0.221, marks=pytest.mark.slow),
        pytest.param(0.0745, 0.0918244554, [0.0911686], 0.0254, marks=pytest.mark.slow),
    ],
)
def test_references_at_width_8(start, reference, pitchforks, fold_overlap, relaxed) -> None:
    """Narrow folds just after a pitchfork among them, and one whose loop of hysteresis is narrower than any grid."""
    objective, theta = relaxed(TEACHER, start, width=8, activation="tanh")
    found = locate(objective.error, theta, theta.new_tensor([start]), theta.new_tensor([0.5]))
    assert found.kind == (Kind.FOLD,)
    assert float(found.value) == pytest.approx(reference, abs=1e-9)
    assert float(found.bound) < 1e-11
    assert float(found.overlap) == pytest.approx(fold_overlap, rel=0.05)
    assert [event.point.control for event in found.passed[0]] == pytest.approx(pitchforks, abs=1e-7)
    # The null vector, by the full Hessian.
    full = (
        hessian(objective.error, found.theta)[0] + 2 * float(found.value) * torch.eye(theta.shape[1]).double()
    )
    assert float((full @ found.mode[0]).norm()) < 1e-7
    assert torch.linalg.eigvalsh(full)[0] > -1e-9


def test_relaxation_jumps_where_the_fold_is(relaxed, relax_again) -> None:
    objective, theta = relaxed(TEACHER, 0.12, width=8, activation="tanh")
    found = locate(objective.error, theta, theta.new_tensor([0.12]), theta.new_tensor([0.5]))
    low = found.value * (1 - 1e-6)
    before = locate(objective.error, theta, theta.new_tensor([0.12]), low)
    assert before.kind == (Kind.NONE,)
    both = torch.cat([low, found.value * (1 + 1e-6)])
    error = objective.error(relax_again(objective, before.theta.repeat(2, 1), both, [0, 1]))
    assert float(error[0]) == pytest.approx(float(before.error), abs=1e-6)
    assert float(error[1]) > float(found.error) + 0.1


def test_rows_together_are_what_they_are_alone(relaxed, relax_again) -> None:
    seeds = list(range(16))
    objective, theta = relaxed(TEACHER, 0.12, seeds, width=8, activation="tanh")
    start, beyond = torch.full((16,), 0.12).double(), torch.full((16,), 0.5).double()
    start[::2] *= 1.1
    theta[::2] = relax_again(objective, theta, start, seeds)[::2]
    together = locate(objective.error, theta, start, beyond)
    assert set(together.kind) == {Kind.FOLD}
    for row in (0, 5):
        alone = locate(objective.error, theta[row : row + 1], start[:1] * 0 + start[row], beyond[:1])
        assert float(alone.value) == pytest.approx(float(together.value[row]), rel=1e-12)
        assert float(alone.cost) == pytest.approx(float(together.cost[row]), rel=0.05)


def test_barrier_and_coexistence_at_the_onset(relaxed) -> None:
    objective, theta = relaxed(TEACHER, 0.12, width=8, activation="tanh")
    found = locate(objective.error, theta, theta.new_tensor([0.12]), theta.new_tensor([0.5]))
    control = 0.913 * found.value
    on_top = saddles(objective.error, found, control)
    assert on_top.index.tolist() == [1]
    both = barrier(objective.error, on_top.theta, control)
    assert both.heights[:, 0].tolist() == pytest.approx([1.28e-2, 3.67e-2], rel=5e-3)
    assert float(both.minima[1].penalty) < 1e-15
    equal = coexistence(objective.error, both.minima[0].theta, both.minima[1].theta, control)
    assert float(equal.value) == pytest.approx(0.186627014, abs=1e-9)


@pytest.mark.slow
def test_a_saddle_passes_pitchforks_at_which_it_becomes_symmetric(relaxed) -> None:
    objective, theta = relaxed(TEACHER, 0.0428, width=8, activation="tanh")
    found = locate(objective.error, theta, theta.new_tensor([0.0428]), theta.new_tensor([0.5]))
    control = 0.8 * found.value
    on_top = saddles(objective.error, found, control)
    assert on_top.index.tolist() == [1]
    both = barrier(objective.error, on_top.theta, control)
    assert both.heights[:, 0].tolist() == pytest.approx([5.48e-3, 2.88e-3], rel=5e-3)
    equal = coexistence(objective.error, both.minima[0].theta, both.minima[1].theta, control)
    assert float(equal.value) == pytest.approx(0.040740246, abs=1e-9)


WITHOUT_THEORY = """
import sys
sys.modules["spinodal.theory"] = None
import torch
from spinodal.continuation import locate
error = lambda theta: 0.5 * (1 - theta.prod(-1)) ** 2
theta = torch.full((1, 3), 0.95, dtype=torch.float64)
value = ((1 - theta.prod(-1)) * theta[:, 0] / 2)
print(repr(float(locate(error, theta, value, value + 1).value)))
"""


def test_nothing_is_taken_from_theory() -> None:
    run = subprocess.run([sys.executable, "-c", WITHOUT_THEORY], check=True, capture_output=True, text=True)
    assert float(run.stdout) == pytest.approx(0.23623519685528872, rel=1e-14)
