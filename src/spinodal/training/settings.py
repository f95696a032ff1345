"""When a replica counts as relaxed: the settings of a relaxation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spinodal.ensemble import Objective


@dataclass(frozen=True)
class RelaxationSettings:
    """When a replica counts as relaxed, and what it may cost.

    Attributes:
        tolerance: stationary means max |∇𝓛| ≤ tolerance.
        handoff: max |∇𝓛| at which the polish takes over from the descent.
        max_steps: gradient-equivalents a replica may spend on a stage (a Hessian-vector product counts two).
        polish: Newton steps after the descent; without, the descent alone has to arrive.
        descent_dtype: "float64", or "float32" for a cheaper descent; polish and inspection are always in θ's own.
        block: descent steps in one training step of Lightning.
        flatness: a minimum has λ_min(∇²𝓛) > −flatness·λ_max.
        smooth: whether 𝓛 has a gradient everywhere. Where it has not (ReLU), minima lie on kinks: a row then counts
            as stationary when 𝓛 no longer falls, by more than the fraction `fall` in `patience` blocks of descent.
        flow: None, or of a survey: a row is at rest where max |∇𝓛| ≤ flow·E₀, E₀ the error of the zero function. It
            is neither polished nor inspected there, unless it is to be relaxed exactly.
    """

    tolerance: float = 1e-8
    handoff: float = 1e-4
    max_steps: int = 100_000
    polish: bool = True
    descent_dtype: str = "float64"
    block: int = 50
    flatness: float = 1e-6
    smooth: bool = True
    fall: float = 1e-6
    patience: int = 20
    flow: float | None = None

    @classmethod
    def of(cls, configured: Mapping[str, Any], objective: Objective) -> RelaxationSettings:
        """Return the settings that a configuration asks for.

        Args:
            configured: by name; without a value for `smooth` that is as the operations of the networks show.
            objective: of the networks.
        """
        smooth = configured.get("smooth")
        return cls(**{**configured, "smooth": objective.smooth if smooth is None else smooth})
