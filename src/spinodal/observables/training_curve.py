"""The way to a minimum: 𝓛 and max |∇𝓛| at a handful of moments of a stage."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from spinodal.training import EnsembleModule

SPREAD = 4
"""Ratio of the gradients spent at two moments: a stage of 50,000 is told in seven of them."""

Moment = tuple[int, float, float]
"""Gradients spent, 𝓛, max |∇𝓛|."""


class TrainingCurve(pl.Callback):
    """Samples how each replica relaxes, at moments that its own steps alone decide, and at the end."""

    def __init__(self) -> None:
        self._stage = -1
        self._moments: list[list[Moment]] = []
        self._next = torch.zeros(0)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Looks at the replicas whose moment has come."""
        assert isinstance(pl_module, EnsembleModule)
        steps = pl_module.relaxation.rows["steps"]
        if self._stage != pl_module.relaxation.stage:
            # Not when a stage ends: its end may be told twice.
            self._stage, self._moments = pl_module.relaxation.stage, [[] for _ in steps]
            self._next = torch.ones_like(steps)
        due = steps >= self._next.to(steps)
        if due.any():
            self._look(pl_module, due)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Adds the curves to the stage's measurements, up to where each replica has come to rest."""
        assert isinstance(pl_module, EnsembleModule)
        steps = pl_module.relaxation.rows["steps"]
        told = [moments[-1][0] if moments else 0 for moments in self._moments]
        self._look(pl_module, steps > torch.tensor(told, device=steps.device))
        curves = [tuple(zip(*moments, strict=True)) or ((), (), ()) for moments in self._moments]
        for place, name in enumerate(("steps", "loss", "grad_max")):
            pl_module.measure(**{f"training_{name}": [list(curve[place]) for curve in curves]})

    @torch.no_grad()
    def _look(self, module: EnsembleModule, due: Tensor) -> None:
        replicas, rows = due.nonzero().squeeze(-1), module.relaxation.rows
        steps = rows["steps"][replicas]
        loss = module.objective.of(replicas).loss(module.ensemble.theta[replicas], rows["control"][replicas])
        seen = (steps.tolist(), loss.tolist(), rows["grad_max"][replicas].tolist())
        for replica, *moment in zip(replicas.tolist(), *seen, strict=True):
            self._moments[replica].append((moment[0], moment[1], moment[2]))
        self._next = self._next.to(rows["steps"])
        self._next[replicas] = SPREAD * steps

    def state_dict(self) -> dict[str, Any]:
        """The moments of the stage so far."""
        return {"stage": self._stage, "moments": self._moments, "next": self._next}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from them."""
        self._stage, self._moments = state_dict["stage"], state_dict["moments"]
        self._next = state_dict["next"]
