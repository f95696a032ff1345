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
def test_every_phase_against_the_closed_form(depth, width, strengths, alive, relaxed) -> None:
    """From where just the `alive` strongest features live to where the weakest of them dies, and down its saddle."""
    spinodals = [*theory.spinodal(strengths, depth), 0.0]
    weakest, dead = strengths[alive - 1], spinodals[alive]
    exact = float(spinodals[alive - 1])
    start = max(0.5 * exact, 0.7 * exact + 0.3 * dead if dead else 0.0)
    objective, theta = relaxed(strengths, start, depth=depth, width=width)
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


@pytest.mark.parametrize("direction", ["down", "up"])
def test_one_hidden_layer_changes_continuously(direction, relaxed) -> None:
    """At s/2, from θ = 0 and from the learned side, the minimum goes over to that of other symmetry."""
    start, beyond = (0.9, 0.2) if direction == "down" else (0.2, 0.9)
    objective, theta = relaxed((1.0, 0.6), start, depth=2)
    found = locate(objective.error, theta, theta.new_tensor([start]), theta.new_tensor([beyond]))
    assert found.kind == (Kind.NONE,)
    events = sorted(found.passed[0], key=lambda event: event.point.control)
    assert [event.point.control for event in events] == pytest.approx([0.3, 0.5], rel=1e-9)
    assert all(event.pitchfork for event in events)
    amplitudes = [max(0.0, s - 2 * beyond) for s in (1.0, 0.6)]
    assert float(found.penalty) == pytest.approx(2 * sum(amplitudes), abs=1e-9)


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
    above = saddles(objective.error, found, 0.8 * found.value.nan_to_num(0.2))
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
    assert float(loss[-1] - loss[0]) == pytest.approx(float(integral), abs=2e-4)
    for point in branch.points:
        if point.arclength > fold.arclength and point.control < 0.9 * fold.control:
            exact = theory.saddles(point.control, THREE, 3)[2]
            assert point.error == pytest.approx(float(exact.error[0]), rel=1e-6)
    # Σ (2/3) u^{-1/3} du/dλ = 0 where the norm turns: checked by differences of the closed form.
    around = theory.saddles([turn.control * (1 - 1e-4), turn.control, turn.control * (1 + 1e-4)], THREE, 3)[2]
    left, middle, right = around.norm_squared
    assert abs(right - left) < 1e-2 * abs(right - 2 * middle + left) * 1e2
    assert float(fold.overlap) > 0.1
