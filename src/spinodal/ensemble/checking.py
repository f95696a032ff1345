"""What a network must be for its error to be a mean over samples, and a function of θ with two derivatives."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call

from spinodal.ensemble.ensemble import Ensemble, Stackable
from spinodal.ensemble.objective import Objective
from spinodal.errors import UserError, in_a_line
from spinodal.geometry import beside, check_deterministic, linearise_gradient, same
from spinodal.tasks import Task

SAMPLES = 8
"""So many are looked at."""


def check_network(ensemble: Ensemble, task: Task) -> None:
    """Evaluates one network of an ensemble on a few samples, and refuses what cannot be trained on the task.

    Args:
        ensemble: of the networks.
        task: what they learn, or what one of them does; not `stacked`.

    Raises:
        UserError: if a network cannot be evaluated or differentiated twice, its outputs do not fit the targets, it
            is random, its output for one sample depends on the others, or its `stacked` contradicts its `forward`.
    """
    name = f"model: {type(ensemble.network).__name__}"
    samples = _samples(task).to(ensemble.theta.device)
    theta = ensemble.theta[:1].detach()
    theta = theta + beside(theta)  # where a last layer starts at zero, nothing before it shows
    wanted = [len(samples), task.targets.shape[-1]]
    frozen = None if ensemble.frozen is None else ensemble.frozen[:1].to(theta.dtype)

    def evaluated(inputs: Tensor) -> Tensor:
        constants = {name: each[0].clone() for name, each in (frozen.stacked(1) if frozen else {}).items()}
        named = ensemble.named_parameters_of(theta[0]) | constants
        given = {name: each.clone() for name, each in constants.items()}
        outputs: object = functional_call(ensemble.network, named, (inputs,))
        if changed := [key for key, each in given.items() if not torch.equal(each, named[key])]:
            raise UserError(
                f"{name} changes its buffer {changed[0]} when it is evaluated: buffers must be constants, as "
                "tables and fixed filters are"
            )
        if not isinstance(outputs, Tensor):
            raise UserError(f"{name} returns a {type(outputs).__name__}: must be a tensor of shape {wanted}")
        return outputs

    def error(rows: Tensor) -> Tensor:
        return ensemble.outputs(rows, samples, frozen=frozen).square().mean((1, 2))

    try:
        outputs = check_deterministic(lambda: evaluated(samples), name)
    except UserError:
        raise
    except Exception as reason:
        given = f"inputs of shape {list(samples.shape)}, samples first"
        raise UserError(f"{name} cannot be evaluated on {given}: {_summary(reason)}") from reason
    if list(outputs.shape) != wanted:
        given = f"{list(outputs.shape)} for inputs of shape {list(samples.shape)}"
        raise UserError(f"{name} returns outputs of shape {given}: must be {wanted}, as the targets are")
    if outputs.dtype != theta.dtype:
        raise UserError(
            f"{name} returns {outputs.dtype}: must be {theta.dtype}, as its inputs and parameters are"
        )
    for altered, others in ((0, slice(1, None)), (-1, slice(None, -1))):
        changed = samples.clone()
        changed[altered] = samples[-1 - altered]
        if not same(outputs[others], evaluated(changed)[others]):
            raise UserError(
                f"{name}: its output for one sample depends on the others, as with BatchNorm in training mode or a "
                "sequence without batch_first; must not: LayerNorm and GroupNorm take samples one by one"
            )
    if isinstance(ensemble.network, Stackable):
        try:
            together = ensemble.outputs(theta, samples, frozen=frozen)[0]
        except Exception as reason:
            raise UserError(f"{name}.stacked cannot be evaluated: {_summary(reason)}") from reason
        if not same(outputs, together):
            raise UserError(f"{name}.stacked returns other outputs than forward: they must be the same")
        return
    try:
        _, _, product = linearise_gradient(error, theta)
        if Objective(ensemble, task).smooth:
            product(torch.ones_like(theta))
    except Exception as reason:
        raise UserError(
            f"{name} cannot be evaluated for many replicas at once and differentiated twice, by torch.func.vmap and "
            f"autograd: {_summary(reason)}"
        ) from reason


def _samples(task: Task) -> Tensor:
    """A few different samples; of tokens also those with the smallest and the largest, which must be in a table."""
    samples: Tensor = torch.unique(task.inputs[: SAMPLES**2], dim=0)[:SAMPLES]
    if samples.is_floating_point():
        return samples
    tokens = torch.cat([task.inputs, task.test_inputs])
    ends = torch.stack([tokens.flatten(1).amin(1).argmin(), tokens.flatten(1).amax(1).argmax()])
    both: Tensor = torch.unique(torch.cat([tokens[ends], samples]), dim=0)
    return both


def _summary(reason: Exception) -> str:
    return f"{type(reason).__name__}: {in_a_line(reason)}"[:300]
