import pytest
import torch

from spinodal.errors import UserError
from spinodal.tasks import modular_addition


@pytest.mark.parametrize("error", ["squared", "cross_entropy"])
def test_every_pair_is_there_once_with_its_sum(error: str) -> None:
    task = modular_addition(modulus=7, fraction=0.6, error=error)
    inputs = torch.cat([task.inputs, task.test_inputs])
    targets = torch.cat([task.targets, task.test_targets])
    assert len(task.inputs) == 29
    first, second = inputs[:, :7].argmax(1), inputs[:, 7:].argmax(1)
    assert sorted(zip(first.tolist(), second.tolist(), strict=True)) == [
        (a, b) for a in range(7) for b in range(7)
    ]
    assert torch.equal(targets.argmax(1), (first + second) % 7)
    assert task.inputs.mean(0).abs().max() < 1e-12
    assert task.targets.mean(0).abs().max() < 1e-12
    assert task.complexity == 6
    assert task.error_name == error


def test_the_split_is_the_seeds() -> None:
    first, again, other = (modular_addition(modulus=5, fraction=0.5, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.inputs, again.inputs)
    assert not torch.equal(first.inputs, other.inputs)


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"modulus": 2}, "modulus"),
        ({"fraction": 1.0}, "fraction"),
        ({"fraction": 0.01}, "fraction"),
        ({"error": "no"}, "error"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, key: str) -> None:
    with pytest.raises(UserError, match=f"data.{key}"):
        modular_addition(**arguments)
