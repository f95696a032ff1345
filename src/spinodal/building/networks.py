"""Tasks and the ensembles that learn them, as a plan names them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from omegaconf import DictConfig
from torch import nn

from spinodal.building.made import BuildError, made
from spinodal.ensemble import Ensemble, check_network
from spinodal.errors import UserError
from spinodal.planning.explain import place
from spinodal.protocols import EXACT
from spinodal.signatures import accepted, located, names
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


def network_maker(plan: DictConfig, task: Task, init_scale: float | None = None) -> Callable[[], nn.Module]:
    """Make a function that builds one network of a plan, from the numbers of torch's global generator.

    Args:
        plan: as of `spinodal.planning.validate`.
        task: what the network is to learn.
        init_scale: instead of the plan's own.

    Returns:
        A function without arguments; it raises a BuildError if there is no such network.

    Raises:
        BuildError: If its `_target_` cannot be imported.
    """
    own: dict[str, Any] = {} if init_scale is None else {"init_scale": init_scale}
    try:
        sizes = accepted(plan.model._target_, task.sizes)
    except UserError as error:
        raise BuildError(f"model.{error}") from error
    if names(located(plan.model._target_), "input_shape"):
        own["input_shape"] = list(task.inputs.shape[1:])
    return partial(made, plan.model, nn.Module, **sizes, **own)


def build_ensemble(
    plan: DictConfig, task: Task, seeds: Sequence[int], scales: Sequence[float | None] | None = None
) -> Ensemble:
    """Build an ensemble, and check its first network on a few samples.

    Args:
        plan: as of `spinodal.planning.validate`.
        task: what its networks learn, or one of equal shapes.
        seeds: one per replica [R].
        scales: of initial values, one per replica [R], instead of the plan's own.

    Raises:
        BuildError: If no ensemble can be made of such networks, or they cannot be trained on the task.
    """
    scales = [None] * len(seeds) if scales is None else scales
    makers = {scale: network_maker(plan, task, scale) for scale in scales}
    try:
        ensemble = Ensemble([makers[scale] for scale in scales], seeds)
        if task.inputs.is_meta:  # shapes are all there is
            outputs = ensemble.outputs(ensemble.theta[:1], task.inputs[:FEW])[0]
            assert outputs.shape == task.targets[:FEW].shape
        else:
            check_network(ensemble, task)
    except BuildError:
        raise
    except UserError as error:
        where = place(error.__cause__) if error.__cause__ else ""
        raise BuildError(f"{error}{where}", shared=False) from error  # it may depend on the seed
    return ensemble


def refuse_kinks(smooth: bool) -> None:
    """Refuse to follow the minima of an objective with kinks.

    Args:
        smooth: Whether 𝓛 has a Hessian everywhere.

    Raises:
        BuildError: If it has not.
    """
    if not smooth:
        raise BuildError(
            f"protocol.refine={EXACT}: must be an integer, since 𝓛 has kinks (ReLU, maxima), and minima are followed "
            "by their Hessian"
        )
