"""What is true of any penalty: d𝓛*/dc = P, ∂θ*/∂c = −(∇²𝓛)⁻¹∇P, and the spectrum of ∇²𝓛."""

import pytest
import torch
from torch import Tensor

from spinodal.ensemble import Ensemble, Objective
from spinodal.geometry import hessian, linearise_gradient, soft_mode
from spinodal.networks import MLP
from spinodal.penalties import l2
from spinodal.tasks import linear_teacher
from spinodal.training.descent import GradientDescent
from spinodal.training.relaxation import Relaxation, RelaxationSettings

STEP = 1e-4


def smooth_l1(objective: Objective, theta: Tensor) -> Tensor:
    return ((theta**2 + 0.1**2).sqrt() - 0.1).sum(-1)


def mixed_in(objective: Objective, theta: Tensor) -> Tensor:
    """Any other error mixed into E, here that of targets with their sign changed: may be negative."""
    outputs = objective.ensemble.outputs(theta, objective.task.inputs)
    return objective.task.error(outputs, -objective.task.targets) - objective.error(theta)


CASES = {
    "l2": (l2, 0.03, ()),
    "smooth_l1": (smooth_l1, 0.02, ()),
    "smooth_l1 with l2": (smooth_l1, 0.02, ((0.01, l2),)),
    "l2 with smooth_l1": (l2, 0.01, ((0.02, smooth_l1),)),
    "mixed_in with l2": (mixed_in, 0.1, ((0.02, l2),)),
}


@pytest.fixture(scope="module", params=CASES.values(), ids=CASES)
def branch(request):
    """Minima of a small tanh network at three neighbouring values of the control parameter, from one another."""
    penalty, at, held = request.param
    ensemble = Ensemble(lambda: MLP(2, 2, depth=2, width=3, activation="tanh"), [0])
    objective = Objective(ensemble, linear_teacher(complexity=2, samples=40), penalty=penalty, held=held)
    relaxation = Relaxation(
        ensemble.theta, objective, GradientDescent(), [0], RelaxationSettings(tolerance=1e-12)
    )
    minima = []
    for stage, each in enumerate((at - STEP, at, at + STEP)):
        relaxation.begin(torch.tensor([each], dtype=torch.float64), stage)
        while relaxation.active.any():
            relaxation.step()
        assert relaxation.rows["minimum"].all()
        minima.append(ensemble.theta.detach().clone())
    return objective, torch.tensor([at], dtype=torch.float64), minima


def test_loss_at_minima_grows_with_the_penalty(branch):
    objective, at, (before, here, after) = branch
    with torch.no_grad():
        slope = (objective.loss(after, at + STEP) - objective.loss(before, at - STEP)) / (2 * STEP)
        torch.testing.assert_close(slope, objective.penalty(objective, here), rtol=1e-4, atol=0)


def test_a_minimum_answers_to_the_push_of_the_penalty(branch):
    objective, at, (before, here, after) = branch
    _, _, product = linearise_gradient(lambda rows: objective.loss(rows, at), here)
    found = soft_mode(product, objective.penalty_and_gradient(here)[1])
    moved = (after - before) / (2 * STEP)
    torch.testing.assert_close(found.response, moved, rtol=1e-3, atol=1e-3 * moved.abs().max().item())


def test_the_spectrum_of_the_loss_is_that_of_the_error_where_penalties_only_shift_it(branch):
    objective, at, (_, here, _) = branch
    of_loss = torch.linalg.eigvalsh(hessian(lambda rows: objective.loss(rows, at), here))
    of_error = torch.linalg.eigvalsh(hessian(objective.error, here))
    shift = objective.shift(at)
    isotropic = objective.penalty is l2 and not objective.held
    assert (shift is not None) is isotropic
    if shift is not None:
        torch.testing.assert_close(of_loss, of_error + shift[:, None])
    else:
        assert ((of_loss - of_error).std() > 1e-3).item()


def test_held_penalties_shift_the_spectrum_too():
    ensemble = Ensemble(lambda: MLP(2, 2, depth=2, width=3, activation="tanh"), [0])
    objective = Objective(ensemble, linear_teacher(complexity=2, samples=40), held=((0.25, l2),))
    assert objective.shift(torch.tensor([1.0, 2.0])).tolist() == [2.5, 4.5]
