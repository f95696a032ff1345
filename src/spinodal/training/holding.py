"""Holding times: rows stay under noise until the flow without noise leads elsewhere; then they relax."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from spinodal.ensemble import Objective
from spinodal.geometry import value_and_gradient
from spinodal.protocols import JUMP
from spinodal.training.descent import DescentRule, Position
from spinodal.training.noise import Noise
from spinodal.training.relaxation import Phase, Relaxation
from spinodal.training.settings import RelaxationSettings

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
        every_stage: whether rows are held at all stages, and to the end, instead of at the last until they leave.
    """

    longest: float
    time_step: float
    check: int
    every_stage: bool = False

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
    are not computed any more. Where every stage is held nobody looks, and each stage ends where its noise has led.

    Args:
        theta: stacked parameters [R, n].
        objective: E and 𝓛 of the rows.
        rule: of descent.
        seeds: one per row.
        settings: of the relaxation.
        hold: how rows are held.
        noise: what moves them.
        last: the stage that is held.
        lr: step lengths of the descent, one per row, instead of the rule's.
    """

    def __init__(
        self,
        theta: nn.Parameter,
        objective: Objective,
        rule: DescentRule,
        seeds: Sequence[int],
        settings: RelaxationSettings,
        hold: HoldSettings,
        noise: Noise,
        last: int,
        lr: Sequence[float] | None = None,
    ) -> None:
        self.hold, self.noise, self.last = hold, noise, last
        with torch.no_grad():
            self.tolerance = JUMP * objective.zero_error(theta)
        super().__init__(theta, objective, rule, seeds, settings, lr)

    def begin(self, control: Float[Tensor, " R"], stage: int, idle: Bool[Tensor, " R"] | None = None) -> None:
        """Starts a stage; the last one under noise."""
        super().begin(control, stage, idle)
        phase = self.rows["phase"]
        self.rows.update(
            looks=torch.zeros_like(phase),
            away=torch.zeros_like(phase),
            home=torch.full_like(self.rows["control"], torch.nan),
            start=self.theta.detach().clone(),
            virial=torch.zeros_like(self.rows["control"]),
        )
        if self._held(stage):
            held = (phase == Phase.DESCEND).nonzero().squeeze(-1)
            phase[held] = Phase.HOLD
            if not self.hold.every_stage:
                self.rows["home"][held] = self._flow(held)
                self.rows["virial"].zero_()

    def columns(self) -> dict[str, Any]:
        """Also how long each row was held, whether it has left, and how hot it was."""
        if self.hold.every_stage:
            hold_time = self.hold.looks * self.hold.resolution
            return super().columns() | self.noise.columns() | {"hold_time": hold_time}
        if not self._held(self.stage):
            return super().columns()
        escaped = self.rows["away"] >= CONFIRMED
        # When it was first seen elsewhere, or last seen at home.
        looks = self.rows["looks"] - torch.where(escaped, self.rows["away"] - 1, self.rows["away"])
        at_home = self.rows["looks"] - self.rows["away"]
        measured = (at_home > 0) & self.objective.penalty_and_gradient(self.rows["start"])[1].any(-1)
        return (
            super().columns()
            | self.noise.columns()
            | {
                "escaped": escaped,
                "escape_time": looks * self.hold.resolution,
                "escape_resolution": self.hold.resolution,
                "effective_temperature": torch.where(measured, self.rows["virial"] / at_home, torch.nan),
            }
        )

    def _held(self, stage: int) -> bool:
        return stage == self.last or (self.hold.every_stage and stage >= 0)

    def _block(self) -> None:
        rows = (self.rows["phase"] == Phase.HOLD).nonzero().squeeze(-1)
        if len(rows):
            self._hold(rows)
        super()._block()

    def _hold(self, rows: Int[Tensor, " A"]) -> None:
        """Noise and looks, as many as are drawn at once."""
        looks = int(self.rows["looks"][rows[0]])  # the same for all that are still held
        steps = self.hold.drawn * self.hold.check
        drawn = self.noise.drawn(rows.tolist(), steps, self.theta, self.stage, looks)
        places = torch.arange(len(rows), device=rows.device)
        for part in torch.split(drawn, self.hold.check):
            places = places[self.rows["phase"][rows[places]] == Phase.HOLD]
            if len(places):
                self._look(rows[places], part[:, places])

    def _look(self, rows: Int[Tensor, " A"], drawn: Shaped[Tensor, "steps A m"]) -> None:
        """The noise until the next look, and the look."""
        control = self.rows["control"][rows]
        theta = self.noise.walk(self._loss_of(rows), self.theta[rows], rows.tolist(), control, drawn)
        self.theta[rows] = theta
        self.rows["looks"][rows] += 1
        if not self.hold.every_stage:
            self._judge(rows)
        over = self.rows["looks"][rows] >= self.hold.looks
        self.rows["phase"][rows[over]] = Phase.DESCEND
        self.rows["phase"][rows[~theta.isfinite().all(-1)]] = Phase.GIVEN_UP

    def _judge(self, rows: Int[Tensor, " A"]) -> None:
        """Lets rows go that have left."""
        virial = self.rows["virial"][rows]
        elsewhere = (self._flow(rows) - self.rows["home"][rows]).abs() > self.tolerance[rows]
        away = torch.where(elsewhere, self.rows["away"][rows] + 1, 0)
        self.rows["away"][rows] = away
        # Only a row at home says how hot it is there.
        self.rows["virial"][rows] = torch.where(elsewhere, virial, self.rows["virial"][rows])
        self.rows["phase"][rows[away >= CONFIRMED]] = Phase.DESCEND

    def _flow(self, rows: Int[Tensor, " A"]) -> Float[Tensor, " A"]:
        """E [A] where the flow without noise arrives; NaN where it does not in time, or θ is not finite."""
        errors = torch.full_like(self.rows["control"][rows], torch.nan)
        places = self.theta[rows].isfinite().all(-1).nonzero().squeeze(-1)
        theta = self.theta[rows[places]].detach()
        state = self._start(rows[places])
        position = Position(theta, *value_and_gradient(self._loss_of(rows[places]), theta))
        self.rows["virial"][rows[places]] += self._virial(rows[places], position)
        for _ in range(LONGEST_FLOW):
            if not len(places):
                break
            loss = self._loss_of(rows[places])
            for _ in range(FLOW):
                position = self.rule.step(position, state, partial(value_and_gradient, loss))
            arrived = position.gradient.abs().amax(-1) <= self.settings.handoff
            if arrived.any():
                there = rows[places[arrived]]
                cost = self.objective.of(there).cost(position.theta[arrived], self.rows["control"][there])
                errors[places[arrived]] = position.loss[arrived] - cost
            places, state = places[~arrived], {name: each[~arrived] for name, each in state.items()}
            position = Position(
                position.theta[~arrived], position.loss[~arrived], position.gradient[~arrived]
            )
        return errors

    def _virial(self, rows: Int[Tensor, " A"], position: Position) -> Float[Tensor, " A"]:
        """(q·(θ − θ*)) (q·∇𝓛) [A] along the way q = ∇P/‖∇P‖ that λ pulls; its mean is T in equilibrium, whatever 𝓛."""
        start = self.rows["start"][rows]
        way = torch.nn.functional.normalize(
            self.objective.penalty_and_gradient(self.rows["start"])[1][rows], dim=-1
        )
        found: Tensor = ((position.theta - start) * way).sum(-1) * (position.gradient * way).sum(-1)
        return found
