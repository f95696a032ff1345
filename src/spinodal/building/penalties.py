"""Penalties as a plan names them, and what each must be: a function of θ with two derivatives, one number a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from spinodal.building.made import BuildError, made
from spinodal.campaign import control
from spinodal.ensemble import Ensemble, Objective
from spinodal.errors import UserError, in_a_line
from spinodal.geometry import kinked, linearise_gradient, same
from spinodal.penalties import Penalty
from spinodal.planning.explain import not_imported, place, raised
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
    """Evaluate the penalties of a plan, and refuse those that cannot be part of 𝓛; L2 is known.

    Args:
        plan: as of `penalties_of`.
        ensemble: of one network, or on the meta device, where shapes are all there is.
        task: what it learns.
        unlearned: whether replicas start at θ = 0, too.

    Raises:
        BuildError: A line for each that returns no number a row, couples rows, is not finite where replicas start,
            or is not twice differentiable.
    """
    config = _plain(plan)
    mistakes = []
    for name, node in control.penalties(config).items():
        if node == control.L2_PENALTY:
            continue
        penalty = _built(name, node)
        objective = Objective(ensemble, task.to(ensemble.theta.device), penalty=penalty).of([0, 0])
        try:
            _check(objective, ensemble.theta[[0, 0]].detach(), unlearned, plan)
        except UserError as error:
            mistakes.append(f"penalties.{name}: {node['_target_']} {error}")
        except Exception as error:  # whatever a user's function raises
            mistakes.append(raised(f"penalties.{name}", node["_target_"], error))
    if mistakes:
        raise BuildError("\n".join(mistakes))


def _check(objective: Objective, theta: Tensor, unlearned: bool, plan: DictConfig) -> None:
    penalty, first = objective.penalty, objective._blocks[0]

    def value(rows: Tensor) -> Tensor:
        return penalty(first, rows)

    found: object = value(theta)
    if not isinstance(found, Tensor) or list(found.shape) != [2]:
        shape = f"shape {list(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
        raise UserError(f"returned {shape} for 2 rows of θ: must return one number a row, of shape [2]")
    if theta.is_meta:
        return
    if found.dtype != theta.dtype:
        raise UserError(f"returned {found.dtype}: must return {theta.dtype}, as the parameters are")
    if not same(value(torch.stack([theta[0], theta[1] / 2]))[:1], found[:1]):
        raise UserError("returned another number for a row of θ beside other rows: must treat each by itself")
    for where, rows in {"the initial θ": theta, "θ = 0": theta * 0}.items():
        if where == "θ = 0" and not unlearned:
            continue
        here = value(rows)
        if not here.isfinite().all():
            raise UserError(f"returned {float(here[0]):g} at {where}: must be finite there")
        _check_derivatives(value, rows, where)
    smooth = plan.relaxation.get("smooth")
    if smooth is None and kinked(value, theta) and not kinked(first._error, theta):
        raise UserError(
            "has kinks, as |θ| has at 0: must be twice differentiable (with relaxation.smooth=true its author answers "
            "for it, with false replicas come to rest on kinks)"
        )


def _check_derivatives(value: Any, rows: Tensor, where: str) -> None:
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
