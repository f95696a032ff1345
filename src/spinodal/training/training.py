"""Training for a number of steps, instead of to a minimum: to see what happens on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, repeat
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from spinodal.ensemble import Objective
from spinodal.geometry import value_and_gradient
from spinodal.training.descent import DescentRule, Evaluate, Position, State
from spinodal.training.noise import Noise
from spinodal.training.relaxation import Phase, Relaxation
from spinodal.training.settings import RelaxationSettings


class Training(Relaxation):
    """Follows the rule of descent without a break through all stages; a stage ends after its steps.

    Nothing is polished or inspected: rows say how far from stationary they were (max |∇𝓛|).

    Args:
        theta: stacked parameters [R, n].
        objective: E and 𝓛 of the rows.
        rule: of descent.
        seeds: one per row.
        settings: of these only `block`, `descent_dtype` and `tolerance` matter.
        ends: how many steps have been done when each stage ends, rising.
        noise: in the gradients, if there is any.
        lr: step lengths, one per row, instead of the rule's; the same in all rows where there is noise.
    """

    def __init__(
        self,
        theta: nn.Parameter,
        objective: Objective,
        rule: DescentRule,
        seeds: Sequence[int],
        settings: RelaxationSettings,
        ends: Sequence[int],
        noise: Noise | None = None,
        lr: Sequence[float] | None = None,
    ) -> None:
        self.ends, self.noise = tuple(ends), noise
        super().__init__(theta, objective, rule, seeds, settings, lr)

    def begin(self, control: Float[Tensor, " R"], stage: int, idle: Bool[Tensor, " R"] | None = None) -> None:
        """Starts a stage where the last one ended, with what the rule remembers."""
        remembered = {name: each for name, each in self.rows.items() if name.startswith("descent.")}
        super().begin(control, stage, idle)
        self.rows.update(remembered if stage > 0 else {})

    def columns(self) -> dict[str, Any]:
        """Also how many steps have been done in all, and under which noise."""
        noise = self.noise.columns() if self.noise else {}
        return super().columns() | noise | {"minimum": None, "trained_steps": self.ends[self.stage]}

    def _block(self) -> None:
        rows = self.active.nonzero().squeeze(-1)
        before = self.ends[self.stage - 1] if self.stage else 0
        done = before + int(self.rows["steps"][rows[0]])
        left = self.ends[self.stage] - done
        # Blocks end where they would without stages: noise is drawn for whole ones, however often somebody looks.
        steps = min(left, self.settings.block - done % self.settings.block)
        dtype = getattr(torch, self.settings.descent_dtype)
        state: State = {
            name.removeprefix("descent."): value[rows].to(dtype)
            for name, value in self.rows.items()
            if name.startswith("descent.")
        }
        theta = self.theta[rows].to(dtype)
        exact: Evaluate = partial(value_and_gradient, self._loss_of(rows, dtype))
        evaluations: Iterator[Evaluate] = chain(self._evaluations(rows, done, steps, dtype), [exact])
        position = Position(theta, *next(evaluations)(theta))
        for evaluate in evaluations:
            position = self.rule.step(position, state, evaluate)
        self._arrive(rows, position)
        for name, value in state.items():
            self.rows[f"descent.{name}"][rows] = value.to(self.theta.dtype)
        self.rows["steps"][rows] += steps
        if steps == left:
            self.rows["phase"][rows] = Phase.GIVEN_UP

    def _evaluations(
        self, rows: Int[Tensor, " A"], done: int, steps: int, dtype: torch.dtype
    ) -> Iterator[Evaluate]:
        """What each of the next steps takes for 𝓛 and ∇𝓛."""
        loss = self._loss_of(rows, dtype)
        if self.noise is None:
            return repeat(partial(value_and_gradient, loss), steps)
        number, first = divmod(done, self.settings.block)
        like = self.theta.to(dtype)
        drawn = self.noise.drawn(rows.tolist(), self.settings.block, like, number)[first : first + steps]
        return self.noise.evaluations(loss, rows.tolist(), self.rows["control"][rows].to(dtype), drawn)
