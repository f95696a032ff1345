"""Rows that each go their own way, and what they need computed, many at once.

A row is followed by a generator: plain sequential code for one network, which yields `Request`s. All rows' requests of
a kind are computed together, so that the products with Hessians, which are all of the cost, are batched, and a row that
is done stops costing. What a row computes depends on nothing of its neighbours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from spinodal.continuation.family import Family
from spinodal.geometry import rows_at_once

Answer = tuple[Tensor, ...]
"""Tensors of one row."""

Computation = Callable[..., tuple[Answer, Tensor]]
"""(family, *tensors [A, …], *options) → tensors [A, …], and what each row cost in gradients [A]."""


class Request(NamedTuple):
    """What a row needs computed.

    Attributes:
        computation: for many rows at once.
        tensors: its arguments, of this row.
        options: its further arguments, the same for all rows that are computed together.
    """

    computation: Computation
    tensors: tuple[Tensor, ...]
    options: tuple[Any, ...] = ()


Result = TypeVar("Result")
Row = Generator[Request, Answer, Result]
"""What follows one row."""

BASIS = 120
"""Krylov vectors that a row is expected to keep."""


def follow_rows(family: Family, rows: Sequence[Row[Result]]) -> tuple[list[Result], list[float]]:
    """Follow rows until all are done.

    Args:
        family: 𝓛_c of all of them.
        rows: one generator each.

    Returns:
        What each returned, and what each cost, in gradients of E (a product with its Hessian counts two).
    """
    results: dict[int, Result] = {}
    costs = [0.0] * len(rows)
    waiting: dict[int, Request] = {}

    def go_on(number: int, answer: Answer | None) -> None:
        try:
            waiting[number] = rows[number].send(answer)  # type: ignore[arg-type]  # None starts a generator
        except StopIteration as done:
            results[number] = done.value

    for number in range(len(rows)):
        go_on(number, None)
    while waiting:
        kinds: dict[Any, list[int]] = defaultdict(list)
        for number, request in waiting.items():
            shapes = tuple(each.shape for each in request.tensors)
            kinds[request.computation, request.options, shapes].append(number)
        asked, waiting = waiting, {}
        for (computation, options, shapes), numbers in kinds.items():
            for part in _parts(numbers, rows_at_once(shapes[0][-1], BASIS)):
                tensors = (torch.stack(each) for each in zip(*(asked[k].tensors for k in part), strict=True))
                answers, cost = computation(family.of(torch.tensor(part)), *tensors, *options)
                for place, number in enumerate(part):
                    costs[number] += float(cost[place])
                    go_on(number, tuple(each[place] for each in answers))
    return [results[number] for number in range(len(rows))], costs


def _parts(numbers: list[int], size: int) -> list[list[int]]:
    return [numbers[first : first + size] for first in range(0, len(numbers), size)]
