"""Folds, saddles, barriers and coexistence of deep linear networks against closed forms."""

from itertools import product

import pytest
import torch

from spinodal import theory
from spinodal.continuation import Kind, What, barrier, coexistence, follow, locate, saddles

ONE, THREE = (1.0,), (1.0, 0.6, 0.36)
CASES = [
    *[pytest.param(depth, 4, strengths, 1) for depth, strengths in product((3, 4, 5), (ONE, THREE))],
    *[pytest.param(depth, 8, THREE, phase) for depth, phase in ((3, 1), (3, 2), (4, 3))],
    *[
        pytest.param(depth, width, strengths, phase, marks=pytest.mark.slow)
        for depth, width, (strengths, phase) in product(
            (3, 4, 5), (4, 8, 16), ((ONE, 1), (THREE, 1), (THREE, 2), (THREE, 3))
        )
    ],
]


@pytest.mark.parametrize(("depth", "width", "strengths", "alive"), CASES)
def test_every_phase_against_the_closed_form(depth, width, strengths, alive, relaxed, relax_again) -> None:
    """From where just the `alive` strongest features live to where the weakest of them dies, and down its saddle."""
    spinodals = [*theory.spinodal(strengths, depth), 0.0]
    weakest, dead = strengths[alive - 1], spinodals[alive]
    exact = float(spinodals[alive - 1])
    start = max(0.5 * exact, 0.7 * exact + 0.3 * dead if dead else 0.0)
    objective, theta = relaxed(strengths, 0.5 * float(spinodals[-2]), depth=depth, width=width)
    theta = relax_again(objective, theta, start, [0])  # weaker features have died on the way
    value = theta.new_tensor([start])
    found = locate(objective.error, theta, value, value + 1)
    assert found.kind == (Kind.FOLD,)
    assert float(found.value) == pytest.approx(exact, rel=1e-11)
    assert abs(float(found.value) - exact) <= float(found.bound)
    assert float(found.bound) < 1e-12
    assert float(found.overlap) > 0.1

    control = 0.8 * found.value
    on_top = saddles(objective.error, found, control)
    assert on_top.index.tolist() == [1]
    mode = theory.amplitude_mode(theory.saddle_amplitude(float(control), weakest, depth), weakest, depth)
    assert float(on_top.lowest) == pytest.approx(float(mode), rel=1e-8)
    both = barrier(objective.error, on_top.theta, control)
    heights = theory.barriers(float(control), weakest, depth)
    assert both.heights[:, 0].tolist() == pytest.approx(
        [float(heights.from_learned), float(heights.from_unlearned)], rel=1e-8
    )
    assert both.distinct == (True,)
    equal = coexistence(objective.error, both.minima[0].theta, both.minima[1].theta, control)
    exact = float(theory.coexistence(weakest, depth))
    assert float(equal.value) == pytest.approx(exact, rel=1e-8)
    assert abs(float(equal.value) - exact) <= 10 * float(equal.bound) + 1e-15


def test_one_hidden_layer_changes_continuously_from_the_learned_side(relaxed) -> None:
    """At s/2 of either feature the minimum goes over to that without it."""
    objective, theta = relaxed((1.0, 0.6), 0.2, depth=2)
    found = locate(objective.error, theta, theta.new_tensor([0.2]), theta.new_tensor([0.9]))
    assert found.kind == (Kind.NONE,)
    assert [event.point.control for event in found.passed[0]] == pytest.approx([0.3, 0.5], rel=1e-9)
    assert all(event.pitchfork for event in found.passed[0])
    assert float(found.penalty) < 1e-15


def test_one_hidden_layer_changes_continuously_from_zero(relaxed) -> None:
    """Where θ = 0 loses its stability at s/2, the minimum goes over to the learned state."""
    objective, theta = relaxed((1.0, 0.6), 0.9, depth=2)
    found = locate(objective.error, theta, theta.new_tensor([0.9]), theta.new_tensor([0.35]))
    assert found.kind == (Kind.NONE,)
    assert [event.point.control for event in found.passed[0]] == pytest.approx([0.5], rel=1e-12)
    assert float(found.penalty) == pytest.approx(2 * (1 - 2 * 0.35), rel=1e-9)


def test_the_symmetric_side_alone(relaxed) -> None:
    objective, theta = relaxed((1.0, 0.6), 0.35, depth=2)
    found = locate(objective.error, theta, theta.new_tensor([0.35]), theta.new_tensor([0.28]))
    assert [event.point.control for event in found.passed[0]] == pytest.approx([0.3], rel=1e-12)


def test_a_minimum_that_persists_is_returned_at_the_end(relaxed) -> None:
    objective, theta = relaxed(ONE, 0.1)
    found = locate(objective.error, theta, theta.new_tensor([0.1]), theta.new_tensor([0.2]))
    assert found.kind == (Kind.NONE,)
    assert found.value.isnan().all()
    state = theory.learned_state(0.2, ONE, 3)
    assert float(found.error) == pytest.approx(float(state.error[0]), rel=1e-10)
    assert float(found.grad_max) < 1e-11


def test_rows_that_cannot_be_followed_end_with_their_reason(relaxed) -> None:
    objective, theta = relaxed(ONE, 0.1)
    nowhere = torch.cat([theta, torch.roll(theta, 1, -1)])
    control = theta.new_tensor([0.1, 0.1])
    found = locate(objective.error, nowhere, control, control + 1)
    assert found.kind == (Kind.FOLD, Kind.LOST)
    assert "no minimum" in found.reason[1]
    assert found.value[1].isnan()
    assert found.theta[1].isnan().all()
    control = 0.8 * found.value.nan_to_num(0.2)
    above = saddles(objective.error, found, control)
    assert above.index.tolist() == [1, -1]
    assert above.theta[1].isnan().all()
    heights = barrier(objective.error, above.theta, control).heights
    assert heights[:, 0].isfinite().all()
    assert heights[:, 1].isnan().all()


def test_a_branch_goes_through_its_fold_and_a_turn_of_the_norm(relaxed) -> None:
    start = 0.3 * float(theory.spinodal(THREE[-1], 3))
    objective, theta = relaxed(THREE, start)
    value = theta.new_tensor([start])
    (branch,) = follow(objective.error, theta, value, value / 3, value + 1)
    assert [each.what for each in branch.happenings] == [What.FOLD, What.NORM_TURN]
    fold, turn = branch.happenings
    assert fold.control == pytest.approx(float(theory.spinodal(THREE[-1], 3)), rel=1e-11)
    index, arclength = branch.column("index"), branch.column("arclength")
    assert index.tolist() == [float(point.arclength > fold.arclength) for point in branch.points]
    assert (arclength.diff() > 0).all()
    # d𝓛 = P dc along the branch, whichever way it goes.
    control, penalty = branch.column("control"), branch.column("penalty")
    loss = branch.column("error") + control * penalty
    integral = torch.trapezoid(penalty, control)
    assert float(loss[-1] - loss[0]) == pytest.approx(float(integral), rel=0.03)
    for point in branch.points:
        if point.arclength > fold.arclength and point.control < 0.9 * fold.control:
            exact = theory.saddles(point.control, THREE, 3)[2]
            assert point.error == pytest.approx(float(exact.error[0]), rel=1e-6)
    below, above = (theory.saddles(turn.control * each, THREE, 3)[2].norm_squared for each in (0.99, 1.01))
    at = float(theory.saddles(turn.control, THREE, 3)[2].norm_squared[0])
    assert (float(below[0]) - at) * (float(above[0]) - at) > 0
    assert float(fold.overlap) > 0.1
