"""`rank`, the number of directions of the outputs that are alive: an order parameter of any network."""

import numpy as np
import pytest
import torch

from spinodal import theory
from spinodal.observables.order_parameters import ALIVE, LEARNED, output_rank
from spinodal.tasks import Task, digits, linear_teacher

TEACHER = linear_teacher(strengths=[1.0, 0.6, 0.36], input_dim=5, output_dim=4, samples=40)


def learned(task: Task, amplitudes: torch.Tensor) -> torch.Tensor:
    """Outputs of linear networks with amplitudes [R, K] along the features."""
    maps = torch.einsum("rk,kc,kd->rcd", amplitudes, task.output_directions, task.input_directions)
    return task.inputs @ maps.mT


@pytest.mark.parametrize("depth", [3, 4, 6])
def test_it_is_the_number_of_learned_features_up_to_every_spinodal(depth: int) -> None:
    spinodals = theory.spinodal(TEACHER.strengths.numpy(), depth, TEACHER.variances.numpy())
    l2 = np.sort(np.concatenate([np.geomspace(1e-3, 1, 400), spinodals * (1 - 1e-6), spinodals * (1 + 1e-6)]))
    state = theory.learned_state(l2, TEACHER.strengths.numpy(), depth, TEACHER.variances.numpy())
    outputs = learned(TEACHER, torch.as_tensor(state.amplitudes))
    assert output_rank(outputs, TEACHER.targets) == state.alive.sum(1).tolist()
    overlaps = (TEACHER.overlaps(outputs) > LEARNED).sum(1)
    assert output_rank(outputs, TEACHER.targets) == overlaps.tolist()
    assert set(overlaps.tolist()) == {0, 1, 2, 3}


def test_at_depth_2_it_falls_where_it_is_stated_to() -> None:
    """Amplitudes are s − 2λ on whitened inputs: each falls through ALIVE of the strongest before it is 0 at s/2."""
    for k, strength in enumerate([1.0, 0.6, 0.36]):
        at = (strength - ALIVE * 1.0) / 2
        l2 = torch.tensor([at * (1 - 1e-6), at * (1 + 1e-6)], dtype=torch.float64)
        amplitudes = (torch.tensor([1.0, 0.6, 0.36]) - 2 * l2[:, None]).clamp_min(0)
        assert output_rank(learned(TEACHER, amplitudes), TEACHER.targets) == [k + 1, k]


def test_a_weak_feature_is_counted_up_to_a_little_before_its_spinodal() -> None:
    weak = linear_teacher(2, strengths=[1.0, 0.1], samples=40)
    (*_, at) = np.sort(theory.spinodal(np.array([0.1]), 3, np.array([1.0])))
    l2 = at * np.array([0.8, 1 - 1e-6, 1 + 1e-6])
    state = theory.learned_state(l2, weak.strengths.numpy(), 3, weak.variances.numpy())
    assert state.alive.sum(1).tolist() == [2, 2, 1]
    assert output_rank(learned(weak, torch.as_tensor(state.amplitudes)), weak.targets) == [2, 1, 1]


@pytest.mark.parametrize("task", [TEACHER, digits(samples=40)])
def test_it_depends_on_no_coordinates_and_no_scale(task: Task) -> None:
    generator = torch.Generator().manual_seed(0)
    outputs = learned(
        task, torch.tensor([[0.0] * len(task.strengths), [0.5, 0.2] + [0.0] * (len(task.strengths) - 2)])
    )
    outputs = outputs + 1e-9 * torch.randn(outputs.shape, dtype=torch.float64, generator=generator)
    assert output_rank(outputs, task.targets) == [0, 2]
    turned, _ = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64, generator=generator))
    assert output_rank(outputs @ turned, task.targets) == [0, 2]
    assert output_rank(1e3 * outputs @ turned, 1e3 * task.targets) == [0, 2]
    assert output_rank(outputs[:, torch.randperm(40, generator=generator)], task.targets) == [0, 2]


def test_constants_count_and_nothing_does_not() -> None:
    zero = torch.zeros(1, *TEACHER.targets.shape, dtype=torch.float64)
    assert output_rank(zero, TEACHER.targets) == [0]
    assert output_rank(zero + 0.1, TEACHER.targets) == [1]
    assert output_rank(zero + 0.01, TEACHER.targets) == [0]
    one = learned(TEACHER, torch.tensor([[0.5, 0.0, 0.0]]))
    assert output_rank(one + 0.1, TEACHER.targets) == [2]


def test_replicas_with_tasks_of_their_own_are_measured_on_those() -> None:
    targets = torch.stack([TEACHER.targets, 100 * TEACHER.targets])
    assert output_rank(TEACHER.targets.expand(2, -1, -1), targets) == [3, 0]


def test_of_outputs_that_are_not_finite_nothing_is_known() -> None:
    outputs = torch.stack([TEACHER.targets, TEACHER.targets.clone()])
    outputs[0, 3, 1] = torch.inf
    assert output_rank(outputs, TEACHER.targets) == [None, 3]
