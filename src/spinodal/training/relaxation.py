"""Relaxation of an ensemble: descent into a basin, polish to stationarity, inspection for saddles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from enum import IntEnum
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from spinodal.ensemble import Objective
from spinodal.geometry import (
    INSPECTED,
    each_term,
    extreme_eigenvalues,
    linearise_gradient,
    newton_step,
    rows_at_once,
    value_and_gradient,
)
from spinodal.geometry.derivatives import RowFunction, RowOperator
from spinodal.training.descent import DescentRule, Position, State
from spinodal.training.randomness import standard_normal
from spinodal.training.settings import RelaxationSettings


class Phase(IntEnum):
    """What a replica does next."""

    HOLD = -1
    DESCEND = 0
    POLISH = 1
    INSPECT = 2
    DONE = 3
    GIVEN_UP = 4


class Relaxation(torch.optim.Optimizer):
    """Takes every row of θ to a minimum of its own 𝓛, a block of steps at each `step()`.

    A row descends until max |∇𝓛| ≤ handoff, is polished by Newton steps in a trust region, and is inspected: where
    the Hessian has a negative eigenvalue the point is a saddle, left along that mode by a small seeded step, and
    the row descends again. Rows that are done or have spent their budget are not computed any more. All that is
    remembered is per row and lies in the optimizer's state, so Lightning's checkpoints hold it.

    Args:
        theta: stacked parameters [R, n].
        objective: E and 𝓛 of the rows.
        rule: of descent.
        seeds: one per row; they alone decide the random directions a row meets.
        settings: tolerances and budget.
        lr: step lengths, one per row, instead of the rule's.

    Attributes:
        watch: called before each evaluation; what it raises interrupts the block, which then has not happened.
    """

    def __init__(
        self,
        theta: nn.Parameter,
        objective: Objective,
        rule: DescentRule,
        seeds: Sequence[int],
        settings: RelaxationSettings,
        lr: Sequence[float] | None = None,
    ) -> None:
        super().__init__([theta], {})
        self.objective, self.seeds, self.settings, self.lr = objective, tuple(seeds), settings, lr
        self.rule = rule if settings.smooth else rule.on_kinks()
        self.watch: Callable[[], None] = lambda: None
        self.begin(theta.new_zeros(len(theta)), stage=-1)

    @property
    def theta(self) -> nn.Parameter:
        """Stacked parameters [R, n]."""
        parameter: nn.Parameter = self.param_groups[0]["params"][0]
        return parameter

    @property
    def rows(self) -> dict[str, Any]:
        """The state, by name; every tensor has one row per replica."""
        rows: dict[str, Any] = self.state[self.theta]
        return rows

    @property
    def stage(self) -> int:
        """The stage the state belongs to."""
        return int(self.rows["stage"])

    @property
    def active(self) -> Bool[Tensor, " R"]:
        """Rows that still have something to do."""
        active: Tensor = self.rows["phase"] < Phase.DONE
        return active

    @property
    def stationary(self) -> Bool[Tensor, " R"]:
        """Rows that meet the tolerance, or whose 𝓛 no longer falls where it has kinks."""
        stationary: Tensor = self.rows["grad_max"] <= self.settings.tolerance
        return stationary if self.settings.smooth else stationary | (self.rows["phase"] == Phase.DONE)

    def columns(self) -> dict[str, Any]:
        """What the records say of the stage: per replica a tensor [R], or one value for all."""
        smooth = self.settings.smooth
        return {
            "steps": self.rows["steps"],
            "saddles": self.rows["saddles"],
            "grad_max": self.rows["grad_max"],
            "stationary": self.stationary,
            "criterion": "gradient" if smooth else "fall",
            # Where 𝓛 has kinks there is no Hessian to look at.
            "minimum": self.rows["minimum"] if smooth else None,
        }

    def begin(self, control: Float[Tensor, " R"], stage: int, idle: Bool[Tensor, " R"] | None = None) -> None:
        """Starts a stage: every row but the idle ones descends from where it is, at its new λ."""
        theta = self.theta.detach()
        zeros = torch.zeros(len(theta), dtype=torch.int64, device=theta.device)
        everything = torch.arange(len(theta), device=theta.device)
        self.rows.clear()
        self.rows.update(
            stage=stage,
            control=control.to(theta),
            phase=torch.full_like(zeros, Phase.DESCEND),
            steps=zeros.clone(),
            saddles=zeros.clone(),
            minimum=zeros.bool(),
            grad_max=theta.new_full((len(theta),), torch.inf),
            radius=_longest(theta),
            lowest=theta.new_full((len(theta),), torch.inf),
            without_fall=zeros.clone(),
            **{f"descent.{name}": value for name, value in self._start(everything).items()},
        )
        if idle is not None:
            self.rows["phase"][idle] = Phase.DONE

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # there is no loss to return
        """One block: descent steps, or a Newton step, or an inspection, whichever each row needs.

        Args:
            closure: ignored; 𝓛 is known.
        """
        theta, rows = self.theta.clone(), deepcopy(self.rows)
        try:
            self._block()
        except BaseException:
            self.theta.copy_(theta)
            self._replace(rows)
            raise

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes a state as it was saved; torch's own method would cast all of it to the dtype of θ."""
        (rows,) = state_dict["state"].values()
        self._replace(rows)

    def _replace(self, rows: Mapping[str, Any]) -> None:
        self.rows.clear()
        for name, value in rows.items():
            self.rows[name] = value.to(self.theta.device, copy=True) if isinstance(value, Tensor) else value

    def _block(self) -> None:
        replicas, n = self.theta.shape
        for phase, act, at_once in (
            (Phase.DESCEND, self._descend, replicas),
            (Phase.POLISH, self._polish, replicas),
            (Phase.INSPECT, self._inspect, rows_at_once(n, INSPECTED)),
        ):
            rows = (self.rows["phase"] == phase).nonzero().squeeze(-1)
            for part in torch.split(rows, at_once) if len(rows) else ():
                act(part)
        spent = self.active & (self.rows["steps"] >= self.settings.max_steps)
        self.rows["phase"][spent] = Phase.GIVEN_UP

    def _watched(self, function: RowFunction) -> RowFunction:
        """Return a function each evaluation of which can be interrupted."""

        def watched(term: RowFunction) -> RowFunction:
            def evaluate(theta: Tensor) -> Tensor:
                self.watch()
                return term(theta)

            return evaluate

        return each_term(watched, function)

    def _loss_of(self, rows: Int[Tensor, " A"], dtype: torch.dtype | None = None) -> RowFunction:
        return self._watched(self.objective.of(rows).at(self.rows["control"][rows].to(dtype)))

    def _linearise(self, rows: Int[Tensor, " A"]) -> tuple[Tensor, Tensor, RowOperator]:
        """𝓛, ∇𝓛 and the Hessian-vector product of rows."""
        loss, gradient, product = linearise_gradient(self._loss_of(rows), self.theta[rows])

        def watched(vectors: Tensor) -> Tensor:
            self.watch()
            return product(vectors)

        return loss, gradient, watched

    def _descend(self, rows: Int[Tensor, " A"]) -> None:
        dtype = getattr(torch, self.settings.descent_dtype)
        loss = self._loss_of(rows, dtype)
        goal = self._goal(rows)
        state: State = {
            name.removeprefix("descent."): value[rows].to(dtype)
            for name, value in self.rows.items()
            if name.startswith("descent.")
        }
        theta = self.theta[rows].to(dtype)
        position = Position(theta, *value_and_gradient(loss, theta))
        arrived = position.gradient.abs().amax(-1) <= goal
        for _ in range(self.settings.block):
            if arrived.all():
                break
            self.rows["steps"][rows] += ~arrived
            moved = self.rule.step(position, state, lambda theta: value_and_gradient(loss, theta))
            # A row that has arrived waits for the others where it is, so that it does not feel them.
            position = Position(
                torch.where(arrived[:, None], position.theta, moved.theta),
                torch.where(arrived, position.loss, moved.loss),
                torch.where(arrived[:, None], position.gradient, moved.gradient),
            )
            arrived |= position.gradient.abs().amax(-1) <= goal
        self._arrive(rows, position)
        for name, value in state.items():
            self.rows[f"descent.{name}"][rows] = value.to(self.theta.dtype)
        self._descended(rows[arrived if self.settings.smooth else arrived | self._settled(rows, position)])
        self.rows["phase"][rows[~position.loss.isfinite()]] = Phase.GIVEN_UP

    @property
    def _polished(self) -> bool:
        return self.settings.polish and self.settings.smooth

    def _goal(self, rows: Int[Tensor, " A"]) -> float | Tensor:
        """Max |∇𝓛| at which the descent of rows ends: of all, or of each [A]."""
        return self.settings.handoff if self._polished else self.settings.tolerance

    def _descended(self, rows: Int[Tensor, " A"]) -> None:
        """Lets rows that have come to the end of their descent go on to what is next."""
        after = Phase.POLISH if self._polished else Phase.INSPECT if self.settings.smooth else Phase.DONE
        self.rows["phase"][rows] = after

    def _settled(self, rows: Int[Tensor, " A"], position: Position) -> Bool[Tensor, " A"]:
        """Rows whose 𝓛 no longer falls."""
        lowest, loss = self.rows["lowest"][rows], position.loss.to(self.theta.dtype)
        fell = loss < lowest - self.settings.fall * loss.abs()
        self.rows["lowest"][rows] = torch.where(fell, loss, lowest)
        without_fall = torch.where(fell, 0, self.rows["without_fall"][rows] + 1)
        self.rows["without_fall"][rows] = without_fall
        return without_fall >= self.settings.patience

    def _polish(self, rows: Int[Tensor, " A"]) -> None:
        theta, radius = self.theta[rows], self.rows["radius"][rows]
        start_loss, start_gradient, product = self._linearise(rows)
        size = start_gradient.norm(dim=-1)
        newton = newton_step(
            product,
            start_gradient,
            radius,
            tolerance=size.sqrt().clamp(max=0.1),
            max_products=min(2 * theta.shape[-1], 500),
        )
        end = Position(theta + newton.step, *value_and_gradient(self._loss_of(rows), theta + newton.step))
        # The slope along p at its end, as found and as the quadratic model has it. Slopes can be compared where
        # differences of 𝓛 have long drowned in rounding.
        slope = (start_gradient * newton.step).sum(-1)
        expected = slope + (newton.image * newton.step).sum(-1)
        mismatch = ((end.gradient * newton.step).sum(-1) - expected).abs() / slope.abs()
        taken = (mismatch <= 0.5) & (end.loss <= start_loss + 1e-14 * start_loss.abs())
        length = newton.step.norm(dim=-1)
        radius = torch.where(taken, radius * torch.where(mismatch <= 0.1, 2.0, 1.0), length / 4)
        self.rows["radius"][rows] = radius.minimum(_longest(theta))
        self.rows["steps"][rows] += 2 + 2 * newton.products
        self._arrive(
            rows,
            Position(
                torch.where(taken[:, None], end.theta, theta),
                torch.where(taken, end.loss, start_loss),
                torch.where(taken[:, None], end.gradient, start_gradient),
            ),
        )
        grad_max = self.rows["grad_max"][rows]
        lost = (newton.negative & taken) | (grad_max > 10 * self.settings.handoff)
        self._descend_again(rows[lost])
        self.rows["phase"][rows[grad_max <= self.settings.tolerance]] = Phase.INSPECT

    def _inspect(self, rows: Int[Tensor, " A"]) -> None:
        theta = self.theta[rows]
        _, _, product = self._linearise(rows)
        saddles_met = self.rows["saddles"][rows].tolist()
        draws = [
            standard_normal(theta.shape[-1], "inspection", self.seeds[row], self.stage, met)
            for row, met in zip(rows.tolist(), saddles_met, strict=True)
        ]
        start = torch.stack(draws).to(theta)
        ends = extreme_eigenvalues(product, start)
        minimum = ends.smallest > -self.settings.flatness * ends.largest
        self.rows["steps"][rows] += 2 * ends.products
        self.rows["minimum"][rows] = minimum
        self.rows["phase"][rows[minimum]] = Phase.DONE
        saddles = rows[~minimum]
        if len(saddles):
            towards = torch.where((ends.mode * start).sum(-1, keepdim=True) >= 0, ends.mode, -ends.mode)
            self.theta[saddles] += 1e-2 * (_longest(theta)[:, None] * towards)[~minimum]
            self.rows["saddles"][saddles] += 1
            self.rows["grad_max"][saddles] = torch.inf
            self.rows["radius"][saddles] = _longest(self.theta[saddles])
            self._descend_again(saddles)

    def _arrive(self, rows: Int[Tensor, " A"], position: Position) -> None:
        self.theta[rows] = position.theta.to(self.theta.dtype)
        self.rows["grad_max"][rows] = position.gradient.abs().amax(-1).to(self.theta.dtype)

    def _descend_again(self, rows: Int[Tensor, " A"]) -> None:
        self.rows["phase"][rows] = Phase.DESCEND
        for name, value in self._start(rows).items():
            self.rows[f"descent.{name}"][rows] = value

    def _start(self, rows: Int[Tensor, " A"]) -> State:
        """The rule's state of rows about to descend, with step lengths of their own where they have some."""
        theta = self.theta[rows].detach()
        state = self.rule.start(theta)
        if self.lr is not None:
            state["lr"] = theta.new_tensor([self.lr[row] for row in rows.tolist()])[:, None]
        return state


def _longest(theta: Float[Tensor, "A n"]) -> Float[Tensor, " A"]:
    """The longest Newton step allowed [A]: a tenth of ‖θ‖, so that no step reaches into another basin."""
    longest: Tensor = 0.1 * theta.norm(dim=-1) + 0.01
    return longest
