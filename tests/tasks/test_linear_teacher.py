from typing import Any

import pytest
import torch

from spinodal.errors import UserError
from spinodal.tasks import linear_teacher

WIDE = {"input_dim": 6, "output_dim": 5}


@pytest.mark.parametrize("samples", [7, 64, 500])
def test_inputs_are_centred_and_exactly_white(samples: int) -> None:
    task = linear_teacher(input_dim=6, samples=samples)
    covariance = task.inputs.T @ task.inputs / samples
    torch.testing.assert_close(covariance, torch.eye(6, dtype=torch.float64), atol=1e-12, rtol=0)
    assert task.inputs.mean(0).abs().max() < 1e-12
    assert task.targets.mean(0).abs().max() < 1e-12


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, [1, 0.6, 0.36]),
        ({"complexity": 4, "ratio": 0.5, **WIDE}, [1, 0.5, 0.25, 0.125]),
        ({"strengths": [1, 0.6, 0.3], **WIDE}, [1, 0.6, 0.3]),
        ({"strengths": [0.3, 2.0, 1.0], **WIDE}, [2, 1, 0.3]),
    ],
)
def test_measured_strengths_are_those_asked_for(arguments: dict[str, Any], expected: list[float]) -> None:
    task = linear_teacher(**arguments)
    assert task.strengths.tolist() == pytest.approx(expected, abs=1e-12)
    assert task.variances.tolist() == pytest.approx([1] * len(expected), abs=1e-12)


def test_error_of_a_linear_map_is_the_population_error() -> None:
    task = linear_teacher(**WIDE)
    # The teacher as the test set shows it: independent of the training tensors.
    teacher = torch.linalg.lstsq(task.test_inputs, task.test_targets).solution.T
    assert torch.linalg.matrix_rank(teacher) == 3
    maps = torch.randn(4, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    errors = task.error(task.inputs @ maps.mT, task.targets)
    torch.testing.assert_close(errors, 0.5 * (teacher - maps).square().sum((-2, -1)))


def test_label_noise_moves_strengths_adds_spurious_ones_and_leaves_a_floor() -> None:
    clean, noisy = linear_teacher(**WIDE), linear_teacher(noise=0.3, **WIDE)
    assert noisy.complexity == 3
    assert len(noisy.strengths) == 5
    assert (noisy.strengths[:3] - clean.strengths).abs().max() > 0.01
    fitted = noisy.targets.T @ noisy.inputs / 64
    floor = noisy.error(noisy.inputs @ fitted.T, noisy.targets)
    # E = ½‖Ŝ − W‖² + floor, the floor being the noise that no linear map of 6 inputs can fit.
    assert floor.item() == pytest.approx(0.5 * 5 * 0.3**2 * (64 - 7) / 64, rel=0.25)
    at_zero = noisy.error(torch.zeros_like(noisy.targets), noisy.targets)
    torch.testing.assert_close(at_zero - floor, 0.5 * noisy.strengths.square().sum())


def test_test_inputs_are_white_in_the_population_and_unseen() -> None:
    task = linear_teacher(test_samples=20_000)
    covariance = task.test_inputs.T @ task.test_inputs / 20_000
    assert (covariance - torch.eye(3)).abs().max() < 5 * (2 / 20_000) ** 0.5
    assert torch.cdist(task.inputs, task.test_inputs).min() > 0


def test_everything_follows_from_the_seed_alone() -> None:
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    first = linear_teacher(seed=5, noise=0.1)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(2)
    again, other = linear_teacher(seed=5, noise=0.1), linear_teacher(seed=6, noise=0.1)
    for name in ("inputs", "targets", "test_inputs", "test_targets", "strengths"):
        assert torch.equal(getattr(first, name), getattr(again, name))
        assert not torch.equal(getattr(first, name), getattr(other, name))


def test_more_samples_or_noise_leave_the_teacher_and_the_test_inputs() -> None:
    few, many = linear_teacher(samples=10, **WIDE), linear_teacher(samples=100, **WIDE)
    torch.testing.assert_close(few.targets.T @ few.inputs / 10, many.targets.T @ many.inputs / 100)
    assert torch.equal(few.test_targets, many.test_targets)
    noisy = linear_teacher(samples=10, noise=0.5, **WIDE)
    assert torch.equal(noisy.inputs, few.inputs)
    assert torch.equal(noisy.test_inputs, few.test_inputs)


@pytest.mark.parametrize(
    "arguments",
    [
        {"complexity": 0},
        {"complexity": 60},
        {"ratio": 0.0},
        {"ratio": 1.5},
        {"ratio": float("nan")},
        {"strengths": [1.0, 0.5]},
        {"strengths": []},
        {"strengths": [1.0, 0.5, 0.0]},
        {"strengths": [1.0, 0.5, -0.2]},
        {"strengths": [1.0, 0.5, float("inf")]},
        {"strengths": [1.0, 0.5, float("nan")]},
        {"input_dim": 2},
        {"output_dim": 2},
        {"samples": 3},
        {"test_samples": 0},
        {"noise": -0.1},
        {"noise": float("inf")},
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments: dict[str, Any]) -> None:
    defaults: dict[str, Any] = {"samples": 64} | ({"samples": 100} if "complexity" in arguments else {})
    with pytest.raises(UserError) as refusal:
        linear_teacher(**(defaults | arguments))
    key = "ratio" if arguments == {"complexity": 60} else next(iter(arguments))
    assert str(refusal.value).startswith(f"data.{key} = ")
    assert "\n" not in str(refusal.value)
