"""A task: the tensors a network is trained and tested on, and how its outputs are judged."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from spinodal.errors import UserError
from spinodal.tasks.checking import CENTRED, TOKENS, UNCENTRED, check_task
from spinodal.tasks.features import features

INPUTS = ("inputs", "test_inputs")

DEAD = 1e-6  # outputs that nowhere exceed this are those of a network that has learned nothing


@dataclass(frozen=True, eq=False)
class Task:
    """Data, its measured features, and the error E made on it. All tensors are float64, but for inputs that are tokens.

    Whatever judges outputs takes any leading dimensions `*R` (replicas) in one call, and works under
    `torch.func`. Tasks that were `stacked` have a leading dimension too, a task for each replica.

    Attributes:
        name: "linear_teacher" or "digits".
        inputs, targets: what is trained on, both centred (see `off_centre`). A sample may be of any shape, as an
            image: its features are measured on it as a flat vector of d numbers. Inputs may also be integers, as the
            tokens of a sequence: of these no features are measured, and there are 0 of them.
        test_inputs, test_targets: what is only looked at.
        error_name: "squared", or "cross_entropy" (needs `classification`).
        classification: whether targets are one-hot vectors less their mean over the training set, so that their
            argmax is the label.
        complexity: K, the number of features asked for.
        is_stacked: whether every replica has a task of its own, as `stacked` makes it.
        has_own_inputs: whether its inputs are its own, too; where only targets differ, replicas share their inputs.
        strengths, variances, input_directions, output_directions: the features *measured* on `inputs` and
            `targets`, see `Features`. With label noise there may be more than K.

    Raises:
        UserError: if data or error are not as said here.
    """

    name: str
    inputs: Float64[Tensor, ...] | Int64[Tensor, ...]  # [N, …] or [*S, N, …]
    targets: Float64[Tensor, "*S N c"]
    test_inputs: Float64[Tensor, ...] | Int64[Tensor, ...]  # [M, …] or [*S, M, …]
    test_targets: Float64[Tensor, "*S M c"]
    error_name: Literal["squared", "cross_entropy"]
    classification: bool
    complexity: int
    is_stacked: bool = field(init=False, default=False)
    has_own_inputs: bool = field(init=False, default=False)
    strengths: Float64[Tensor, "*S k"] = field(init=False)
    variances: Float64[Tensor, "*S k"] = field(init=False)
    input_directions: Float64[Tensor, "*S k d"] = field(init=False)
    output_directions: Float64[Tensor, "*S k c"] = field(init=False)

    def __post_init__(self) -> None:
        check_task(self)
        for name, value in features(self.flat_inputs, self.targets)._asdict().items():
            object.__setattr__(self, name, value)

    @property
    def flat_inputs(self) -> Float[Tensor, "*S N d"] | Int64[Tensor, "*S N d"]:
        """The inputs, each sample as a vector."""
        return self.inputs.flatten(2 if self.has_own_inputs else 1)

    @property
    def samples(self) -> int:
        """N, how many are trained on."""
        return self.targets.shape[-2]

    @property
    def sizes(self) -> dict[str, int]:
        """What a network is built with: how many numbers it takes and returns for a sample."""
        return {"input_dim": self.flat_inputs.shape[-1], "output_dim": self.targets.shape[-1]}

    @property
    def has_features(self) -> bool:
        """Whether features were measured: there are none of tokens, nor of targets that no input correlates with."""
        return self.strengths.shape[-1] > 0

    @property
    def off_centre(self) -> float:
        """How far inputs and targets are from centred: the largest mean of a column, in units of their rms."""
        return max(
            float(each.mean(-2).abs().max() / (each.norm() / math.sqrt(each.numel())).clamp_min(1e-300))
            for each in (self.flat_inputs, self.targets)
            if each.is_floating_point()
        )

    @property
    def remark(self) -> str:
        """What is to be known of the data before results are read, in a line; empty if nothing is."""
        if not self.inputs.is_floating_point():
            return TOKENS
        return UNCENTRED.format(self.off_centre) if self.off_centre > CENTRED else ""

    def of(self, rows: Tensor | Sequence[int]) -> Task:
        """The task of some replicas."""
        shared = () if self.has_own_inputs else INPUTS
        return self._each(lambda tensor: tensor[rows], but=shared) if self.is_stacked else self

    def part(self, samples: slice) -> Task:
        """Return the task on some of its training samples; its features are still those of all."""
        inputs = self.inputs[:, samples] if self.has_own_inputs else self.inputs[samples]
        return self._on(inputs, self.targets[..., samples, :])

    def drawn(self, samples: Int64[Tensor, "A B"]) -> Task:
        """Return the task on training samples that each replica has drawn for itself, by their numbers.

        Every replica then has inputs and targets of its own; features are still those of all samples.
        """
        rows = torch.arange(len(samples), device=samples.device)[:, None]
        inputs = self.inputs[rows, samples] if self.has_own_inputs else self.inputs[samples]
        drawn = self._on(inputs, self.targets[rows, samples] if self.is_stacked else self.targets[samples])
        for name in ("is_stacked", "has_own_inputs"):
            object.__setattr__(drawn, name, True)
        return drawn

    def _on(self, inputs: Tensor, targets: Tensor) -> Task:
        changed = copy.copy(self)
        object.__setattr__(changed, "inputs", inputs)
        object.__setattr__(changed, "targets", targets)
        return changed

    def error(
        self, outputs: Float[Tensor, "*R N c"], targets: Float[Tensor, "*S N c"]
    ) -> Float[Tensor, "*R"]:
        """The data error E, without the L2 term: a mean over samples, smooth in `outputs`.

        squared: ½·mean‖y − f‖². cross_entropy: mean of −ln softmax(f)[label], in nats.
        """
        if self.error_name == "squared":
            return 0.5 * (outputs - targets).square().sum(-1).mean(-1)
        of_label = (outputs * self._one_hot(targets)).sum(-1)
        return (outputs.logsumexp(-1) - of_label).mean(-1)

    def accuracy(
        self, outputs: Float[Tensor, "*R N c"], targets: Float[Tensor, "*S N c"]
    ) -> Float[Tensor, "*R"]:
        """The fraction right by argmax for classification, else 1 − E/E₀, E₀ the error of the zero function.

        A classifier whose outputs nowhere exceed `DEAD` in magnitude has learned nothing: it scores as one
        that always answers the majority class of the training set. Outputs that are not finite score NaN.
        """
        if not self.classification:
            return 1 - self.error(outputs, targets) / self.error(torch.zeros_like(targets), targets)
        labels = targets.argmax(-1)
        majority = self._one_hot(self.targets).sum(-2).argmax(-1, keepdim=True)
        largest = outputs.abs().amax((-2, -1))
        answers = torch.where((largest < DEAD).unsqueeze(-1), majority, outputs.argmax(-1))
        right = (answers == labels).double().mean(-1)
        return torch.where(largest.isfinite(), right, torch.nan)

    def overlaps(self, outputs: Float[Tensor, "*R N c"]) -> Float[Tensor, "*R k"]:
        """How much of each feature the training `outputs` f hold: u_kᵀ (fᵀX/N) v_k / s_k.

        0 for a network that has not learned feature k, and 1 when fᵀX = YᵀX, as for the linear map of least
        squared error, inputs whitened or not. (Cross-entropy rewards larger outputs, and overlaps above 1.)
        """
        along_outputs = outputs @ self.output_directions.mT
        along_inputs = self.flat_inputs.to(outputs.dtype) @ self.input_directions.mT
        return (along_outputs * along_inputs).mean(-2) / self.strengths

    def to(self, where: torch.device | str | torch.dtype) -> Task:
        """The same task with all tensors on a device, or all but tokens in a dtype; features are not measured again."""
        if isinstance(where, torch.dtype):
            return self._each(lambda tensor: tensor.to(where) if tensor.is_floating_point() else tensor)
        return self._each(lambda tensor: tensor.to(where))

    def _each(self, change: Callable[[Tensor], Tensor], but: Sequence[str] = ()) -> Task:
        changed = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, Tensor) and name not in but:
                object.__setattr__(changed, name, change(value))
        return changed

    @staticmethod
    def _one_hot(targets: Float[Tensor, "*S N c"]) -> Float[Tensor, "*S N c"]:
        return (targets == targets.amax(-1, keepdim=True)).to(targets.dtype)


def stacked(tasks: Sequence[Task]) -> Task:
    """The tasks of an ensemble, one for each replica, as one: tensors have a leading dimension.

    One that all replicas share stays as it is, and so do inputs that are the same in all tasks. Where one has fewer
    features than others, the rest are NaN.

    Args:
        tasks: equal in the shapes of their data, and in all but what is to be learned.

    Raises:
        UserError: if shapes differ.
    """
    shared = tasks[0]
    if all(task is shared for task in tasks):
        return shared
    for name in ("inputs", "targets", "test_inputs", "test_targets"):
        shapes = {tuple(getattr(task, name).shape): task.complexity for task in tasks}
        if len(shapes) > 1:
            listed = ", ".join(f"{list(shape)} for complexity {k}" for shape, k in shapes.items())
            raise UserError(
                f"data: {name} of one ensemble have the shapes {listed}: must be the same for all"
            )
    different = {id(task): task for task in tasks}.values()
    alike = all(
        torch.equal(getattr(shared, name), getattr(task, name)) for task in different for name in INPUTS
    )
    together = copy.copy(shared)
    object.__setattr__(together, "is_stacked", True)
    object.__setattr__(together, "has_own_inputs", not alike)
    object.__setattr__(together, "complexity", max(task.complexity for task in tasks))
    for name, value in vars(shared).items():
        if isinstance(value, Tensor) and not (alike and name in INPUTS):
            object.__setattr__(together, name, _padded([getattr(task, name) for task in tasks]))
    return together


def _padded(parts: Sequence[Tensor]) -> Tensor:
    """Tensors of different lengths as one, with NaN where there is nothing."""
    longest = max(map(len, parts))
    if all(len(part) == longest for part in parts):
        return torch.stack(list(parts))
    padded = parts[0].new_full((len(parts), longest, *parts[0].shape[1:]), torch.nan)
    for row, part in zip(padded, parts, strict=True):
        row[: len(part)] = part
    return padded
