"""Replicas that start in a phase, put together from what theory says of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

from spinodal import theory
from spinodal.ensemble import Ensemble
from spinodal.errors import UserError
from spinodal.networks import MLP
from spinodal.protocols import Trajectory
from spinodal.tasks import Task


@torch.no_grad()
def put_in_phase(ensemble: Ensemble, tasks: Sequence[Task], trajectories: Sequence[Trajectory]) -> None:
    """Gives replicas the parameters of the phase that they are to be held in.

    Args:
        ensemble: one replica per trajectory.
        tasks: what they learn, each replica its own or all the same.
        trajectories: those without a hold, or with one in no phase named, are left as they are.

    Raises:
        UserError: if there is no such phase at λ, or it is not known for this network.
    """
    made: dict[tuple[int, int, float], Tensor] = {}
    for row, (task, trajectory) in enumerate(zip(tasks, trajectories, strict=True)):
        if trajectory.hold is None or trajectory.hold.phase is None:
            continue
        phase, l2 = trajectory.hold.phase, trajectory.path[-1]
        key = id(task), phase, l2
        if key not in made:
            made[key] = phase_parameters(ensemble, task, phase, l2)
        ensemble.theta[row] = made[key].to(ensemble.theta)


def phase_parameters(ensemble: Ensemble, task: Task, phase: int, l2: float) -> Float64[Tensor, " n"]:
    """θ of phase m at λ: neuron p of every hidden layer carries feature p; θ = 0 for m = 0, whatever the network.

    Exact where the task's features decouple.

    Raises:
        UserError: as `put_in_phase`.
    """
    theta = torch.zeros(ensemble.theta.shape[-1], dtype=torch.float64)
    if phase == 0:
        return theta
    features = len(task.strengths)
    if phase > features:
        raise UserError(f"protocol.phase={phase}: must be at most the {features} features")
    network = theory.scope({**facts_of(ensemble, task), "alive": phase})
    if isinstance(network, str):
        raise UserError(
            f"protocol.phase={phase}: must be 0, or null to start where a fresh initialisation relaxes to: {network}"
        )
    state = theory.phases(l2, network.strengths, network.depth, network.variances)[phase]
    if not state.minimum[0]:
        raise UserError(f"protocol.phase={phase}: there is no such phase at l2={l2:g}")
    weights = ensemble.named_parameters_of(theta)
    for p, k in enumerate(state.alive[0].nonzero()[0].tolist()):
        a = float(state.amplitudes[0, k]) ** (1 / network.depth)
        for level in range(network.depth):
            weight = weights[f"layers.{level}.weight"]
            output = task.output_directions[k] if level == network.depth - 1 else _unit(weight.shape[0], p)
            inputs = task.input_directions[k] if level == 0 else _unit(weight.shape[1], p)
            weight += a * torch.outer(output.cpu(), inputs.cpu())
    return theta


def facts_of(ensemble: Ensemble, task: Task) -> dict[str, Any]:
    """Return what decides whether the theory applies to an ensemble and its task."""
    network, trainable = ensemble.network, ensemble.frozen is None
    kind = type(network).__qualname__ if trainable else "networks with frozen parameters"
    return {
        "task": task.name,
        "error_name": task.error_name,
        "strengths": task.strengths.cpu().numpy(),
        "variances": task.variances.cpu().numpy(),
        **task.sizes,
        **(network.settings if trainable and isinstance(network, MLP) else {"network": kind}),
    }


def _unit(size: int, place: int) -> Float64[Tensor, " h"]:
    unit = torch.zeros(size, dtype=torch.float64)
    unit[place] = 1
    return unit
