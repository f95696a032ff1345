"""Stacked replicas of one network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, vmap

from spinodal.errors import UserError


@runtime_checkable
class Stackable(Protocol):
    """A network that can evaluate many of its kind at once; all others are served by `vmap`, half as fast."""

    def stacked(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """The outputs [A, N, c] of A networks on the same inputs [N, d], or of each on its own [A, N, d].

        Args:
            parameters: by the names of `named_parameters`, each with a leading axis A.
            inputs: what the networks answer to.
        """


class Ensemble(nn.Module):
    """R replicas of one network, their parameters stacked as the rows of `theta`.

    Replicas never interact: whatever is computed for a row depends on that row alone.

    Args:
        build: makes one network, or one maker for each replica [R]; called under each replica's seed, so any
            `nn.Module` serves. What it returns must have the same parameters' shapes every time and no buffers
            (running statistics would couple samples to the order of evaluation).
        seeds: one per replica, [R].
        dtype: of the parameters.

    Raises:
        UserError: the network has buffers or nothing to train.
    """

    theta: nn.Parameter  # [R, n]

    def __init__(
        self,
        build: Callable[[], nn.Module] | Sequence[Callable[[], nn.Module]],
        seeds: Sequence[int],
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__()
        makers = build if isinstance(build, Sequence) else [build] * len(seeds)
        rows: dict[tuple[Any, int], Tensor] = {}
        for key in zip(makers, seeds, strict=True):
            if key not in rows:
                network = _build_seeded(*key).to(dtype)
                rows[key] = torch.cat([p.detach().reshape(-1) for p in network.parameters()])
        if next(network.buffers(), None) is not None:
            raise UserError(f"model: {type(network).__name__} has buffers; allowed are networks without any")
        self._shapes = [(name, p.shape) for name, p in network.named_parameters()]
        self._sizes = [p.numel() for p in network.parameters()]
        # Kept out of the registered submodules: its parameters are placeholders, never trained.
        self._network = (network.requires_grad_(False),)
        self.theta = nn.Parameter(torch.stack([rows[key] for key in zip(makers, seeds, strict=True)]))

    @property
    def network(self) -> nn.Module:
        """The network one row parametrises (its own parameters are placeholders)."""
        return self._network[0]

    def named_parameters_of(self, theta: Float[Tensor, "*A n"]) -> dict[str, Tensor]:
        """The parameters of one network or of several, by name, as views of their rows."""
        # split, not slices: its backward is a single concatenation.
        parts = torch.split(theta, self._sizes, dim=-1)
        return {
            name: part.view(*theta.shape[:-1], *shape)
            for (name, shape), part in zip(self._shapes, parts, strict=True)
        }

    def outputs(
        self, theta: Float[Tensor, "A n"], inputs: Float[Tensor, ...], own: bool = False
    ) -> Float[Tensor, "A N c"]:
        """What networks with the parameters `theta`, any number A of rows, answer.

        Args:
            theta: their parameters.
            inputs: [N, …] for all of them, or [A, N, …], each its own.
            own: whether each has its own.
        """
        if isinstance(self.network, Stackable) and _agrees(type(self.network)):
            return self.network.stacked(self.named_parameters_of(theta), inputs)

        def one(row: Tensor, inputs: Tensor) -> Tensor:
            answer: Tensor = functional_call(self.network, self.named_parameters_of(row), (inputs,))
            return answer

        return vmap(one, in_dims=(0, 0 if own else None))(theta, inputs)

    def forward(self, inputs: Float[Tensor, "N ..."]) -> Float[Tensor, "R N c"]:
        """What every replica answers to the same inputs."""
        return self.outputs(self.theta, inputs)


def _agrees(kind: type) -> bool:
    """Whether `stacked` still says what `forward` does: a subclass that overrides only `forward` means that."""
    homes = {
        name: next(each for each in kind.__mro__ if name in vars(each)) for name in ("forward", "stacked")
    }
    return issubclass(homes["stacked"], homes["forward"])


def _build_seeded(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()
