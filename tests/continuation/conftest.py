"""Relaxed ensembles, and closed forms of one weight a layer."""

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from spinodal.ensemble import Ensemble, Objective
from spinodal.networks import MLP
from spinodal.tasks import linear_teacher
from spinodal.training import Relaxation, RelaxationSettings
from spinodal.training.descent import GradientDescent

Relaxed = tuple[Objective, Tensor]


def relax(objective: Objective, theta: Tensor, control: float | Tensor, seeds: Sequence[int]) -> Tensor:
    """Minima that rows come down to, each at its own c."""
    relaxation = Relaxation(
        torch.nn.Parameter(theta.clone()), objective, GradientDescent(), seeds, RelaxationSettings()
    )
    relaxation.begin(torch.as_tensor(control, dtype=torch.float64).expand(len(theta)), 0)
    while relaxation.active.any():
        relaxation.step()
    return relaxation.theta.detach().clone()


@pytest.fixture(scope="session")
def relax_again() -> Callable[..., Tensor]:
    """Relaxes rows at c of their own."""
    return relax


@pytest.fixture(scope="session")
def relaxed() -> Callable[..., Relaxed]:
    """Makes an ensemble on a linear teacher, relaxed at c."""

    def make(
        strengths: Sequence[float],
        control: float | Tensor,
        seeds: Sequence[int] = (0,),
        depth: int = 3,
        width: int = 4,
        activation: str = "linear",
    ) -> Relaxed:
        size = len(strengths)
        task = linear_teacher(complexity=size, strengths=strengths)
        ensemble = Ensemble(
            lambda: MLP(size, size, depth=depth, width=width, activation=activation), list(seeds)
        )
        objective = Objective(ensemble, task)
        return objective, relax(objective, ensemble.theta.detach(), control, list(seeds))

    return make
