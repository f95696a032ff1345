"""What breaks the definitions of a task is refused, with what was given and what is needed."""

from collections.abc import Iterator
from typing import Any

import jaxtyping
import pytest
import torch
from torch.nn.functional import one_hot
from torch.utils._python_dispatch import TorchDispatchMode

from spinodal.errors import UserError
from spinodal.tasks import CENTRED, Task, digits, features, linear_teacher, modular_addition, stacked

LABELS = torch.arange(12) % 3
ONE_HOT = one_hot(LABELS, 3).double()
INPUTS = torch.randn(12, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def task(**changes: Any) -> Task:
    given = {
        "name": "mine",
        "inputs": INPUTS - INPUTS.mean(0),
        "targets": ONE_HOT - ONE_HOT.mean(0),
        "test_inputs": INPUTS[:5],
        "test_targets": ONE_HOT[:5] - ONE_HOT.mean(0),
        "error_name": "squared",
        "classification": True,
        "complexity": 2,
    }
    return Task(**(given | changes))


def poisoned(value: float) -> torch.Tensor:
    inputs = INPUTS.clone()
    inputs[7, 1] = value
    return inputs


REGRESSION: dict[str, Any] = {"classification": False}
BAD: list[tuple[dict[str, Any], list[str]]] = [
    ({"targets": ONE_HOT}, ["targets[0] = [1.0, 0.0, 0.0]", "one-hot vectors less their mean"]),
    ({"targets": (ONE_HOT - ONE_HOT.mean(0))[:, :1]}, ["test_targets are of shape [3]", "[1]"]),
    (
        {"targets": INPUTS[:, :1], "test_targets": INPUTS[:5, :1]},
        ["1 column", "at least 2"],
    ),
    ({"targets": 2 * (ONE_HOT - ONE_HOT.mean(0))}, ["targets[0]", "one-hot"]),
    ({"test_targets": ONE_HOT[:5]}, ["test_targets[0] = [1.0, 0.0, 0.0]"]),
    ({"targets": LABELS.double(), **REGRESSION}, ["targets have the shape [12]", "[N, c]"]),
    ({"targets": LABELS[:, None], **REGRESSION}, ["torch.int64", "torch.float64"]),
    ({"inputs": INPUTS.float()}, ["inputs are torch.float32", "torch.float64", "torch.int64 for tokens"]),
    ({"inputs": INPUTS.long()}, ["test_inputs are torch.float64", "torch.int64, as inputs are"]),
    ({"inputs": INPUTS.int(), "test_inputs": INPUTS[:5].int()}, ["torch.int32", "torch.int64 for tokens"]),
    ({"inputs": INPUTS.clone().requires_grad_()}, ["require a gradient", "inputs.detach()"]),
    ({"inputs": INPUTS.to_sparse()}, ["inputs are sparse", "to_dense()"]),
    ({"classification": "yes"}, ["classification = 'yes'", "True or False"]),
    ({"inputs": INPUTS.numpy()}, ["ndarray", "torch.Tensor"]),
    ({"inputs": INPUTS[:, 0]}, ["inputs have the shape [12]", "[N, d]"]),
    ({"inputs": poisoned(float("nan"))}, ["inputs hold NaN or inf", "sample 7"]),
    ({"test_inputs": poisoned(float("inf"))}, ["test_inputs hold NaN or inf", "sample 7"]),
    ({"inputs": INPUTS[:-1]}, ["11 inputs and 12 targets"]),
    ({"test_inputs": INPUTS[:3]}, ["3 test_inputs and 5 test_targets"]),
    ({"test_inputs": INPUTS[:5, :3]}, ["[3]", "[4]", "as inputs are"]),
    ({"test_inputs": INPUTS[:0], "test_targets": ONE_HOT[:0]}, ["test_inputs have the shape [0, 4]"]),
    ({"targets": torch.zeros(12, 3, dtype=torch.float64), **REGRESSION}, ["targets are 0", "learn"]),
    ({"error_name": "crossentropy"}, ["crossentropy", "squared or cross_entropy"]),
    ({"error_name": "cross_entropy", **REGRESSION}, ["cross_entropy", "squared", "classification"]),
    ({"complexity": 0}, ["complexity = 0", "≥ 1"]),
]


@pytest.fixture
def _as_users_run_it() -> Iterator[None]:
    """Without the checks of annotations that the tests add, which would speak first."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.usefixtures("_as_users_run_it")
@pytest.mark.parametrize(
    ("changes", "told"), BAD, ids=lambda each: "" if isinstance(each, list) else str([*each])
)
def test_what_breaks_the_definitions_is_refused(changes: dict[str, Any], told: list[str]) -> None:
    with pytest.raises(UserError) as refusal:
        task(**changes)
    said = str(refusal.value)
    assert all(each in said for each in ["data mine: ", *told]), said
    assert len(said.splitlines()) == 1


def test_what_keeps_them_is_accepted() -> None:
    assert task().classification
    assert task(error_name="cross_entropy").error_name == "cross_entropy"
    single = ONE_HOT.float() - ONE_HOT.float().mean(0)
    assert task(targets=single.double()).targets.dtype == torch.float64
    its_own = task(test_targets=ONE_HOT[:5] - ONE_HOT[:5].mean(0))
    assert len(its_own.test_targets) == 5
    assert task(targets=INPUTS, test_targets=INPUTS[:5], **REGRESSION).samples == 12


@pytest.mark.parametrize("own", [linear_teacher(), digits(samples=40), modular_addition(5, 0.6)])
def test_the_projects_own_data_is_centred(own: Task) -> None:
    assert own.off_centre < CENTRED


def test_how_far_off_the_centre_data_is() -> None:
    targets = INPUTS - INPUTS.mean(0)
    regression = {"targets": targets, "test_targets": targets[:5], **REGRESSION}
    assert task(**regression).off_centre < 1e-12
    shifted = task(inputs=torch.full((12, 4), 2.0, dtype=torch.float64), **regression)
    assert shifted.off_centre == pytest.approx(1)


def test_images_are_judged_as_the_vectors_of_their_pixels() -> None:
    flat = digits(samples=40)
    given = {
        name: getattr(flat, name) for name in ("targets", "test_targets", "classification", "complexity")
    }
    images = Task(
        "images",
        inputs=flat.inputs.view(-1, 1, 8, 8),
        test_inputs=flat.test_inputs.view(-1, 1, 8, 8),
        error_name="squared",
        **given,
    )
    assert not images.is_stacked
    assert images.sizes == {"input_dim": 64, "output_dim": 4}
    assert images.of([0, 1]) is images
    assert torch.equal(images.strengths, flat.strengths)
    assert torch.equal(images.overlaps(flat.targets), flat.overlaps(flat.targets))
    others = digits(samples=40, seed=1)
    second = Task(
        "images",
        others.inputs.view(-1, 1, 8, 8),
        others.targets,
        images.test_inputs,
        images.test_targets,
        "squared",
        True,
        3,
    )
    both = stacked([images, second])
    assert both.is_stacked
    assert both.sizes == images.sizes
    assert both.samples == 40
    torch.testing.assert_close(both.overlaps(flat.targets.expand(2, -1, -1))[0], flat.overlaps(flat.targets))
    assert torch.equal(both.of([1]).inputs[0], second.inputs)


def test_of_tokens_nothing_is_measured_that_takes_them_for_numbers() -> None:
    tokens = torch.arange(48).view(12, 4) % 5
    mine = task(inputs=tokens, test_inputs=tokens[:5])
    assert not mine.has_features
    assert mine.sizes == {"input_dim": 4, "output_dim": 3}
    assert mine.off_centre < CENTRED  # of targets alone
    assert "inputs are integers" in mine.remark
    assert mine.overlaps(torch.ones(7, 12, 3, dtype=torch.float64)).shape == (7, 0)
    for where in (torch.float32, "cpu"):
        moved = mine.to(where)
        assert torch.equal(moved.inputs, tokens)
        assert moved.inputs.dtype == torch.int64
        assert moved.targets.dtype == (where if where is torch.float32 else torch.float64)


def test_replicas_share_the_inputs_that_are_the_same() -> None:
    swapped = {name: task().__getattribute__(name).flip(1) for name in ("targets", "test_targets")}
    tasks = [task(), task(**swapped), task(inputs=INPUTS.clone() - INPUTS.mean(0))]
    together = stacked(tasks)
    assert together.is_stacked
    assert not together.has_own_inputs
    assert together.inputs.shape == INPUTS.shape
    assert together.targets.shape == (3, *ONE_HOT.shape)
    assert together.samples == 12
    assert together.sizes == tasks[0].sizes
    outputs = torch.randn(3, 12, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for row, each in enumerate(tasks):
        alone = together.of([row])
        assert alone.inputs is together.inputs
        for one, at in ((together, row), (alone, 0)):
            its = outputs if one is together else outputs[[row]]
            assert torch.equal(one.error(its, one.targets)[at], each.error(outputs[row], each.targets))
            torch.testing.assert_close(one.overlaps(its)[at], each.overlaps(outputs[row]))
    assert stacked([task(), task(inputs=2 * INPUTS)]).has_own_inputs


class Decompositions(TorchDispatchMode):
    """Notes how large the matrices are that are decomposed."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if "linalg_" in func.name() and "norm" not in func.name():
            self.largest = max(self.largest, args[0].numel())
        return func(*args, **(kwargs or {}))


def test_of_many_large_samples_no_matrix_with_a_row_for_each_is_decomposed() -> None:
    """For N = 60,000 and d = 784 a singular value decomposition of the inputs would take minutes."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(6000, 78, dtype=torch.float64, generator=generator)
    targets = inputs[:, :10] @ torch.diag(torch.linspace(1, 0.1, 10, dtype=torch.float64))
    with Decompositions() as seen:
        found = features(inputs, targets)
    assert 0 < seen.largest <= 78 * 78
    torch.testing.assert_close(
        found.strengths, torch.linspace(1, 0.1, 10, dtype=torch.float64), rtol=0.05, atol=0.02
    )


def test_tasks_of_different_shapes_are_not_stacked() -> None:
    with pytest.raises(UserError, match=r"targets .*\[40, 3\] for complexity 2, \[40, 4\] for complexity 3"):
        stacked([digits(2, samples=40), digits(3, samples=40)])
