"""Penalties as a plan names them, and what each must be: a function of θ with two derivatives, one number a row."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple, cast

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from spinodal.building.made import BuildError, made
from spinodal.campaign import control
from spinodal.ensemble import Ensemble, Objective
from spinodal.errors import UserError, in_a_line
from spinodal.geometry import kinked, linearise_gradient, same
from spinodal.geometry.derivatives import RowFunction
from spinodal.penalties import Penalty
from spinodal.planning.explain import not_imported, place, raised
from spinodal.planning.memory import BLOCK
from spinodal.signatures import located
from spinodal.tasks import Task

HYDRAS = {"_target_", "_partial_", "_convert_", "_recursive_"}
"""Keys of a penalty that are none of its arguments."""


class Penalties(NamedTuple):
    """P, and penalties that are held, each after its coefficient: as `Objective` takes them."""

    penalty: Penalty
    held: tuple[tuple[float, Penalty], ...]


def penalties_of(plan: DictConfig) -> Penalties:
    """Build the penalties of a plan: that of the control parameter, and those that are held, by name.

    Args:
        plan: as of `spinodal.planning.validate`; without penalties it has those of before there was a choice.

    Raises:
        BuildError: If one cannot be imported, or does not take its arguments.
    """
    config = _plain(plan)
    built = {name: _built(name, node) for name, node in control.penalties(config).items()}
    held = tuple((value, built[name]) for name, value in control.held(config).items())
    return Penalties(built[control.name(config)], held)


def check_penalties(plan: DictConfig, ensemble: Ensemble, task: Task, unlearned: bool = False) -> None:
    """Evaluate the penalties of a plan as a job does, and refuse those that cannot be part of 𝓛; L2 is known.

    Args:
        plan: as of `spinodal.planning.validate`.
        ensemble: whose first network is looked at; on the meta device shapes are all there is.
        task: what it learns, not `stacked`.
        unlearned: whether replicas start at θ = 0, too.

    Raises:
        BuildError: A line for each that returns no number a row, couples rows, is not finite where replicas start,
            or is not twice differentiable there.
    """
    mistakes = []
    for name, node in control.penalties(_plain(plan)).items():
        if node == control.L2_PENALTY:
            continue
        penalty, few = _built(name, node), task.part(slice(BLOCK)).to(ensemble.theta.device)
        objective = Objective(ensemble, few, penalty=penalty).of([0, 0])
        try:
            _check(objective, ensemble.theta[[0, 0]].detach(), unlearned, plan)
        except UserError as error:
            mistakes.append(f"penalties.{name}: {node['_target_']} {error}")
        except Exception as error:  # whatever a user's function raises
            mistakes.append(raised(f"penalties.{name}", node["_target_"], error))
    if mistakes:
        raise BuildError("\n".join(mistakes))


def _check(objective: Objective, theta: Tensor, unlearned: bool, plan: DictConfig) -> None:
    value = partial(objective.penalty, objective)
    found = _numbers(value, theta)
    if theta.is_meta:
        return
    if not same(_numbers(value, torch.stack([theta[0], theta[1] / 2]))[:1], found[:1]):
        raise UserError("returned another number for a row of θ beside other rows: must treat each by itself")
    _check_derivatives(value, theta, "the initial θ")
    if unlearned:
        _check_derivatives(value, torch.zeros_like(theta), "θ = 0")
    if plan.relaxation.descent_dtype == "float32":
        _numbers(value, theta.float())
    if plan.protocol.get("noise") == "minibatch":
        batch = objective.drawn(torch.zeros(2, 1, dtype=torch.int64, device=theta.device))
        _numbers(partial(objective.penalty, batch), theta)
    if plan.relaxation.get("smooth") is None and kinked(value, theta) and not kinked(objective.error, theta):
        raise UserError(
            "has kinks, as |θ| has at 0: must be twice differentiable (with relaxation.smooth=true its author answers "
            "for it, with false replicas come to rest on kinks)"
        )


def _numbers(value: RowFunction, theta: Tensor) -> Tensor:
    """A penalty of two rows, if it is what it must be."""
    found: object = value(theta)
    wanted = f"must return one number a row, {theta.dtype} of shape [2] for 2 rows of θ"
    if not isinstance(found, Tensor):
        raise UserError(f"returned a {type(found).__name__}: {wanted}")
    if list(found.shape) != [2] or found.dtype != theta.dtype:
        raise UserError(f"returned {found.dtype} of shape {list(found.shape)}: {wanted}")
    return found


def _check_derivatives(value: RowFunction, rows: Tensor, where: str) -> None:
    here = value(rows)
    if not here.isfinite().all():
        raise UserError(f"returned {float(here[0]):g} at {where}: must be finite there")
    try:
        _, gradient, product = linearise_gradient(value, rows)
        second = product(torch.ones_like(rows))
    except Exception as error:
        reason = in_a_line(error)[:200]
        raise UserError(
            f"cannot be differentiated twice by autograd: {type(error).__name__}: {reason}{place(error)}"
        ) from error
    for order, found in (("first", gradient), ("second", second)):
        if not found.isfinite().all():
            raise UserError(
                f"has {order} derivatives that are not finite at {where}: must be twice differentiable there"
            )


def _built(name: str, node: Mapping[str, Any]) -> Penalty:
    key, target = f"penalties.{name}", str(node["_target_"])
    try:
        found = located(target)
    except UserError as error:
        raise BuildError(not_imported(key, target, error.__cause__ or error)) from error
    if node.keys() - HYDRAS:
        # Only then: a function itself keeps what it states of itself, as `hessian`.
        found = made(OmegaConf.create({key: dict(node)})[key], object, _partial_=True, _convert_="all")
    if not callable(found):
        raise BuildError(f"{key}: {target} is no function")
    return cast(Penalty, found)


def _plain(plan: DictConfig) -> dict[str, Any]:
    names = {*plan.get("penalties", {}), "control", "penalties"}
    parts = {name: plan[name] for name in names if name in plan}
    config = OmegaConf.to_container(OmegaConf.create(parts), resolve=True)
    return {**control.DEFAULTS, **cast(dict[str, Any], config)}
