"""What networks hold besides the parameters that are trained: frozen parameters and buffers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from spinodal.errors import UserError


@dataclass(frozen=True)
class Frozen:
    """Constants of replicas, by the names that their network has for them.

    Attributes:
        own: frozen parameters, and buffers that are not the same in all replicas, each with a leading axis A.
        shared: buffers that are the same in all replicas, as positional tables are.
    """

    own: Mapping[str, Tensor]
    shared: Mapping[str, Tensor]

    def __getitem__(self, rows: Tensor | Sequence[int] | slice) -> Frozen:
        """Return the constants of some of the replicas."""
        return Frozen({name: each[rows] for name, each in self.own.items()}, self.shared)

    def to(self, dtype: torch.dtype) -> Frozen:
        """Return the same constants with all but integers and booleans in a dtype."""
        own, shared = (
            {name: each.to(dtype) if each.is_floating_point() else each for name, each in some.items()}
            for some in (self.own, self.shared)
        )
        return Frozen(own, shared)

    def with_a_row(self) -> Frozen:
        """Return the constants of one replica more, which are 0."""
        return Frozen(
            {name: torch.cat([each, each.new_zeros(1, *each.shape[1:])]) for name, each in self.own.items()},
            self.shared,
        )

    def stacked(self, rows: int) -> dict[str, Tensor]:
        """Return all constants with a leading axis of so many replicas; those that are shared as views."""
        return {**self.own, **{name: each.expand(rows, *each.shape) for name, each in self.shared.items()}}


def constants_of(network: nn.Module) -> dict[str, Tensor]:
    """Return the frozen parameters and the buffers of a network, by name.

    Raises:
        UserError: If one is complex, or a layer of BatchNorm is in training mode.
    """
    name = type(network).__name__
    for module in network.modules():
        if isinstance(module, _BatchNorm) and module.track_running_stats and module.training:
            kind = type(module).__name__
            raise UserError(
                f"model: {name} has {kind} in training mode, whose output for one sample depends on the others: "
                "LayerNorm and GroupNorm take samples one by one, and .eval() in the network's constructor fixes the "
                f"running statistics of {kind}"
            )
    frozen = {key: each.detach() for key, each in network.named_parameters() if not each.requires_grad}
    found = frozen | dict(network.named_buffers())
    for key, each in [*network.named_parameters(), *found.items()]:
        if each.is_complex():
            raise UserError(f"model: {name}: {key} is {each.dtype}: parameters and buffers must be real")
    return found


def stack(networks: Sequence[Mapping[str, Tensor]], parameters: Sequence[str]) -> Frozen:
    """Put the constants of networks together, one for each replica.

    Args:
        networks: as `constants_of` returns them, with the same names and shapes [R].
        parameters: names of those that each replica has for its own in any case.
    """
    first, *others = {id(each): each for each in networks}.values()
    own = [
        name
        for name, value in first.items()
        if name in parameters or not all(value.is_meta or torch.equal(value, each[name]) for each in others)
    ]
    return Frozen(
        {name: torch.stack([each[name] for each in networks]) for name in own},
        {name: value.clone() for name, value in first.items() if name not in own},
    )
