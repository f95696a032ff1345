"""The linear teacher: a regression task whose phase diagram is known exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float64
from torch import Tensor

from spinodal.errors import UserError
from spinodal.tasks.features import FLOOR
from spinodal.tasks.task import Task


def linear_teacher(
    complexity: int = 3,
    strengths: Sequence[float] | None = None,
    ratio: float = 0.6,
    input_dim: int | None = None,
    output_dim: int | None = None,
    samples: int = 64,
    test_samples: int = 64,
    noise: float = 0.0,
    seed: int = 0,
) -> Task:
    """Targets Y = XSᵀ + noise·ξ of a teacher S = U diag(s) Vᵀ with random orthonormal U and V.

    Training inputs are Gaussian, then centred and whitened exactly: XᵀX/N = 1 to rounding, so that without
    noise the error of a linear map W is the population's, ½‖S − W‖². Targets are centred. Test inputs are a
    fresh draw from the population N(0, 1), whitened in that sense only: test errors scatter as they do for
    unseen data.

    Label noise (ξ standard normal, on training and test targets) is part of the data: the strengths measured
    on the task move, and with spare dimensions spurious features join them. `complexity` stays K.

    The teacher depends on `seed`, `complexity` and the dimensions, the test inputs also on `test_samples`;
    neither on `samples` or `noise`, so that sample sizes and noise levels compare like with like.

    Args:
        complexity: K, how many features the teacher has.
        strengths: its K strengths s; by default 1, ratio, ratio², …
        ratio: of neighbouring strengths, in (0, 1].
        input_dim: d ≥ K, by default K.
        output_dim: c ≥ K, by default K.
        samples: N > d, training samples.
        test_samples: test samples.
        noise: standard deviation of the label noise, per output.
        seed: determines everything random in the task.

    Raises:
        UserError: If an argument is out of its range.
    """
    _check(complexity >= 1, "complexity", complexity, "at least 1")
    _check(0 < ratio <= 1, "ratio", ratio, "in (0, 1]")
    chosen = [ratio**k for k in range(complexity)] if strengths is None else [float(s) for s in strengths]
    _check(len(chosen) == complexity, "strengths", chosen, f"{complexity} numbers, as data.complexity says")
    learnable = all(0 < s < math.inf for s in chosen) and min(chosen) > FLOOR * max(chosen)
    if strengths is None:
        _check(learnable, "ratio", ratio, f"larger: of {complexity} strengths the last falls below {FLOOR}")
    _check(learnable, "strengths", chosen, f"positive, finite and above {FLOOR} of the largest")
    d = complexity if input_dim is None else input_dim
    c = complexity if output_dim is None else output_dim
    _check(d >= complexity, "input_dim", d, f"at least data.complexity = {complexity}")
    _check(c >= complexity, "output_dim", c, f"at least data.complexity = {complexity}")
    _check(samples > d, "samples", samples, f"above the input dimension {d}, or whitening is impossible")
    _check(test_samples >= 1, "test_samples", test_samples, "at least 1")
    _check(0 <= noise < math.inf, "noise", noise, "finite and not negative")

    generator = torch.Generator().manual_seed(seed)

    def gaussian(rows: int, columns: int) -> Tensor:
        return torch.randn(rows, columns, dtype=torch.float64, generator=generator)

    teacher = _orthonormal(gaussian(c, complexity)) * torch.tensor(chosen, dtype=torch.float64)
    teacher = teacher @ _orthonormal(gaussian(d, complexity)).T
    test_inputs, inputs = gaussian(test_samples, d), _whitened(gaussian(samples, d))
    test_targets = test_inputs @ teacher.T + noise * gaussian(test_samples, c)
    targets = inputs @ teacher.T + noise * gaussian(samples, c)
    return Task(
        name="linear_teacher",
        inputs=inputs,
        targets=targets - targets.mean(0),
        test_inputs=test_inputs,
        test_targets=test_targets,
        error_name="squared",
        classification=False,
        complexity=complexity,
    )


def _check(allowed: bool, key: str, value: object, rule: str) -> None:
    if not allowed:
        raise UserError(f"data.{key} = {value}: must be {rule}.")


def _orthonormal(gaussian: Float64[Tensor, "n k"]) -> Float64[Tensor, "n k"]:
    """A uniformly distributed orthonormal frame: QR, with R's signs moved into Q."""
    q, r = torch.linalg.qr(gaussian)
    frame: Tensor = q * r.diagonal().sign()
    return frame


def _whitened(inputs: Float64[Tensor, "N d"]) -> Float64[Tensor, "N d"]:
    """Centre, then replace every singular value by √N: the nearest inputs of exactly unit covariance."""
    left, _, right = torch.linalg.svd(inputs - inputs.mean(0), full_matrices=False)
    whitened: Tensor = math.sqrt(len(inputs)) * left @ right
    return whitened
