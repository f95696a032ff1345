"""Scalar curvature of the error surface along a branch."""

from __future__ import annotations

from typing import Any, Literal

from jaxtyping import Float64
from rich.console import Console
from torch import Tensor

from spinodal.geometry import rows_at_once, scalar_curvature
from spinodal.geometry.curvature import Method
from spinodal.geometry.derivatives import RowFunction
from spinodal.geometry.pieces import largest_deflation
from spinodal.observables.measurement import (
    StageMeasurement,
    error_of,
    in_parts,
    loss_of,
    measured_rows,
)
from spinodal.training import EnsembleModule
from spinodal.training.randomness import generator

_BYTES = 2**29
"""Memory for the deflation."""


class Curvature(StageMeasurement):
    """Measures the scalar curvature of every replica at the end of each stage, with its error and its pieces.

    Args:
        surface: whose curvature, E's (as in the papers) or 𝓛's.
        method: exact, stochastic or auto.
        probes: budget of the stochastic method in Hessian-vector products.
        relative_error: at which it stops before.
        every: this many stages.
        console: where it says what it cost.
    """

    column = "scalar_curvature"

    def __init__(
        self,
        surface: Literal["error", "loss"] = "error",
        method: Method = "auto",
        probes: int = 200,
        relative_error: float = 0.02,
        every: int = 1,
        console: Console | None = None,
    ) -> None:
        super().__init__(every, console)
        self.surface, self.method = surface, method
        self.probes, self.relative_error = probes, relative_error

    def measure(
        self,
        module: EnsembleModule,
        error: RowFunction,
        theta: Float64[Tensor, "A n"],
        control: Float64[Tensor, " A"],
        seeds: list[int],
    ) -> dict[str, Any]:
        """The columns of curvature."""
        rows, dimensions = measured_rows(module), largest_deflation(self.probes)
        return in_parts(
            lambda part: self._measure(module, rows[part], theta[part], seeds[part]),
            len(rows),
            rows_at_once(theta.shape[-1], dimensions, _BYTES),
        )

    def _measure(
        self, module: EnsembleModule, rows: list[int], theta: Float64[Tensor, "A n"], seeds: list[int]
    ) -> dict[str, Any]:
        surface_of = error_of if self.surface == "error" else loss_of
        found = scalar_curvature(
            surface_of(module, rows),
            theta,
            method=self.method,
            probes=self.probes,
            relative_error=self.relative_error,
            generator=[generator("curvature", seed, module.relaxation.stage) for seed in seeds],
            max_bytes=_BYTES,
        )
        method = found.method
        method += "" if found.smooth else ", on a smooth piece"
        method += ", surface of 𝓛" if self.surface == "loss" else ""
        return {
            "scalar_curvature": found.value,
            "scalar_curvature_se": found.standard_error,
            "trace_hessian": found.trace.value,
            "trace_hessian_se": found.trace.standard_error,
            "frobenius_hessian": found.frobenius_squared.value,
            "frobenius_hessian_se": found.frobenius_squared.standard_error,
            "gradient_squared": found.gradient_squared,
            "gradient_hessian_gradient": found.gradient_hessian_gradient,
            "hessian_gradient_squared": found.hessian_gradient_squared,
            "curvature_method": method,
        }
