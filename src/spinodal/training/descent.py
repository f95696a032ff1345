"""Rules of descent: how the rows of an ensemble follow −∇𝓛 into their basins.

Every rule acts on each row separately, with a state of its own per row: what happens to a replica does not depend
on its neighbours, and rows may come and go. λ‖θ‖² is in 𝓛, never in a decoupled decay.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

Evaluate = Callable[[Tensor], tuple[Tensor, Tensor]]
"""θ [A, n] → (𝓛 [A], ∇𝓛 [A, n])."""

State = dict[str, Tensor]
"""What a rule remembers, by name; each tensor has one row per replica. Step lengths are "lr" [A, 1]."""


@dataclass
class Position:
    """Where A rows are: θ [A, n], 𝓛 [A] and ∇𝓛 [A, n] there."""

    theta: Float[Tensor, "A n"]
    loss: Float[Tensor, " A"]
    gradient: Float[Tensor, "A n"]


class DescentRule(ABC):
    """One rule of descent."""

    @abstractmethod
    def start(self, theta: Tensor) -> State:
        """The state of rows about to start [A, …]."""

    def on_kinks(self) -> DescentRule:
        """The rule to follow where 𝓛 has kinks (ReLU)."""
        return self

    @abstractmethod
    def step(self, position: Position, state: State, evaluate: Evaluate) -> Position:
        """One step of every row; updates `state` in place. Costs one evaluation."""


@dataclass(frozen=True)
class GradientDescent(DescentRule):
    """Gradient descent whose step length is controlled per replica: a discrete gradient flow.

    A step from θ to θ − ηg is taken only if it does not pass the minimum along its own line (g'·g ≥ 0 at its end)
    and 𝓛 does not rise; else it is refused and η halved. η grows by a tenth with every step taken. So no step
    crosses a valley, and a barrier, however low, turns the row back as it turns back the flow: with momentum or
    long steps a branch is left 6–20 % before its spinodal.

    Attributes:
        lr: η of a stage's first step.
    """

    lr: float = 0.1

    def on_kinks(self) -> DescentRule:
        """A rule that does not insist on a falling 𝓛."""
        return SubgradientDescent(self.lr)

    def start(self, theta: Tensor) -> State:
        """The state of rows about to start."""
        return {"lr": theta.new_full((len(theta), 1), self.lr)}

    def step(self, position: Position, state: State, evaluate: Evaluate) -> Position:
        """One step of every row."""
        theta = position.theta - state["lr"] * position.gradient
        loss, gradient = evaluate(theta)
        forward = (gradient * position.gradient).sum(-1) >= 0
        # 𝓛 is compared up to rounding; NaN and inf compare false and are refused.
        rounding = 50 * torch.finfo(loss.dtype).eps * position.loss.abs()
        taken = (forward & (loss <= position.loss + rounding))[:, None]
        state["lr"] *= torch.where(taken, 1.1, 0.5)
        return Position(
            torch.where(taken, theta, position.theta),
            torch.where(taken[:, 0], loss, position.loss),
            torch.where(taken, gradient, position.gradient),
        )


@dataclass(frozen=True)
class SubgradientDescent(DescentRule):
    """What `GradientDescent` becomes where 𝓛 has kinks.

    Along a kink every descent that insists on a falling 𝓛 soon stands still, far from a minimum. Here a step is
    taken if 𝓛 stays below the highest of the last `memory` values (Grippo, Lampariello & Lucidi, SIAM J. Numer.
    Anal. 23, 707 (1986)), so that the row can cross the kink to and fro while it slides along.

    Attributes:
        lr: step length at the start of a stage.
        shortest: step length below which it is not halved.
        memory: how many values of 𝓛 are remembered.
    """

    lr: float = 0.1
    shortest: float = 1e-4
    memory: int = 20

    def start(self, theta: Tensor) -> State:
        """The state of rows about to start."""
        return {
            "lr": theta.new_full((len(theta), 1), self.lr),
            "recent": theta.new_full((len(theta), self.memory), torch.nan),
        }

    def step(self, position: Position, state: State, evaluate: Evaluate) -> Position:
        """One step of every row."""
        recent = torch.where(state["recent"].isnan(), position.loss[:, None], state["recent"])
        theta = position.theta - state["lr"] * position.gradient
        loss, gradient = evaluate(theta)
        taken = (loss <= recent.amax(-1))[:, None]
        state["lr"] *= torch.where(taken, 1.1, 0.5)
        state["lr"].clamp_(self.shortest, 1.0)
        state["recent"] = torch.where(taken, torch.cat([recent[:, 1:], loss[:, None]], -1), recent)
        return Position(
            torch.where(taken, theta, position.theta),
            torch.where(taken[:, 0], loss, position.loss),
            torch.where(taken, gradient, position.gradient),
        )


@dataclass(frozen=True)
class SGD(DescentRule):
    """Gradient descent with a constant step and, if wanted, heavy-ball momentum (which leaves branches early).

    Attributes:
        lr: step length.
        momentum: 0 ≤ momentum < 1.
    """

    lr: float = 0.01
    momentum: float = 0.0

    def start(self, theta: Tensor) -> State:
        """The state of rows about to start."""
        return {"lr": theta.new_full((len(theta), 1), self.lr), "velocity": torch.zeros_like(theta)}

    def step(self, position: Position, state: State, evaluate: Evaluate) -> Position:
        """One step of every row."""
        state["velocity"].mul_(self.momentum).add_(position.gradient)
        theta = position.theta - state["lr"] * state["velocity"]
        return Position(theta, *evaluate(theta))


@dataclass(frozen=True)
class Adam(DescentRule):
    """Adam (Kingma & Ba, arXiv 1412.6980, algorithm 1) on 𝓛, L2 term included: not AdamW.

    Attributes:
        lr: step length; 0.01 leaves branches early, 0.001 brackets their spinodals (to be checked, not trusted).
        betas: decay rates of the two moments.
        eps: added to the denominator.
    """

    lr: float = 1e-3
    betas: Sequence[float] = (0.9, 0.999)
    eps: float = 1e-8

    def start(self, theta: Tensor) -> State:
        """The state of rows about to start."""
        return {
            "lr": theta.new_full((len(theta), 1), self.lr),
            "count": theta.new_zeros(len(theta), 1),
            "first": torch.zeros_like(theta),
            "second": torch.zeros_like(theta),
        }

    def step(self, position: Position, state: State, evaluate: Evaluate) -> Position:
        """One step of every row."""
        b1, b2 = self.betas
        state["count"] += 1
        state["first"].mul_(b1).add_(position.gradient, alpha=1 - b1)
        state["second"].mul_(b2).addcmul_(position.gradient, position.gradient, value=1 - b2)
        first = state["first"] / (1 - b1 ** state["count"])
        second = state["second"] / (1 - b2 ** state["count"])
        theta = position.theta - state["lr"] * first / (second.sqrt() + self.eps)
        return Position(theta, *evaluate(theta))
