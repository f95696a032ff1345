"""Holding times: rows stay under noise until the flow without noise leads elsewhere; then they relax."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from spinodal.geometry import value_and_gradient
from spinodal.protocols import JUMP, Trajectory
from spinodal.training.descent import DescentRule, Position
from spinodal.training.noise import kicks, langevin
from spinodal.training.relaxation import Loss, Phase, Relaxation, RelaxationSettings

CONFIRMED = 2
"""Looks in a row that must find a row elsewhere. A row seen just beyond the saddle may well return; one that is still
there some times 1/ω later, ω the saddle's unstable rate, has left. So looks should be further apart than that, and
closer together than the time in which noise would bring a row back from where it has gone."""

DRAWN = 400
"""Steps of which the noise is drawn at once."""

FLOW = 10
"""Steps of descent after which rows that have arrived are left out of the others' flow."""

LONGEST_FLOW = 100
"""So many times; a row that is still near the separatrix then does not count as away."""


@dataclass(frozen=True)
class HoldSettings:
    """How rows are held.

    Attributes:
        longest: time after which a row that has not left is let go, in steps × step length.
        time_step: η, the length of a step.
        check: steps between two looks at where the flow leads.
    """

    longest: float
    time_step: float
    check: int

    @property
    def resolution(self) -> float:
        """Time between two looks."""
        return self.check * self.time_step

    @property
    def drawn(self) -> int:
        """For how many looks noise is drawn at once: a generator takes as long to make as some hundred numbers."""
        return max(1, DRAWN // self.check)

    @property
    def looks(self) -> int:
        """How many there are at most."""
        return max(1, round(self.longest / self.resolution))


class Holding(Relaxation):
    """A relaxation whose last stage is held under noise before.

    Every `check` steps a copy of each row descends without noise. A row has left its phase when that leads to another
    E than it started with, by more than `JUMP` of E₀, at `CONFIRMED` looks in a row; the first of them is when it left.
    Then, or when its time is over, it is relaxed like any other row: that says where it has gone. Rows that have left
    are not computed any more.

    Args:
        theta: stacked parameters [R, n].
        loss: 𝓛 of any rows.
        rule: of descent.
        seeds: one per row.
        settings: of the relaxation.
        hold: how rows are held.
        trajectories: one per row, with its noise.
    """

    def __init__(
        self,
        theta: nn.Parameter,
        loss: Loss,
        rule: DescentRule,
        seeds: Sequence[int],
        settings: RelaxationSettings,
        hold: HoldSettings,
        trajectories: Sequence[Trajectory],
    ) -> None:
        self.hold = hold
        self.temperatures = [each.hold.temperature for each in trajectories if each.hold]
        self.phases = [each.hold.phase for each in trajectories if each.hold]
        self.last = max(len(each.path) for each in trajectories) - 1
        with torch.no_grad():
            self.tolerance = JUMP * float(loss(torch.zeros_like(theta[:1]), theta.new_zeros(1)))
        super().__init__(theta, loss, rule, seeds, settings)

    def begin(self, l2: Float[Tensor, " R"], stage: int, idle: Bool[Tensor, " R"] | None = None) -> None:
        """Starts a stage; the last one under noise."""
        super().begin(l2, stage, idle)
        phase = self.rows["phase"]
        self.rows.update(looks=torch.zeros_like(phase), away=torch.zeros_like(phase))
        self.rows["home"] = torch.full_like(self.rows["l2"], torch.nan)
        if stage == self.last:
            held = (phase == Phase.DESCEND).nonzero().squeeze(-1)
            phase[held] = Phase.HOLD
            self.rows["home"][held] = self._flow(held)

    def columns(self) -> dict[str, Any]:
        """Also how long each row was held, and whether it has left."""
        if self.stage != self.last:
            return super().columns()
        escaped = self.rows["away"] >= CONFIRMED
        # When it was first seen elsewhere, or last seen at home.
        looks = self.rows["looks"] - torch.where(escaped, self.rows["away"] - 1, self.rows["away"])
        return super().columns() | {
            "start_phase": self.phases,
            "temperature": self.temperatures,
            "time_step": self.hold.time_step,
            "escaped": escaped,
            "escape_time": looks * self.hold.resolution,
            "escape_resolution": self.hold.resolution,
        }

    def _block(self) -> None:
        rows = (self.rows["phase"] == Phase.HOLD).nonzero().squeeze(-1)
        if len(rows):
            self._hold(rows)
        super()._block()

    def _hold(self, rows: Int[Tensor, " A"]) -> None:
        """Noise and looks, as many as are drawn at once."""
        looks = int(self.rows["looks"][rows[0]])  # the same for all that are still held
        drawn = kicks(
            self.hold.drawn * self.hold.check,
            self.theta.shape[-1],
            [self.seeds[row] for row in rows.tolist()],
            [self.temperatures[row] for row in rows.tolist()],
            self.stage,
            looks,
        ).to(self.theta)
        places = torch.arange(len(rows), device=rows.device)
        for noise in torch.split(drawn, self.hold.check):
            places = places[self.rows["phase"][rows[places]] == Phase.HOLD]
            if len(places):
                self._look(rows[places], noise[:, places])

    def _look(self, rows: Int[Tensor, " A"], noise: Float[Tensor, "steps A n"]) -> None:
        """The noise until the next look, and the look."""
        temperature = torch.tensor(self.temperatures, dtype=torch.float64).to(self.theta)[rows]
        theta = langevin(self._loss_of(rows), self.theta[rows], temperature, noise, self.hold.time_step)
        self.theta[rows] = theta
        self.rows["looks"][rows] += 1
        away = torch.where(self._leads_elsewhere(rows), self.rows["away"][rows] + 1, 0)
        self.rows["away"][rows] = away
        over = (away >= CONFIRMED) | (self.rows["looks"][rows] >= self.hold.looks)
        self.rows["phase"][rows[over]] = Phase.DESCEND
        self.rows["phase"][rows[~theta.isfinite().all(-1)]] = Phase.GIVEN_UP

    def _leads_elsewhere(self, rows: Int[Tensor, " A"]) -> Bool[Tensor, " A"]:
        """Rows from which the flow without noise arrives at another E than they started with."""
        found: Tensor = (self._flow(rows) - self.rows["home"][rows]).abs() > self.tolerance
        return found

    def _flow(self, rows: Int[Tensor, " A"]) -> Float[Tensor, " A"]:
        """E [A] where the flow without noise arrives; NaN where it does not in time, or θ is not finite."""
        errors = torch.full_like(self.rows["l2"][rows], torch.nan)
        places = self.theta[rows].isfinite().all(-1).nonzero().squeeze(-1)
        theta = self.theta[rows[places]].detach()
        state = self.rule.start(theta)
        position = Position(theta, *value_and_gradient(self._loss_of(rows[places]), theta))
        for _ in range(LONGEST_FLOW):
            if not len(places):
                break
            loss = self._loss_of(rows[places])
            for _ in range(FLOW):
                position = self.rule.step(position, state, partial(value_and_gradient, loss))
            arrived = position.gradient.abs().amax(-1) <= self.settings.handoff
            norm_squared = position.theta.square().sum(-1)
            error = position.loss - self.rows["l2"][rows[places]] * norm_squared
            errors[places[arrived]] = error[arrived]
            places, state = places[~arrived], {name: each[~arrived] for name, each in state.items()}
            position = Position(
                position.theta[~arrived], position.loss[~arrived], position.gradient[~arrived]
            )
        return errors
