"""A relaxation that can also follow minima along the control parameter, to where they end."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from spinodal.continuation import Kind, Spinodal, locate, squared_norm
from spinodal.geometry.derivatives import RowFunction
from spinodal.penalties import l2
from spinodal.protocols import Ending
from spinodal.training.relaxation import Phase, Relaxation

KINDS = tuple(Kind)
"""How ways end, by their number in the state."""

KICK = 0.02, 1e-4
"""Step onwards from where a minimum ends: as a fraction of ‖θ‖, and where θ is nearly 0."""


class ContinuedRelaxation(Relaxation):
    """A relaxation whose rows can be followed instead, from the minima they are in at another value of c.

    It is made as any relaxation is. A row to `follow` is not relaxed in its stage; `ending` is then what it met. All
    rows are followed within one block.
    """

    def begin(self, control: Float[Tensor, " R"], stage: int, idle: Bool[Tensor, " R"] | None = None) -> None:
        """Start a stage, in which nothing is followed yet."""
        super().begin(control, stage, idle)
        nothing = torch.full_like(self.rows["control"], torch.nan)
        self.rows.update(origin=nothing, reasons=[""] * len(nothing), pitchforks=[()] * len(nothing))

    def follow(self, origin: Float[Tensor, " R"]) -> None:
        """Follow rows to their value of the control parameter, instead of relaxing them.

        Args:
            origin: c at which rows are minima; NaN of rows that relax.
        """
        self.rows["origin"] = origin.to(self.theta)

    def ending(self, row: int) -> Ending:
        """Return what a row that was followed has met.

        Args:
            row: its number.
        """
        kind = KINDS[int(self.rows["end.kind"][row])]
        control, bound, error = (
            float(self.rows[f"end.{name}"][row]) for name in ("control", "bound", "error")
        )
        ended = kind in (Kind.FOLD, Kind.PITCHFORK)
        onwards = self.rows["end.onwards"][row].clone() if ended else None
        passed, reason = tuple(self.rows["pitchforks"][row]), self.rows["reasons"][row]
        return Ending(str(kind), control, bound, error, onwards, passed, reason)

    def _block(self) -> None:
        rows = (self.active & self.rows["origin"].isfinite()).nonzero().squeeze(-1)
        if len(rows):
            self._follow(rows)
        super()._block()

    def _follow(self, rows: Int[Tensor, " A"]) -> None:
        state = self.rows
        found = locate(
            _OfRows(lambda some: self._watched(self._kept(rows[some]))),
            self.theta[rows].detach(),
            state["origin"][rows],
            state["control"][rows],
            squared_norm
            if self.objective.penalty is l2
            else _OfRows(lambda some: self._watched(self.objective.of(rows[some]).penalised)),
        )
        kinds = torch.tensor([KINDS.index(kind) for kind in found.kind], device=rows.device)
        sound = kinds != KINDS.index(Kind.LOST)
        self.theta[rows[sound]] = found.theta[sound]
        theta = self.theta[rows].detach()
        met = {
            "kind": kinds,
            "control": found.value,
            "bound": found.bound,
            "error": self.objective.of(rows).error(theta),
            "onwards": theta + _kick(found, theta),
        }
        for name, value in met.items():
            there = state.setdefault(f"end.{name}", value.new_zeros(len(self.theta), *value.shape[1:]))
            there[rows] = value
        for row, reason, passed in zip(rows.tolist(), found.reason, found.passed, strict=True):
            state["reasons"][row] = reason
            state["pitchforks"][row] = tuple(each.point.control for each in passed)
        state["steps"][rows] += found.cost.round().long()
        state["grad_max"][rows] = found.grad_max.nan_to_num(torch.inf)
        state["minimum"][rows] = kinds == KINDS.index(Kind.NONE)
        state["phase"][rows] = Phase.DONE

    def _kept(self, rows: Int[Tensor, " A"]) -> RowFunction:
        """E and what the penalties that are held add to it."""
        return self.objective.of(rows).at(self.theta.new_zeros(len(rows)))


class _OfRows:
    """A function of rows that have data of their own.

    Args:
        make: Returns the function of some rows, by their numbers.
    """

    def __init__(self, make: Callable[[Tensor], RowFunction]) -> None:
        self.of = make

    def __call__(self, theta: Float[Tensor, "A n"]) -> Float[Tensor, " A"]:
        return self.of(torch.arange(len(theta), device=theta.device))(theta)


def _kick(found: Spinodal, theta: Float[Tensor, "A n"]) -> Float[Tensor, "A n"]:
    """Return steps along the modes: onwards at a fold; at a pitchfork either side is as good, and one is chosen."""
    mode = found.mode.nan_to_num(0.0)
    largest = mode.gather(-1, mode.abs().argmax(-1, keepdim=True))
    either = torch.tensor([kind is not Kind.FOLD for kind in found.kind], device=theta.device)[:, None]
    turned = torch.where(either & (largest < 0), -mode, mode)
    length: Tensor = (KICK[0] * theta.norm(dim=-1, keepdim=True)).clamp(min=KICK[1])
    return length * turned
