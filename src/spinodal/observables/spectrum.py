"""The spectrum of the Hessian along a branch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float64
from rich.console import Console
from torch import Tensor

from spinodal.geometry import (
    RESPONSE,
    extreme_eigenvalues,
    hessian,
    linearise_gradient,
    negative_modes,
    rows_at_once,
    soft_mode,
    zero_modes,
)
from spinodal.geometry.derivatives import RowFunction, RowOperator
from spinodal.observables.measurement import (
    StageMeasurement,
    error_of,
    in_parts,
    loss_of,
    measured_rows,
)
from spinodal.training import EnsembleModule
from spinodal.training.randomness import standard_normal

_CONVERGED = 1e-3
"""An eigenvalue is known if its residual is below this fraction of the largest."""

_BYTES = 2**28
"""Memory for Hessians."""


class Spectrum(StageMeasurement):
    """Measures the extreme eigenvalues of ∇²E, the soft mode of ∇²𝓛, and how many of its modes are no minimum's.

    Args:
        full_up_to: parameters up to which all eigenvalues are computed; beyond, only the extremes, by Lanczos, and
            zero and negative modes are not counted.
        every: this many stages.
        console: where it says what it cost.
    """

    column = "hessian_max"

    def __init__(self, full_up_to: int = 600, every: int = 1, console: Console | None = None) -> None:
        super().__init__(every, console)
        self.full_up_to = full_up_to

    def measure(
        self,
        module: EnsembleModule,
        error: RowFunction,
        theta: Float64[Tensor, "A n"],
        control: Float64[Tensor, " A"],
        seeds: list[int],
    ) -> dict[str, Any]:
        """The columns of the spectrum."""
        rows = measured_rows(module)
        return in_parts(
            lambda part: self._measure(module, rows[part], theta[part], control[part], seeds[part]),
            len(rows),
            rows_at_once(theta.shape[-1], RESPONSE),
        )

    def _measure(
        self,
        module: EnsembleModule,
        rows: list[int],
        theta: Float64[Tensor, "A n"],
        control: Float64[Tensor, " A"],
        seeds: list[int],
    ) -> dict[str, Any]:
        objective = module.objective.of(rows)
        _, _, product = linearise_gradient(error_of(module, rows), theta)
        shift, push = objective.shift(control), objective.penalty_and_gradient(theta)[1]
        if shift is None:
            _, _, of_loss = linearise_gradient(loss_of(module, rows), theta)
        else:

            def of_loss(vectors: Tensor) -> Tensor:
                return product(vectors) + shift[:, None] * vectors

        soft = soft_mode(of_loss, push)
        columns = {"soft_mode": soft.value, "soft_mode_residual": soft.residual}
        unlearned = push.abs().amax(-1) < 2 * module.settings.tolerance / control
        # ∇P = 0 up to the tolerance: what is left of it points nowhere.
        columns = {name: torch.where(unlearned, torch.nan, value) for name, value in columns.items()}
        if theta.shape[-1] <= self.full_up_to:
            of_error = _eigenvalues(partial(error_of, module), rows, theta)
            if shift is None:
                eigenvalues = _eigenvalues(partial(loss_of, module), rows, theta)
            else:
                eigenvalues = of_error + shift[:, None]
            return columns | {
                "hessian_min": of_error[:, 0],
                "hessian_max": of_error[:, -1],
                "loss_hessian_min": eigenvalues[:, 0],
                "loss_hessian_max": eigenvalues[:, -1],
                "zero_modes": zero_modes(eigenvalues),
                "negative_modes": negative_modes(eigenvalues),
            }
        start = torch.stack(
            [
                standard_normal(theta.shape[-1], "spectrum", seed, module.relaxation.stage).to(theta)
                for seed in seeds
            ]
        )
        smallest, largest = _extremes(product, start)
        columns |= {"hessian_min": smallest, "hessian_max": largest}
        if shift is None:
            smallest, largest = _extremes(of_loss, start)
        else:
            smallest, largest = smallest + shift, largest + shift
        return columns | {"loss_hessian_min": smallest, "loss_hessian_max": largest}


def _extremes(product: RowOperator, start: Float64[Tensor, "A n"]) -> tuple[Tensor, Tensor]:
    """The smallest eigenvalue, NaN where it has not converged, and the largest."""
    ends = extreme_eigenvalues(product, start)
    known = ends.residual <= _CONVERGED * ends.largest.abs()
    return torch.where(known, ends.smallest, torch.nan), ends.largest


def _eigenvalues(
    function_of: Callable[[list[int]], RowFunction], rows: list[int], theta: Float64[Tensor, "A n"]
) -> Float64[Tensor, "A n"]:
    """All eigenvalues of the Hessians of rows, as many rows at once as memory has room for."""
    at_once = max(1, _BYTES // (8 * theta.shape[-1] ** 2))
    parts = [slice(first, first + at_once) for first in range(0, len(rows), at_once)]
    return torch.cat([torch.linalg.eigvalsh(hessian(function_of(rows[part]), theta[part])) for part in parts])
