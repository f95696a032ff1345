"""What a function is made of, as its evaluation shows, whoever wrote it: kinks, and random numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from spinodal.errors import UserError
from spinodal.geometry.derivatives import RowFunction

_KINKED = (
    "_prelu",
    "abs",
    "adaptive_max_pool",
    "amax",
    "amin",
    "arg",
    "ceil",
    "celu",
    "clamp",
    "clip",
    "cummax",
    "cummin",
    "elu",
    "floor",
    "fmax",
    "fmin",
    "fmod",
    "fractional_max_pool",
    "hard",
    "heaviside",
    "huber",
    "kthvalue",
    "leaky_relu",
    "max",
    "median",
    "min",
    "nanmedian",
    "prelu",
    "relu",
    "remainder",
    "round",
    "rrelu",
    "sgn",
    "sign",
    "smooth_l1",
    "softshrink",
    "sort",
    "threshold",
    "topk",
    "trunc",
)
"""Beginnings of torch's names for operations without a second derivative somewhere."""

_COMPARISONS = {"eq", "ge", "gt", "le", "lt", "ne"}
"""Operations that choose between pieces of a function, where they compare what depends on θ."""

_ROUNDING = 1e-9
"""Two evaluations of one function differ by less than this fraction of its largest value."""


class _Kinks(TorchDispatchMode):
    """Notices whether an operation with kinks acts on what depends on θ."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = func.overloadpacket.__name__.rstrip("_")
        if name.startswith(_KINKED) or name in _COMPARISONS:
            self.seen |= any(isinstance(each, Tensor) and each.requires_grad for each in args)
        return func(*args, **(kwargs or {}))


def kinked(function: RowFunction, theta: Float[Tensor, "R n"]) -> bool:
    """Whether a function is made with operations that have kinks (ReLU, maximum, absolute value, a choice by size, …).

    Its derivatives are then those of the smooth piece that θ sits on. Judged by the operations alone: a function in
    which kinks cancel, as in a softmax that subtracts the largest value first, counts as kinked.
    """
    with torch.enable_grad(), _Kinks() as kinks:
        function(theta.detach().requires_grad_())
    return kinks.seen


def same(first: Tensor, second: Tensor) -> bool:
    """Whether two values of a function are equal up to rounding."""
    largest = first.detach().abs().nan_to_num(0, 0, 0).max() if first.numel() else 0
    return torch.allclose(first, second, rtol=0, atol=_ROUNDING * float(largest), equal_nan=True)


@torch.no_grad()
def check_deterministic(evaluate: Callable[[], Tensor], name: str) -> Tensor:
    """Evaluates a function that must have one value, twice; torch's generators are as before afterwards.

    Args:
        evaluate: the function, where it is to be evaluated.
        name: of the function, for the message.

    Returns:
        Its value.

    Raises:
        UserError: if it draws random numbers or has another value the second time.
    """
    devices = list(range(torch.cuda.device_count()))

    def states() -> list[Tensor]:
        return [torch.random.get_rng_state(), *map(torch.cuda.get_rng_state, devices)]

    with torch.random.fork_rng(devices=devices):
        before = states()
        value = evaluate()
        drawn = not all(map(torch.equal, before, states()))
        if drawn or not same(value, evaluate()):
            raise UserError(
                f"{name} is random: {'it draws random numbers' if drawn else 'two evaluations at the same θ differ'}; "
                "it must be one function of θ: network.eval(), or no Dropout"
            )
    return value
