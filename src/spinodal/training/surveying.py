"""A survey: rows follow the gradient flow until it has nearly come to rest, unless they are to be relaxed exactly."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from spinodal.geometry import value_and_gradient
from spinodal.training.descent import Position
from spinodal.training.relaxation import Phase, Relaxation


class SurveyRelaxation(Relaxation):
    """A relaxation whose rows only descend, until max |∇𝓛| ≤ flow·E₀, E₀ the error of the zero function.

    That costs a fraction of a minimum, and leaves E near the one of the minimum below, as a rule. Whether it is one
    nobody looks at. Rows of a stage that are to be relaxed `exactly` go all the way.

    It is made as any relaxation is, of settings with a value for `flow`.
    """

    @cached_property
    def rest(self) -> Float[Tensor, " R"]:
        """Return flow·E₀ of every row."""
        assert self.settings.flow is not None
        with torch.no_grad():
            return self.settings.flow * self.objective.zero_error(self.theta)

    def begin(self, control: Float[Tensor, " R"], stage: int, idle: Bool[Tensor, " R"] | None = None) -> None:
        """Starts a stage, which is surveyed in all rows."""
        super().begin(control, stage, idle)
        self.rows["surveyed"] = torch.ones_like(self.active)

    def exactly(self, which: Bool[Tensor, " R"]) -> None:
        """Lets rows of the stage be relaxed exactly."""
        self.rows["surveyed"] &= ~which

    @property
    def stationary(self) -> Bool[Tensor, " R"]:
        """Rows that have come to rest, or meet the tolerance where they are relaxed exactly."""
        return torch.where(self.rows["surveyed"], self.rows["phase"] == Phase.DONE, super().stationary)

    def columns(self) -> dict[str, Any]:
        """As of any relaxation; what is surveyed is not known to be a minimum."""
        exact = super().columns()
        surveyed = self.rows["surveyed"].tolist()
        minimum = self.rows["minimum"].tolist() if self.settings.smooth else [None] * len(surveyed)
        return exact | {
            "criterion": ["flow" if each else exact["criterion"] for each in surveyed],
            "minimum": [None if each else known for each, known in zip(surveyed, minimum, strict=True)],
        }

    def _goal(self, rows: Int[Tensor, " A"]) -> float | Tensor:
        return torch.where(self.rows["surveyed"][rows], self.rest[rows], super()._goal(rows))

    def _descended(self, rows: Int[Tensor, " A"]) -> None:
        super()._descended(rows)
        rows = rows[self.rows["surveyed"][rows]]
        self.rows["phase"][rows] = Phase.DONE
        if len(rows) and self.settings.descent_dtype != str(self.theta.dtype).removeprefix("torch."):
            theta = self.theta[rows].detach()
            self._arrive(rows, Position(theta, *value_and_gradient(self._loss_of(rows), theta)))
            self.rows["steps"][rows] += 1
