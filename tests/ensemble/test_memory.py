"""Memory of derivatives, from a few samples: against what a network is known to keep, and what it is used for."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from spinodal.ensemble import Ensemble, Objective, derivative_bytes
from spinodal.ensemble.ensemble import BLOCK
from spinodal.geometry.lanczos import INSPECTED, MAX_BYTES
from spinodal.planning import memory
from spinodal.tasks import linear_teacher
from spinodal.training import holding, noise


class Wide(nn.Module):
    """A large layer between small ones: its activations are nearly all there is."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.inputs, self.outputs = nn.Linear(inputs, width), nn.Linear(width, inputs)

    def forward(self, inputs):
        return self.outputs(torch.tanh(self.inputs(inputs)))


def test_each_sample_takes_a_few_times_its_activations() -> None:
    task = linear_teacher(complexity=3, samples=20)
    found = {
        width: derivative_bytes(Objective(Ensemble(lambda w=width: Wide(3, w), [0]), task))
        for width in (500, 1000)
    }
    per_neuron = (found[1000].per_sample - found[500].per_sample) / (8 * 500)
    assert 2 < per_neuron < 15  # tanh, its derivatives, and what the products with them need at a time
    assert found[1000].on(10**6) == found[1000].on(BLOCK) > found[1000].on(20)


def test_memory_of_parameters_counts_once() -> None:
    """On no samples are left θ-sized vectors alone: the gradient, the product and what they are made of."""
    task = linear_teacher(complexity=3, samples=20)
    ensemble = Ensemble(lambda: Wide(3, 20_000), [0])
    assert 2 < derivative_bytes(Objective(ensemble, task)).fixed / (8 * ensemble.theta.shape[-1]) < 20


def test_tensors_without_numbers_have_the_same_size() -> None:
    task = linear_teacher(complexity=3, samples=20)
    there = derivative_bytes(Objective(Ensemble(lambda: Wide(3, 50), [0]), task))
    with torch.device("meta"):
        ensemble = Ensemble(lambda: Wide(3, 50), [0])
    assert ensemble.theta.is_meta
    assert derivative_bytes(Objective(ensemble, task)) == pytest.approx(there, rel=0.01)


def test_a_penalty_on_the_outputs_takes_another_evaluation_of_them() -> None:
    task = linear_teacher(complexity=3, samples=20)
    alone = Objective(Ensemble(lambda: Wide(3, 500), [0]), task)
    both = replace(alone, penalty=lambda objective, theta: objective.outputs(theta).square().mean((-2, -1)))
    grown = derivative_bytes(both).per_sample / derivative_bytes(alone).per_sample
    assert 1.5 < grown < 2.5


def test_planning_which_loads_no_torch_knows_the_constants_of_the_computation() -> None:
    assert memory.BLOCK == BLOCK
    assert memory.WHOLE == noise.WHOLE
    assert memory.DRAWN == holding.DRAWN
    assert (memory.KRYLOV, memory.BASIS) == (INSPECTED, MAX_BYTES)
