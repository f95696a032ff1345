"""Training for a number of steps, instead of to a minimum: to see what happens on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from spinodal.geometry import value_and_gradient
from spinodal.training.descent import DescentRule, Position, State
from spinodal.training.relaxation import Loss, Phase, Relaxation, RelaxationSettings


class Training(Relaxation):
    """Follows the rule of descent without a break through all stages; a stage ends after its steps.

    Nothing is polished or inspected: rows say how far from stationary they were (max |∇𝓛|).

    Args:
        theta: stacked parameters [R, n].
        loss: 𝓛 of any rows.
        rule: of descent.
        seeds: one per row.
        settings: of these only `block`, `descent_dtype` and `tolerance` matter.
        ends: how many steps have been done when each stage ends, rising.
        lr: step lengths, one per row, instead of the rule's.
    """

    def __init__(
        self,
        theta: nn.Parameter,
        loss: Loss,
        rule: DescentRule,
        seeds: Sequence[int],
        settings: RelaxationSettings,
        ends: Sequence[int],
        lr: Sequence[float] | None = None,
    ) -> None:
        self.ends = tuple(ends)
        super().__init__(theta, loss, rule, seeds, settings, lr)

    def begin(self, l2: Float[Tensor, " R"], stage: int, idle: Bool[Tensor, " R"] | None = None) -> None:
        """Starts a stage where the last one ended, with what the rule remembers."""
        remembered = {name: each for name, each in self.rows.items() if name.startswith("descent.")}
        super().begin(l2, stage, idle)
        self.rows.update(remembered if stage > 0 else {})

    def columns(self) -> dict[str, Any]:
        """Also how many steps have been done in all."""
        return super().columns() | {"minimum": None, "trained_steps": self.ends[self.stage]}

    def _block(self) -> None:
        rows = self.active.nonzero().squeeze(-1)
        before = self.ends[self.stage - 1] if self.stage else 0
        left = self.ends[self.stage] - before - int(self.rows["steps"][rows[0]])
        dtype = getattr(torch, self.settings.descent_dtype)
        loss = self._loss_of(rows, dtype)
        state: State = {
            name.removeprefix("descent."): value[rows].to(dtype)
            for name, value in self.rows.items()
            if name.startswith("descent.")
        }
        theta = self.theta[rows].to(dtype)
        position = Position(theta, *value_and_gradient(loss, theta))
        steps = min(left, self.settings.block)
        for _ in range(steps):
            position = self.rule.step(position, state, lambda theta: value_and_gradient(loss, theta))
        self._arrive(rows, position)
        for name, value in state.items():
            self.rows[f"descent.{name}"][rows] = value.to(self.theta.dtype)
        self.rows["steps"][rows] += steps
        if steps == left:
            self.rows["phase"][rows] = Phase.GIVEN_UP
