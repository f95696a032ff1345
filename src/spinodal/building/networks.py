"""Tasks and the ensembles that learn them, as a plan names them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from omegaconf import DictConfig
from torch import nn

from spinodal.building.made import BuildError, made
from spinodal.ensemble import Ensemble
from spinodal.errors import UserError
from spinodal.planning.explain import raised
from spinodal.tasks import Task

FEW = 2
"""Samples on which a new network is evaluated once."""


def build_task(plan: DictConfig, complexity: int | None = None) -> Task:
    """Build the task of a plan.

    Args:
        plan: as of `spinodal.planning.validate`.
        complexity: instead of the plan's own.

    Raises:
        BuildError: If it cannot be built, or is none.
    """
    return made(plan.data, Task, **({} if complexity is None else {"complexity": complexity}))


def dimensions(task: Task) -> dict[str, int]:
    """Name the sizes of a task that a network is made for."""
    return {"input_dim": task.inputs.shape[-1], "output_dim": task.targets.shape[-1]}


def network_maker(plan: DictConfig, task: Task, init_scale: float | None = None) -> Callable[[], nn.Module]:
    """Make a function that builds one network of a plan, from the numbers of torch's global generator.

    Args:
        plan: as of `spinodal.planning.validate`.
        task: what the network is to learn.
        init_scale: instead of the plan's own.

    Returns:
        A function without arguments; it raises a BuildError if there is no such network.
    """
    own = {} if init_scale is None else {"init_scale": init_scale}
    return partial(made, plan.model, nn.Module, **dimensions(task), **own)


def build_ensemble(
    plan: DictConfig, task: Task, seeds: Sequence[int], scales: Sequence[float | None] | None = None
) -> Ensemble:
    """Build an ensemble, and evaluate its first network on a few samples.

    Args:
        plan: as of `spinodal.planning.validate`.
        task: what its networks learn, or one of equal shapes.
        seeds: one per replica [R].
        scales: of initial values, one per replica [R], instead of the plan's own.

    Raises:
        BuildError: If no ensemble can be made of such networks, or their outputs have another shape than the targets.
    """
    scales = [None] * len(seeds) if scales is None else scales
    makers = {scale: network_maker(plan, task, scale) for scale in scales}
    inputs, targets = task.inputs[:FEW], task.targets[:FEW]
    name = str(plan.model.get("_target_"))
    try:
        ensemble = Ensemble([makers[scale] for scale in scales], seeds)
        with torch.no_grad():
            outputs = ensemble.outputs(ensemble.theta[:1], inputs)[0]
    except UserError as error:
        raise BuildError(str(error), shared=False) from error  # it may depend on the seed
    except Exception as error:  # whatever somebody's own code raises
        given = f", given inputs of shape {list(inputs.shape)}"
        raise BuildError(raised("model", name, error) + given, shared=False) from error
    if outputs.shape != targets.shape:
        raise BuildError(
            f"model: {name} answers inputs of shape {list(inputs.shape)} by outputs of shape {list(outputs.shape)}: "
            f"must be {list(targets.shape)}, as the targets"
        )
    return ensemble
