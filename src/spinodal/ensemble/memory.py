"""Memory that derivatives of a network's 𝓛 take, measured on one replica and a few samples."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from spinodal.ensemble.ensemble import BLOCK
from spinodal.ensemble.objective import Objective
from spinodal.geometry import linearise_gradient

FEW, MORE = 8, 32
"""Samples of the two evaluations, between which memory grows by what each sample adds."""


class _Alive(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of tensors that operations return, until they are let go.

    Attributes:
        most: bytes that were there at a time.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.most: int = 0
        self._now: int = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for each in tree_leaves(result):
            if isinstance(each, Tensor):
                self._count(each.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self._now += size
        self.most = max(self.most, self._now)
        weakref.finalize(storage, self._let_go, key, size)

    def _let_go(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._now -= size


class DerivativeBytes(NamedTuple):
    """Memory of a gradient and a Hessian-vector product of one replica."""

    fixed: float
    per_sample: float

    def on(self, samples: int) -> float:
        """Return the bytes for an error on so many samples, of which a block is evaluated at once."""
        return self.fixed + self.per_sample * min(samples, BLOCK)


def derivative_bytes(objective: Objective) -> DerivativeBytes:
    """Measure the memory of a gradient and a Hessian-vector product of 𝓛 for one replica.

    Both are made on 8 samples and on 32: memory is linear in the samples. On the meta device tensors have sizes and no
    numbers.

    Args:
        objective: 𝓛 of the networks, the first of which is evaluated, on a task that is not `stacked`.

    Returns:
        Bytes; without the product where 𝓛 has kinks, and none is ever made.
    """
    theta = objective.ensemble.theta[:1].detach()
    here = replace(objective, task=objective.task.to(theta.device)).of([0])
    smooth, control = here.smooth, theta.new_ones(1)

    def evaluated(samples: int) -> Callable[[], object]:
        numbers = (torch.arange(samples, device=theta.device) % here.task.samples)[None]
        loss = here.drawn(numbers).at(control)

        def evaluate() -> object:
            _, _, product = linearise_gradient(loss, theta)
            return product(torch.ones_like(theta)) if smooth else None

        return evaluate

    few, more = (_most(evaluated(samples)) for samples in (FEW, MORE))
    each = (more - few) / (MORE - FEW)
    return DerivativeBytes(few - each * FEW, each)


def _most(evaluate: Callable[[], object]) -> int:
    with _Alive() as alive:
        evaluate()
    return int(alive.most)
