"""The penalty ‖θ‖², and what any other one has to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxtyping import Float
from torch import Tensor

Penalty = Callable[[Any, Tensor], Tensor]
"""(objective, θ [A, n]) → P [A]: twice differentiable in θ, each row by itself.

The first argument is the `Objective` of these rows, whose ensemble, task and error a penalty may use.
"""


def l2(objective: Any, theta: Float[Tensor, "A n"]) -> Float[Tensor, " A"]:
    """Compute P = ‖θ‖² (not half of it: an optimiser's `weight_decay` would be 2λ).

    Args:
        objective: Not used.
        theta: Parameters, one network a row.
    """
    return theta.square().sum(-1)


l2.hessian = 2.0  # type: ignore[attr-defined]


def symbol(penalty: Penalty) -> str:
    """Return how the coefficient of a penalty is written where it is the control parameter: λ, or c of any other."""
    return "λ" if penalty is l2 else "c"


def isotropic(penalty: Penalty) -> float | None:
    """Return h where ∇²P = h·1 everywhere, as a penalty's attribute `hessian` states it; None for any other penalty.

    Eigenvalues of ∇²𝓛 are then those of ∇²E, moved by c·h.
    """
    stated: float | None = getattr(penalty, "hessian", None)
    return stated
