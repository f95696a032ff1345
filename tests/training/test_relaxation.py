"""Relaxation against the exact phase diagram of deep linear networks (closed forms in the tests themselves)."""

import pytest
import torch

from spinodal.ensemble import Ensemble, Objective
from spinodal.networks import MLP
from spinodal.tasks import linear_teacher
from spinodal.training import Relaxation, RelaxationSettings
from spinodal.training.descent import SGD, Adam, GradientDescent

SPINODAL = 0.236235  # depth 3, strength 1


def build(strengths, seeds, depth=3, width=8, rule=None, activation="linear", **settings):
    task = linear_teacher(complexity=len(strengths), strengths=strengths, samples=16)
    size = len(strengths)
    ensemble = Ensemble(lambda: MLP(size, size, depth=depth, width=width, activation=activation), seeds)
    objective = Objective(ensemble, task)
    relaxation = Relaxation(
        ensemble.theta, objective, rule or GradientDescent(), seeds, RelaxationSettings(**settings)
    )
    return objective, relaxation


def relax(relaxation, l2, stage=0):
    relaxation.begin(torch.as_tensor(l2, dtype=torch.float64).expand(len(relaxation.theta)), stage)
    while relaxation.active.any():
        relaxation.step()


def learned_singular_value(strength, l2):
    """u = a³ of the learned state at depth 3, by bisection on (s − u) = 2λ u^{−1/3} above the spinodal's u."""
    low, high = strength / 4, strength
    for _ in range(200):
        middle = (low + high) / 2
        if (strength - middle) * middle ** (1 / 3) > 2 * l2:
            low = middle
        else:
            high = middle
    return low


def exact_error(strengths, l2):
    spinodals = [SPINODAL * s ** (4 / 3) for s in strengths]
    return sum(
        0.5 * (s - (learned_singular_value(s, l2) if l2 < sp else 0)) ** 2
        for s, sp in zip(strengths, spinodals, strict=True)
    )


def test_the_up_branch_is_the_exact_one_and_ends_at_the_spinodals():
    """Between 0.02 % below and 0.02 % above each spinodal the feature dies, not earlier and not later."""
    strengths = [1.0, 0.5]
    objective, relaxation = build(strengths, seeds=[0, 1, 2])
    path = [0.03, 0.06, *(SPINODAL * 0.5 ** (4 / 3) * (1 + d) for d in (-2e-4, 2e-4))]
    path += [0.15, 0.2, *(SPINODAL * (1 + d) for d in (-2e-4, 2e-4))]
    for stage, l2 in enumerate(path):
        relax(relaxation, l2, stage)
        assert relaxation.stationary.all()
        assert relaxation.rows["minimum"].all()
        error = objective.error(relaxation.theta.detach())
        expected = torch.full((3,), exact_error(strengths, l2), dtype=torch.float64)
        torch.testing.assert_close(error, expected, rtol=1e-5, atol=1e-12)


def test_a_saddle_is_left_for_a_minimum():
    """The weaker feature alive with the stronger dead is stationary, but no minimum (physics.md: nested phases).

    All layers equal a along the weak feature's own neuron: the gradient never leaves that line.
    """
    objective, relaxation = build([1.0, 0.6], seeds=[0], width=4)
    task, l2 = objective.task, 0.05
    a = learned_singular_value(0.6, l2) ** (1 / 3)
    first, last = torch.zeros(4, 2, dtype=torch.float64), torch.zeros(2, 4, dtype=torch.float64)
    middle = torch.zeros(4, 4, dtype=torch.float64)
    first[0], middle[0, 0], last[:, 0] = a * task.input_directions[1], a, a * task.output_directions[1]
    relaxation.theta.data[0] = torch.cat([first.reshape(-1), middle.reshape(-1), last.reshape(-1)])
    relax(relaxation, l2)
    assert relaxation.rows["saddles"].item() >= 1
    assert relaxation.rows["minimum"].all()
    left = objective.error(relaxation.theta.detach()).item()
    assert left == pytest.approx(0.5 * 0.6**2 + 0.5 * (1 - learned_singular_value(1.0, l2)) ** 2, rel=1e-6)


@pytest.mark.parametrize(
    "rule", [GradientDescent(), SGD(lr=0.2), Adam(lr=3e-3)], ids=lambda r: type(r).__name__
)
def test_the_minimum_is_the_same_in_any_company(rule):
    """Alone, among many, in another order: the same minimum, and descent of the same length."""
    seeds = list(range(6))
    l2 = torch.tensor([0.02, 0.15, 0.05] * 2, dtype=torch.float64)
    settings = {"activation": "tanh", "rule": rule, "handoff": 1e-2}
    _, together = build([1.0, 0.5], seeds, **settings)
    relax(together, l2)
    assert together.stationary.all()
    order = [5, 2, 1]
    for rows in ([2], order):
        _, few = build([1.0, 0.5], [seeds[r] for r in rows], **settings)
        relax(few, l2[rows])
        torch.testing.assert_close(few.theta.data, together.theta.data[rows], rtol=1e-6, atol=1e-7)


def test_a_spent_budget_is_told():
    _, relaxation = build([1.0, 0.5], seeds=[0, 1], max_steps=20)
    relax(relaxation, 0.05)
    assert not relaxation.stationary.any()
    assert not relaxation.rows["minimum"].any()


def test_a_diverging_replica_leaves_the_others_alone():
    _, relaxation = build([1.0, 0.5], seeds=[0, 1], rule=SGD(lr=0.1))
    relaxation.theta.data[0] *= 1e3
    relax(relaxation, 0.05)
    assert relaxation.stationary.tolist() == [False, True]


def test_finished_replicas_are_not_computed_any_more():
    objective, relaxation = build([1.0, 0.5], seeds=[0, 1, 2])
    counted = []

    class Counting(Objective):
        def at(self, control):
            loss = super().at(control)
            return lambda theta: counted.append(len(theta)) or loss(theta)

    relaxation.objective = Counting(objective.ensemble, objective.task)
    relax(relaxation, 0.05)
    relaxation.theta.data[1] *= 1.05
    relaxation.rows["phase"][1] = 0
    counted.clear()
    while relaxation.active.any():
        relaxation.step()
    assert set(counted) == {1}


def test_descent_in_single_precision_ends_in_the_same_minima():
    l2 = torch.tensor([0.02, 0.15], dtype=torch.float64)
    minima = []
    for dtype in ("float64", "float32"):
        objective, relaxation = build([1.0, 0.5], [0, 1], activation="tanh", descent_dtype=dtype)
        relax(relaxation, l2)
        assert relaxation.theta.dtype == torch.float64
        assert relaxation.stationary.all()
        minima.append(objective.error(relaxation.theta.detach()))
    torch.testing.assert_close(minima[1], minima[0], rtol=1e-6, atol=1e-12)


def test_on_kinks_a_row_is_stationary_when_its_loss_no_longer_falls():
    """ReLU: no gradient vanishes, and descent that insists on falling stands still too high."""
    objective, relaxation = build([1.0, 0.6], [0, 1], activation="relu", smooth=False)
    l2 = torch.full((2,), 0.03, dtype=torch.float64)
    relax(relaxation, l2)
    assert relaxation.stationary.all()
    assert (relaxation.rows["grad_max"] > 1e-5).all()
    settled = objective.loss(relaxation.theta.detach(), l2)
    _, insisting = build([1.0, 0.6], [0, 1], activation="relu", polish=False, max_steps=1500)
    relax(insisting, l2)
    assert not insisting.stationary.any()
    assert (settled < objective.loss(insisting.theta.detach(), l2)).all()
    # Four times the patience finds no more than a few parts in a thousand.
    _, patient = build([1.0, 0.6], [0, 1], activation="relu", smooth=False, patience=80)
    relax(patient, l2)
    torch.testing.assert_close(settled, objective.loss(patient.theta.detach(), l2), rtol=3e-3, atol=0)
