"""A survey costs a fraction of the exact relaxation of the same rows, and leaves E near that of its minima."""

import pytest
import torch
from torch import Tensor

from spinodal.ensemble import Ensemble, Objective
from spinodal.networks import MLP
from spinodal.tasks import digits
from spinodal.training import Relaxation, RelaxationSettings
from spinodal.training.descent import GradientDescent
from spinodal.training.surveying import SurveyRelaxation

pytestmark = pytest.mark.benchmark

PATH = torch.logspace(-1.4, -0.8, 10, dtype=torch.float64)
FLOW = 2e-4


def followed(flow: float | None) -> tuple[Tensor, int]:
    """E [stages, R] along an up branch, and the gradients it cost."""
    task = digits(complexity=4)
    ensemble = Ensemble(
        lambda: MLP(task.inputs.shape[-1], task.targets.shape[-1], depth=3, width=16, activation="tanh"),
        [0, 1],
    )
    kind = Relaxation if flow is None else SurveyRelaxation
    settings = RelaxationSettings(flow=flow, descent_dtype="float64" if flow is None else "float32")
    relaxation = kind(ensemble.theta, Objective(ensemble, task), GradientDescent(), [0, 1], settings)
    errors, steps = [], 0
    for stage, l2 in enumerate(PATH):
        relaxation.begin(l2.expand(2), stage)
        while relaxation.active.any():
            relaxation.step()
        assert relaxation.stationary.all()
        steps += int(relaxation.rows["steps"].sum())
        errors.append(relaxation.objective.error(relaxation.theta.detach()))
    return torch.stack(errors), steps


def test_a_survey_is_cheap_and_near() -> None:
    exact, dear = followed(None)
    errors, cheap = followed(FLOW)
    off = (errors - exact).abs().flatten()
    print(
        f"\n{cheap} gradients for {dear}; E off by {off.median():.1e} in the median, {off.max():.1e} at most"
    )
    assert 2 * cheap < dear
    # Single rows come to rest beside a jump, in the phase that ends there.
    assert off.median() < 5e-4
