"""What a task must be for its error, its accuracy and its features to mean what they are defined to mean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float64
from torch import Tensor
from torch.nn.functional import one_hot

from spinodal.errors import UserError

if TYPE_CHECKING:
    from spinodal.tasks.task import Task

ERRORS = ("squared", "cross_entropy")

CENTRED = 1e-6
"""Means below this are zero: data may have been centred in single precision."""

UNCENTRED = (
    "inputs or targets are not centred (means up to {:.2g} of their rms): "
    "strengths and predictions take their means for features, too"
)

TOKENS = (
    "inputs are integers, as tokens are: no strengths, overlaps or predictions; rank counts the directions that are "
    "learned"
)


def check_task(task: Task) -> None:
    """Refuses a task that breaks its own definitions.

    Args:
        task: before its features are measured.

    Raises:
        UserError: names what was given, and what is needed.
    """
    for reason in _reasons(task):
        raise UserError(f"data {task.name}: {reason}")


def _reasons(task: Task) -> Iterator[str]:
    if not isinstance(task.name, str) or not task.name:
        yield f"name = {task.name!r}: must be a word"
    if not isinstance(task.classification, bool):
        yield f"classification = {task.classification!r}: must be True or False"
    if task.error_name not in ERRORS:
        yield f"error_name = {task.error_name}: must be {' or '.join(ERRORS)}"
    if task.error_name == "cross_entropy" and not task.classification:
        yield "error_name = cross_entropy: must be squared where classification = False"
    if isinstance(task.complexity, bool) or not isinstance(task.complexity, int) or task.complexity < 1:
        yield f"complexity = {task.complexity}: must be an integer ≥ 1"
    for name in ("inputs", "targets", "test_inputs", "test_targets"):
        yield from _of_tensor(name, getattr(task, name))
    for prefix in ("", "test_"):
        inputs, targets = (getattr(task, f"{prefix}{name}") for name in ("inputs", "targets"))
        if len(inputs) != len(targets):
            yield f"{len(inputs)} {prefix}inputs and {len(targets)} {prefix}targets: must be as many"
    if task.inputs.dtype != task.test_inputs.dtype:
        yield f"test_inputs are {task.test_inputs.dtype}: must be {task.inputs.dtype}, as inputs are"
    for name in ("inputs", "targets"):
        test, training = (list(getattr(task, each).shape[1:]) for each in (f"test_{name}", name))
        if test != training:
            yield f"test_{name} are of shape {test} each: must be {training}, as {name} are"
    if not task.targets.any():
        yield "targets are 0 throughout: must hold something to learn"
    if task.classification:
        yield from _of_classes(task)


def _of_tensor(name: str, tensor: object) -> Iterator[str]:
    if not isinstance(tensor, Tensor):
        yield f"{name} are of type {type(tensor).__name__}: must be a torch.Tensor"
        return
    tokens = name.endswith("inputs") and tensor.dtype == torch.int64
    if tensor.dtype != torch.float64 and not tokens:
        integers = ", or torch.int64 for tokens" if name.endswith("inputs") else ""
        yield f"{name} are {tensor.dtype}: must be torch.float64, as {name}.double() is{integers}"
    if tensor.requires_grad or tensor.layout != torch.strided:
        yield f"{name} are sparse or require a gradient: must be plain numbers, as {name}.detach().to_dense() is"
    if name.endswith("inputs") and tensor.dim() < 2:
        yield f"{name} have the shape {list(tensor.shape)}: must be [N, d], or [N, …] for samples of another shape"
    if name.endswith("targets") and tensor.dim() != 2:
        yield f"{name} have the shape {list(tensor.shape)}: must be [N, c], a column for each output"
    if not tensor.numel():
        yield f"{name} have the shape {list(tensor.shape)}: must not be empty"
    if not tensor.isfinite().all():
        sample = int(tensor.flatten(1).isfinite().all(1).logical_not().nonzero()[0])
        yield f"{name} hold NaN or inf, first in sample {sample}: must be finite"


def _of_classes(task: Task) -> Iterator[str]:
    needed = "must be one-hot vectors less their mean over the training set, where classification = True"
    if task.targets.shape[1] < 2:
        yield f"targets have 1 column: must have one for each class, at least 2; and {needed}"
    frequencies = _one_hot(task.targets).mean(0)
    for name, of_set in (("targets", False), ("test_targets", True)):
        targets = getattr(task, name)
        right = _centred(targets, frequencies)
        if of_set:  # a test set may have been centred by itself
            right |= _centred(targets, _one_hot(targets).mean(0))
        if not right.all():
            sample = int(right.logical_not().nonzero()[0])
            shown = [round(each, 4) for each in targets[sample].tolist()]
            yield f"{name}[{sample}] = {shown}: {needed}"


def _centred(targets: Float64[Tensor, "N c"], frequencies: Float64[Tensor, " c"]) -> Bool[Tensor, " N"]:
    """Which targets are one-hot vectors less these frequencies of the classes."""
    return ((targets - (_one_hot(targets) - frequencies)).abs() <= CENTRED).all(1)


def _one_hot(targets: Float64[Tensor, "N c"]) -> Float64[Tensor, "N c"]:
    return one_hot(targets.argmax(1), targets.shape[1]).double()
