"""From a module and its data to E as a function of a flat θ."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn
from torch.func import functional_call

from spinodal.errors import UserError
from spinodal.geometry.operations import check_deterministic


def parametrise(
    module: nn.Module, inputs: Tensor, targets: Tensor, criterion: Callable[[Tensor, Tensor], Tensor]
) -> tuple[Callable[[Tensor], Tensor], Float64[Tensor, " n"]]:
    """The error of a module on its data as a function of its trainable parameters, and these, flat.

    In float64 whatever the module is in, on a copy: the module itself is left alone. Buffers stay as they are, so
    batch normalisation belongs in `eval()`.

    Args:
        module: any.
        inputs: what it is evaluated on.
        targets: the criterion's second argument, as it wants them.
        criterion: (outputs, targets) → E, a scalar.

    Returns:
        (E, θ): E maps [n] to a scalar, and works under torch.vmap; θ is where the module is.

    Raises:
        UserError: if nothing is trainable, the module or the criterion draws random numbers, as Dropout does in
            training mode, or evaluation changes the module's buffers, as that of BatchNorm does.
    """
    network = deepcopy(module).double()
    inputs, targets = (each.double() if each.is_floating_point() else each for each in (inputs, targets))
    trainable = {name: each for name, each in network.named_parameters() if each.requires_grad}
    if not trainable:
        raise UserError(
            f"{type(module).__name__}: nothing to train; a parameter must have requires_grad=True"
        )
    sizes = [each.numel() for each in trainable.values()]

    def error(theta: Tensor) -> Tensor:
        parts = torch.split(theta, sizes)
        named = {
            name: part.view_as(each) for part, (name, each) in zip(parts, trainable.items(), strict=True)
        }
        return criterion(functional_call(network, named, (inputs,)), targets)

    theta = torch.cat([each.detach().reshape(-1) for each in trainable.values()])
    buffers = {name: each.clone() for name, each in network.named_buffers()}
    # Beside θ: where a module's last layer is zero, nothing before it shows.
    check_deterministic(lambda: error(theta + beside(theta)), type(module).__name__)
    changed = [name for name, each in network.named_buffers() if not torch.equal(each, buffers[name])]
    if changed:
        raise UserError(
            f"{type(module).__name__}: evaluation changes {', '.join(changed)}; E must be a function of θ alone: "
            "network.eval(), or no running statistics"
        )
    return error, theta


def beside(theta: Float[Tensor, "*R n"]) -> Float[Tensor, "*R n"]:
    """A small fixed step in a direction of no significance."""
    generator = torch.Generator().manual_seed(0)
    step: Tensor = 0.1 * torch.randn(theta.shape, generator=generator, dtype=torch.float64).to(theta)
    return step
