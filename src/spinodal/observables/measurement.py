"""What measurements of geometry have in common: when and where they are made, and what they cost."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from jaxtyping import Float64
from rich.console import Console
from torch import Tensor

from spinodal.geometry import each_term
from spinodal.geometry.derivatives import RowFunction
from spinodal.training import EnsembleModule


class StageMeasurement(pl.Callback, ABC):
    """Measures, in float64, every replica that has a row to add, at the end of each stage or every few.

    Args:
        every: this many stages.
        console: where it says, at the end, what share of the run it took.
    """

    column: ClassVar[str]
    """One of those it adds to the records, filled wherever it has measured."""

    def __init__(self, every: int = 1, console: Console | None = None) -> None:
        self.every = every
        self.console = console or Console(stderr=True)
        self._began = self._seconds = 0.0

    @abstractmethod
    def measure(
        self,
        module: EnsembleModule,
        error: RowFunction,
        theta: Float64[Tensor, "A n"],
        control: Float64[Tensor, " A"],
        seeds: list[int],
    ) -> dict[str, Any]:
        """The columns of the replicas with parameters θ: tensors or lists [A], or one value for all."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts the clock."""
        self._began = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measures."""
        assert isinstance(pl_module, EnsembleModule)
        if pl_module.relaxation.stage % self.every:
            return
        start = time.perf_counter()
        rows = measured_rows(pl_module)
        theta = pl_module.ensemble.theta.detach()[rows].double()
        measured = {}
        if rows and theta.isfinite().all():
            control = pl_module.relaxation.rows["control"][rows].double()
            measured = self.measure(
                pl_module, error_of(pl_module, rows), theta, control, [pl_module.seeds[row] for row in rows]
            )
        replicas = len(pl_module.visits)
        for name, values in measured.items():
            listed = values.tolist() if isinstance(values, Tensor) else values
            listed = listed if isinstance(listed, list) else [listed] * len(rows)
            column: list[Any] = [None] * replicas
            for row, value in zip(rows, listed, strict=True):
                column[row] = None if isinstance(value, float) and math.isnan(value) else value
            pl_module.measure(**{name: column})
        self._seconds += time.perf_counter() - start

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Says what it cost."""
        share = self._seconds / (time.perf_counter() - self._began)
        name = type(self).__name__.lower()
        self.console.print(f"{name}: {self._seconds:.1f} s, {share:.0%} of the job's time", soft_wrap=True)


def measured_rows(module: EnsembleModule) -> list[int]:
    """The replicas that have a row to add to the records."""
    return [row for row, visit in enumerate(module.visits) if visit is not None and visit.stage is not None]


def in_parts(measure: Callable[[slice], dict[str, Any]], rows: int, at_once: int) -> dict[str, Any]:
    """Measure some rows after the others, as many at once as memory has room for.

    Args:
        measure: of a part of the rows; its columns are tensors with a value for each, or one value for all rows.
        rows: how many there are.
        at_once: how many are measured together.
    """
    parts = [measure(slice(first, first + at_once)) for first in range(0, rows, at_once)]
    columns = {name: [part[name] for part in parts] for name in parts[0]}
    return {
        name: torch.cat(values) if isinstance(values[0], Tensor) else values[0]
        for name, values in columns.items()
    }


def error_of(module: EnsembleModule, rows: list[int]) -> RowFunction:
    """E of some rows; a signal ends what is made of its derivatives at the next of them."""
    return _watched(module, module.objective.of(rows).error)


def loss_of(module: EnsembleModule, rows: list[int]) -> RowFunction:
    """𝓛 of some rows, at the control parameter where each of them is; a signal ends it like E."""
    control, objective = module.relaxation.rows["control"][rows].double(), module.objective.of(rows)
    return _watched(module, objective.at(control))


def _watched(module: EnsembleModule, function: RowFunction) -> RowFunction:
    watch = module.relaxation.watch

    def watched(term: RowFunction) -> RowFunction:
        def evaluate(theta: Tensor) -> Tensor:
            if theta.requires_grad:
                theta.register_hook(lambda gradient: watch())  # type: ignore[no-untyped-call]
            return term(theta)

        return evaluate

    return each_term(watched, function)
