"""From a checked plan to what theory predicts for it: the task is built and measured, nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from omegaconf import DictConfig, OmegaConf

from spinodal import theory
from spinodal.building.networks import build_task
from spinodal.campaign import control
from spinodal.errors import UserError
from spinodal.planning import Cell, console, fitted
from spinodal.report.prediction import Prediction, name_of, tell
from spinodal.tasks import Task

MEASURED = "`spinodal report` predicts from soft_mode² measured along the branch (callbacks=spectrum)"
"""What there is where no closed form is."""


def main(plan: DictConfig, lines: Sequence[str] = ()) -> int:
    """Tell where the transitions of a plan's task must be, and draw its phase diagram.

    The figure is put into the folder `prediction` of the campaign, as PNG and as PDF.

    Args:
        plan: as `spinodal.planning.validate` returns it.
        lines: overrides that were given for it.

    Returns:
        Exit code 0, also for a network out of the theory's reach, which is said.

    Raises:
        BuildError: If the task cannot be built.
        UserError: If it does not take what it is given.
        OSError: If the folder cannot be written to.
    """
    config = cast(dict[str, Any], OmegaConf.to_container(plan))
    (cell,), notes = fitted([Cell({"data": config["data"]}, tuple(lines))], ["data"])
    for note in notes:
        console().print(note, soft_wrap=True, markup=False)
    task = build_task(OmegaConf.create({"data": cell.plan["data"]}))
    if not task.has_features:
        raise UserError(
            f"data {task.name}: {task.remark or 'no input correlates with the targets: no strengths'}"
        )
    facts = facts_of(plan, task)
    others = control.besides(config)
    network = f"no closed form with {others}, only for L2 alone" if others else theory.scope(facts)
    prediction = Prediction(
        name=name_of(facts, task.complexity),
        strengths=facts["strengths"],
        variances=facts["variances"],
        zero_error=float(task.error(task.targets * 0, task.targets)),
        network=None if isinstance(network, str) else network,
    )
    if isinstance(network, str):
        notes = [f"{network}; {MEASURED}", *([] if others else _onset(facts))]
    else:
        notes = [_exactness(network, facts["turning"]), *_left_out(network.spinodals, control.values(config))]
    if task.remark:
        notes.append(task.remark)
    found = len(prediction.strengths)
    if found != task.complexity:
        notes.append(f"{found} features are measured on data of complexity {task.complexity}")
    tell(prediction, notes, Path(plan.paths.campaign) / "prediction")
    return 0


def facts_of(plan: DictConfig, task: Task) -> dict[str, Any]:
    """Return what decides whether the theory applies to a plan and its task: as the records will have it."""
    return {
        "task": task.name,
        "error_name": task.error_name,
        **{name: plan.model.get(name) for name in ("activation", "bias", "depth", "width")},
        "strengths": task.strengths.numpy(),
        "variances": task.variances.numpy(),
        "noise": plan.data.get("noise") or 0.0,
        **task.sizes,
        "network": None if plan.model._target_ == "spinodal.networks.MLP" else plan.model._target_,
        "turning": turning(task),
    }


def turning(task: Task) -> float:
    """How far Σ_xx is from commuting with Σ_yxᵀΣ_yx: max_k ‖Σ_xx v_k − σ_k v_k‖/σ_k over the input directions.

    0 if every feature lies along an eigenvector of the input covariance, as in whitened inputs.
    """
    directions = task.input_directions
    inputs = task.flat_inputs
    images = inputs.T @ (inputs @ directions.T) / task.samples
    off = images - directions.T * task.variances
    return float((off.norm(dim=0) / task.variances).max())


def _exactness(network: theory.DeepLinear, turned: float) -> str:
    if network.exact:
        return "exact: Σ_xx commutes with Σ_yxᵀΣ_yx"
    return (
        "estimate: Σ_xx does not commute with Σ_yxᵀΣ_yx "
        f"(‖Σ_xx v − σv‖ up to {turned:.2g} σ along the features' input directions v)"
    )


def _onset(facts: Mapping[str, Any]) -> list[str]:
    """What is exact of a linear network with one hidden layer whatever the convex error: where θ = 0 takes over."""
    network = theory.scope({**facts, "error_name": "squared"})
    if isinstance(network, str) or network.depth > 2:
        return []
    return [
        f"its onset of learning is exact all the same: second order, λ = c₁/2 = {network.spinodals[0]:.6g}"
    ]


def _left_out(spinodals: np.ndarray, l2: list[float]) -> list[str]:
    """Transitions that a run of the same plan would not see."""
    outside = [at for at in sorted(spinodals) if not min(l2) < at < max(l2)]
    if not outside:
        return []
    given = f"{min(l2):g}" if len(l2) == 1 else f"{min(l2):g} … {max(l2):g}"
    return [f"outside of l2 = {given}: λ_sp = {', '.join(f'{at:.4g}' for at in outside)}"]
