"""Samples that networks are evaluated on together, and their blocks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from spinodal.tasks import Task

BLOCK = 2000
"""Samples that are evaluated at once. More are cut into blocks, by their number alone: memory does not grow with them,
and sums over them have the same bits on every machine, whatever else it computes."""


@dataclass(frozen=True)
class Samples:
    """Inputs and targets, the same for all rows or for every row its own.

    Attributes:
        inputs: [N, …] or [A, N, …].
        targets: [N, c] or [A, N, c].
        own_inputs: whether every row has its own inputs.
    """

    inputs: Tensor
    targets: Float[Tensor, "*A N c"]
    own_inputs: bool

    @classmethod
    def of(cls, task: Task, test: bool = False) -> Samples:
        """Return the training set of a task, or its test set."""
        inputs, targets = (task.test_inputs, task.test_targets) if test else (task.inputs, task.targets)
        return cls(inputs, targets, task.is_stacked)

    @property
    def number(self) -> int:
        """N."""
        return self.targets.shape[-2]

    def blocks(self) -> list[Samples]:
        """Return the samples in the fewest blocks of at most `BLOCK`, which are equal in size up to one."""
        count = math.ceil(self.number / BLOCK)
        if count <= 1:
            return [self]
        inputs = torch.tensor_split(self.inputs, count, int(self.own_inputs))
        targets = torch.tensor_split(self.targets, count, -2)
        return [Samples(*each, self.own_inputs) for each in zip(inputs, targets, strict=True)]

    def drawn(self, numbers: Int[Tensor, "A B"]) -> Samples:
        """Return the samples of these numbers, for every row its own."""
        rows = torch.arange(len(numbers), device=numbers.device)[:, None]
        own_targets = self.targets.dim() == 3
        return Samples(
            self.inputs[rows, numbers] if self.own_inputs else self.inputs[numbers],
            self.targets[rows, numbers] if own_targets else self.targets[numbers],
            True,
        )

    def to(self, dtype: torch.dtype) -> Samples:
        """Return the samples with all that are no tokens in a dtype."""
        inputs = self.inputs.to(dtype) if self.inputs.is_floating_point() else self.inputs
        return Samples(inputs, self.targets.to(dtype), self.own_inputs)
