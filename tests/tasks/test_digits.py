from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits

from spinodal.errors import UserError
from spinodal.tasks import digits


def test_strengths_of_the_first_four_classes() -> None:
    """1.85, 1.33, 1.08 is what the prototype of the phase diagram was measured with."""
    nearly_all = digits(test_fraction=1e-6)
    assert len(nearly_all.inputs) == 716
    assert nearly_all.strengths.tolist() == pytest.approx([1.85, 1.33, 1.08], abs=0.01)
    for seed in range(3):
        assert digits(samples=400, seed=seed).strengths.tolist() == pytest.approx(
            [1.85, 1.33, 1.08], rel=0.07
        )


@pytest.mark.parametrize("complexity", [1, 3, 9])
def test_as_many_features_as_classes_less_one(complexity: int) -> None:
    task = digits(complexity)
    assert task.complexity == complexity
    assert task.targets.shape[1] == complexity + 1
    assert len(task.strengths) == complexity
    # The images of every class are all there, once.
    labels = torch.cat([task.targets, task.test_targets]).argmax(-1)
    _, original = load_digits(return_X_y=True)
    expected = torch.as_tensor(original[original <= complexity]).bincount()
    assert torch.equal(labels.bincount(), expected)
    assert torch.cdist(task.inputs, task.test_inputs).min() > 0


def test_inputs_are_the_images_under_one_shift_and_one_scale() -> None:
    task = digits(samples=101)
    assert task.inputs.mean(0).abs().max() < 1e-12
    assert task.inputs.square().mean().item() == pytest.approx(1)
    assert task.targets.mean(0).abs().max() < 1e-12
    # Original pixels are whole numbers from 0 to 16; one factor for all of them must bring those back.
    everything = torch.cat([task.inputs, task.test_inputs])
    differences = (everything - everything[0]) * (16 / (everything.amax(0) - everything.amin(0)).max())
    torch.testing.assert_close(differences, differences.round(), atol=1e-9, rtol=0)


def test_split_is_stratified_and_samples_are_balanced() -> None:
    everything, some = digits(), digits(samples=10)
    share = everything.test_targets.argmax(-1).bincount() / everything.targets.argmax(-1).bincount()
    assert share.tolist() == pytest.approx([1 / 3] * 4, rel=0.05)
    assert sorted(some.targets.argmax(-1).bincount().tolist()) == [2, 2, 3, 3]
    assert torch.equal(some.test_targets.argmax(-1), everything.test_targets.argmax(-1))


def test_seed_alone_decides_the_split() -> None:
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    first = digits(seed=5)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(first.inputs, digits(seed=5).inputs)
    assert not torch.equal(first.inputs, digits(seed=6).inputs)


@pytest.mark.parametrize(
    "arguments",
    [
        {"complexity": 0},
        {"complexity": 12},
        {"error": "hinge"},
        {"samples": 3},
        {"samples": 541},
        {"test_fraction": 0.0},
        {"test_fraction": 1.0},
        {"test_fraction": float("nan")},
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments: dict[str, Any]) -> None:
    with pytest.raises(UserError) as refusal:
        digits(**arguments)
    assert str(refusal.value).startswith(f"data.{next(iter(arguments))} = ")
    assert "\n" not in str(refusal.value)
