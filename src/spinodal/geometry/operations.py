"""Kinks and random numbers of any function, recognised by the operations of its evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from spinodal.errors import UserError
from spinodal.geometry.derivatives import RowFunction, terms_of

_KINKED = (
    "abs",
    "adaptivemaxpool",
    "amax",
    "amin",
    "ceil",
    "celu",
    "clamp",
    "cummax",
    "cummin",
    "elu",
    "floor",
    "fmax",
    "fmin",
    "fmod",
    "fractionalmaxpool",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "heaviside",
    "huberloss",
    "kthvalue",
    "l1loss",
    "leakyrelu",
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
    "smoothl1",
    "softshrink",
    "sort",
    "threshold",
    "topk",
    "trunc",
)
"""Beginnings of the names of operations without a second derivative somewhere, in autograd and without underscores."""

_ROUNDING = 1e-9
"""Two evaluations of one function differ by less than this fraction of its largest value."""


class _Choices(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Watches for choices by what depends on θ (x > 0, an order) that enter into numbers: autograd's graph lacks them.

    Attributes:
        entered: whether there was one.
        hidden: whether an operation with kinks acted on what depends on θ while autograd was off.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.entered: bool = False
        self.hidden: bool = False
        self._choices: dict[int, Tensor] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__.replace("_", "")
        given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        of_theta = any(each.requires_grad for each in given)
        chosen = any(id(each) in self._choices for each in given)
        for each in tree_leaves(result):
            if not isinstance(each, Tensor):
                continue
            if each.is_floating_point():
                self.entered = self.entered or chosen
            elif chosen or of_theta:  # a comparison, an order, …; kept, or another tensor could get its id
                self._choices[id(each)] = each
        if of_theta and not torch.is_grad_enabled() and name.startswith(_KINKED):
            self.hidden = True
        return result


def kinked(function: RowFunction, theta: Float[Tensor, "R n"]) -> bool:
    """Whether a function is made with operations that have kinks (ReLU, maximum, absolute value, a choice by size, …).

    Its derivatives are then those of the smooth piece that θ sits on. Judged by the operations alone: a function in
    which kinks cancel, as in a softmax that subtracts the largest value first, counts as kinked.
    """
    return any(_kinked(term, theta) for term in terms_of(function))


def _kinked(function: RowFunction, theta: Float[Tensor, "R n"]) -> bool:
    with torch.enable_grad(), _Choices() as choices:
        nodes = [function(theta.detach().requires_grad_()).grad_fn]
    seen, names, own = set(), set(), False
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        names.add(node.name().lower())
        own = own or isinstance(
            node, BackwardCFunction
        )  # a custom autograd.Function, which hides what it does
        nodes += [each for each, _ in node.next_functions]
    return choices.entered or (own and choices.hidden) or any(name.startswith(_KINKED) for name in names)


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
    initialised = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = list(range(torch.cuda.device_count())) if initialised else []

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
