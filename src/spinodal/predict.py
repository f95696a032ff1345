"""From a checked plan to what theory predicts for it: the task is built and measured, nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, OmegaConf

from spinodal.building.networks import build_task
from spinodal.planning import Cell, console, fitted
from spinodal.report.prediction import Prediction, name_of, tell
from spinodal.tasks import CENTRED, UNCENTRED, Task

COMMUTING = 1e-9
"""Features whose input directions Σ_xx turns by less than this are its eigenvectors."""

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
    (cell,), notes = fitted([Cell({"data": OmegaConf.to_container(plan.data)}, tuple(lines))], ["data"])
    for note in notes:
        console().print(note, soft_wrap=True, markup=False)
    task = build_task(OmegaConf.create({"data": cell.plan["data"]}))
    reasons = out_of_reach(plan.model, task)
    turned = turning(task)
    model = plan.model
    prediction = Prediction(
        name=name_of(
            task.name,
            task.complexity,
            model.get("activation"),
            model.get("depth"),
            model.get("width"),
            model.get("bias"),
        ),
        strengths=task.strengths.numpy(),
        variances=task.variances.numpy(),
        zero_error=float(task.error(task.targets * 0, task.targets)),
        depth=None if reasons else int(model.depth),
        exact=turned < COMMUTING,
    )
    if reasons:
        notes = [f"{'; '.join(reasons)}; {MEASURED}", *_onset(plan.model, task)]
    else:
        notes = [_exactness(turned), *_left_out(prediction.spinodals, list(plan.l2))]
    if task.off_centre > CENTRED:
        notes.append(UNCENTRED.format(task.off_centre))
    found = len(prediction.strengths)
    if found != task.complexity:
        notes.append(f"{found} features are measured on data of complexity {task.complexity}")
    tell(prediction, notes, Path(plan.paths.campaign) / "prediction")
    return 0


def out_of_reach(model: DictConfig, task: Task) -> list[str]:
    """Why the closed forms do not cover a network on a task; empty if they do.

    Args:
        model: the configuration of the network.
        task: what it learns.
    """
    if model.get("_target_") != "spinodal.networks.MLP":
        return [f"no closed form for {model.get('_target_')}"]
    features = len(task.strengths)
    told = {
        f"no closed form for {model.activation} networks": model.activation != "linear",
        "no closed form for networks with biases": model.bias,
        "one layer has no transitions": model.depth < 2,
        f"no closed form for {features} features in a network of width {model.width}": (
            model.depth > 1 and model.width < features
        ),
        f"no closed form for {task.error_name}": task.error_name != "squared",
    }
    return [reason for reason, holds in told.items() if holds]


def turning(task: Task) -> float:
    """How far Σ_xx is from commuting with Σ_yxᵀΣ_yx: max_k ‖Σ_xx v_k − σ_k v_k‖/σ_k over the input directions.

    0 if every feature lies along an eigenvector of the input covariance, as in whitened inputs.
    """
    directions = task.input_directions
    inputs = task.flat_inputs
    images = inputs.T @ (inputs @ directions.T) / task.samples
    off = images - directions.T * task.variances
    return float((off.norm(dim=0) / task.variances).max())


def _exactness(turned: float) -> str:
    if turned < COMMUTING:
        return "exact: Σ_xx commutes with Σ_yxᵀΣ_yx"
    return (
        "estimate: Σ_xx does not commute with Σ_yxᵀΣ_yx "
        f"(‖Σ_xx v − σv‖ up to {turned:.2g} σ along the features' input directions v)"
    )


def _onset(model: DictConfig, task: Task) -> list[str]:
    """What is exact of a linear network with one hidden layer whatever the convex error: where θ = 0 takes over."""
    if out_of_reach(model, task) == ["no closed form for cross_entropy"] and model.depth == 2:
        return [
            f"its onset of learning is exact all the same: second order, λ = c₁/2 = {task.strengths[0] / 2:.6g}"
        ]
    return []


def _left_out(spinodals: np.ndarray, l2: list[float]) -> list[str]:
    """Transitions that a run of the same plan would not see."""
    outside = [at for at in sorted(spinodals) if not min(l2) < at < max(l2)]
    if not outside:
        return []
    given = f"{min(l2):g}" if len(l2) == 1 else f"{min(l2):g} … {max(l2):g}"
    return [f"outside of l2 = {given}: λ_sp = {', '.join(f'{at:.4g}' for at in outside)}"]
