"""What the polish buys: gradient-equivalents to max |∇𝓛| ≤ 1e-8, from the same states to the same λ.

A gradient counts 1, a Hessian-vector product 2. Inspections for negative curvature, 240 or so each whatever the
method, are left out; what it takes to leave a saddle is not. Nothing here depends on the machine's speed.
"""

import pytest
import torch

from spinodal.ensemble import Ensemble, Objective
from spinodal.networks import MLP
from spinodal.tasks import digits, linear_teacher
from spinodal.training import Relaxation, RelaxationSettings
from spinodal.training.descent import Adam, GradientDescent

pytestmark = pytest.mark.benchmark

BUDGET = 10_000
METHODS = {
    "descent + polish": (GradientDescent(), True),
    "gradient descent": (GradientDescent(), False),
    "Adam, lr 1e-3": (Adam(), False),
}


class FreeInspection(Relaxation):
    """Does not count what inspections cost."""

    def _inspect(self, rows):
        steps = self.rows["steps"].clone()
        super()._inspect(rows)
        self.rows["steps"].copy_(steps)


def relaxation(objective, theta, rule, **settings):
    parameter = torch.nn.Parameter(theta.clone())
    return FreeInspection(parameter, objective, rule, [0] * len(theta), RelaxationSettings(**settings))


def relax(relaxation, l2, stage):
    relaxation.begin(l2, stage)
    while relaxation.active.any():
        relaxation.step()


def along_the_up_branch(objective, l2):
    """For each λ the minimum a tenth below it, reached from 0.02 in four stages."""
    walk = relaxation(objective, objective.ensemble.theta.detach(), GradientDescent())
    for stage in range(5):
        relax(walk, 0.02 * (0.9 * l2 / 0.02) ** (stage / 4), stage)
    assert walk.rows["minimum"].all()
    return walk.theta.detach()


@pytest.mark.parametrize(
    ("name", "l2"),
    [
        # Spinodals are 0.060499, 0.119549 and 0.236235: the λ are 1 % or 0.1 % below one, but the first.
        ("linear teacher, deep linear", [0.03, 0.0599, 0.1194, 0.2360]),
        ("linear teacher, tanh", [0.03, 0.06, 0.1, 0.15]),
        ("digits, tanh", [0.06, 0.1]),
    ],
)
def test_what_the_polish_buys(name, l2, show):
    task = digits() if "digits" in name else linear_teacher()
    network = {"depth": 3, "width": 32 if "digits" in name else 16}
    network["activation"] = "tanh" if "tanh" in name else "linear"
    sizes = task.inputs.shape[-1], task.targets.shape[-1]
    objective = Objective(Ensemble(lambda: MLP(*sizes, **network), [0] * len(l2)), task)
    path = torch.tensor(l2, dtype=torch.float64)
    start = along_the_up_branch(objective, path)
    cost, rows = {}, []
    for method, (rule, polish) in METHODS.items():
        way = relaxation(objective, start, rule, polish=polish, max_steps=BUDGET)
        relax(way, path, stage=5)
        cost[method] = way.rows["steps"]
        error = objective.error(way.theta.detach())
        for each, steps, stationary, residual, e in zip(
            l2, cost[method], way.stationary, way.rows["grad_max"], error, strict=True
        ):
            arrived = f"{steps}" if stationary else f"not in {BUDGET}"
            rows.append((f"{each}", method, arrived, f"{residual:.0e}", f"{e:.8f}"))
        assert polish <= way.stationary.all().item()
    rows.sort(key=lambda row: float(row[0]))
    show(name, ("λ", "method", "gradient-equivalents", "max |∇𝓛|", "E"), rows)
    polished, *others = (each.sum() for each in cost.values())
    assert polished < 0.7 * min(others)
