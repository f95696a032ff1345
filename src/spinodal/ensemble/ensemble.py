"""Stacked replicas of one network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from spinodal.errors import UserError


@runtime_checkable
class Stackable(Protocol):
    """A network that can evaluate many of its kind at once; all others are served by `vmap`, half as fast."""

    def stacked(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """The outputs [A, N, c] of A networks on the same inputs [N, d], or of each on its own [A, N, d].

        Args:
            parameters: by the names of `named_parameters`, frozen ones too, each with a leading axis A.
            inputs: what the networks answer to.
        """


class Ensemble(nn.Module):
    """R replicas of one network, their parameters stacked as the rows of `theta`.

    Replicas never interact: whatever is computed for a row depends on that row alone. A parameter shared by several
    layers counts once.

    Args:
        build: makes one network, or one maker for each replica [R]; called under each replica's seed, so any
            `nn.Module` serves. What it returns must have the same parameters' shapes every time and no buffers
            (running statistics would couple samples to the order of evaluation).
        seeds: one per replica, [R].
        dtype: of the parameters.

    Attributes:
        theta: the parameters that are trained [R, n]: n, ‖θ‖² and every derivative are of these alone.
        frozen: the parameters with `requires_grad=False` [R, m], which keep the values that each replica's seed gave
            them; None where there are none.

    Raises:
        UserError: if `build` makes no module, or one that has buffers, nothing to train, or other parameters under
            one seed than under another.
    """

    theta: nn.Parameter  # [R, n]
    frozen: Tensor | None  # [R, m]

    def __init__(
        self,
        build: Callable[[], nn.Module] | Sequence[Callable[[], nn.Module]],
        seeds: Sequence[int],
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__()
        makers = build if isinstance(build, Sequence) else [build] * len(seeds)
        rows: dict[tuple[Any, int], tuple[Tensor, Tensor]] = {}
        shapes: _Shapes | None = None
        for key in zip(makers, seeds, strict=True):
            if key not in rows:
                network = _checked(_build_seeded(*key)).to(dtype)
                before, shapes = shapes, _shapes(network)
                if before not in (None, shapes):
                    raise UserError(
                        f"model: {type(network).__name__} has other parameters under one seed than under another: "
                        "they must be the same"
                    )
                rows[key] = _flat(network, True, dtype), _flat(network, False, dtype)
        assert shapes is not None
        self._trained, self._fixed = shapes
        # Kept out of the registered submodules: its parameters are placeholders, never trained.
        self._network = (network.requires_grad_(False),)
        theta, frozen = (
            torch.stack(each)
            for each in zip(*(rows[key] for key in zip(makers, seeds, strict=True)), strict=True)
        )
        self.theta = nn.Parameter(theta)
        self.register_buffer("frozen", frozen if self._fixed else None)

    @property
    def network(self) -> nn.Module:
        """The network one row parametrises (its own parameters are placeholders)."""
        return self._network[0]

    def named_parameters_of(
        self, theta: Float[Tensor, "*A n"], frozen: Float[Tensor, "*A m"] | None = None
    ) -> dict[str, Tensor]:
        """The parameters of one network or of several, by name, as views of their rows.

        Args:
            theta: those that are trained.
            frozen: those that are not; without, they are left out.
        """
        named = _views(theta, self._trained)
        return named if frozen is None else named | _views(frozen.to(theta.dtype), self._fixed)

    def outputs(
        self,
        theta: Float[Tensor, "A n"],
        inputs: Float[Tensor, ...],
        own: bool = False,
        frozen: Float[Tensor, "A m"] | None = None,
    ) -> Float[Tensor, "A N c"]:
        """What networks with the parameters `theta`, any number A of rows, answer.

        Args:
            theta: their parameters.
            inputs: [N, …] for all of them, or [A, N, …], each its own.
            own: whether each has its own.
            frozen: their frozen parameters, where the ensemble has such and the rows are not all of its replicas.
        """
        frozen = self.frozen if frozen is None else frozen
        if (
            len(theta) == 0
        ):  # vmap over no rows fails for convolutions: a row that is dropped again takes their place
            theta, inputs = _with_a_row(theta), _with_a_row(inputs) if own else inputs
            return self.outputs(theta, inputs, own, None if frozen is None else _with_a_row(frozen))[:0]
        if isinstance(self.network, Stackable) and _agrees(type(self.network)):
            return self.network.stacked(self.named_parameters_of(theta, frozen), inputs)

        def one(row: Tensor, fixed: Tensor | None, inputs: Tensor) -> Tensor:
            answer: Tensor = functional_call(self.network, self.named_parameters_of(row, fixed), (inputs,))
            return answer

        in_dims = (0, None if frozen is None else 0, 0 if own else None)
        with sdpa_kernel(SDPBackend.MATH):  # no other attention has a second derivative
            return vmap(one, in_dims=in_dims)(theta, frozen, inputs)

    def forward(self, inputs: Float[Tensor, "N ..."]) -> Float[Tensor, "R N c"]:
        """What every replica answers to the same inputs."""
        return self.outputs(self.theta, inputs)


_Shapes = tuple[dict[str, torch.Size], dict[str, torch.Size]]
"""Shapes of the parameters that are trained, and of those that are not, by name."""


def _checked(network: object) -> nn.Module:
    name = type(network).__name__
    if not isinstance(network, nn.Module):
        raise UserError(f"model: {name} is no torch.nn.Module, as a network must be")
    if next(network.buffers(), None) is not None:
        raise UserError(
            f"model: {name} has buffers; allowed are networks without any "
            "(instead of BatchNorm: LayerNorm or GroupNorm)"
        )
    if not any(p.requires_grad for p in network.parameters()):
        raise UserError(
            f"model: {name} has nothing to train: at least one parameter must have requires_grad=True"
        )
    return network


def _shapes(network: nn.Module) -> _Shapes:
    trained, fixed = (
        {name: p.shape for name, p in network.named_parameters() if p.requires_grad is each}
        for each in (True, False)
    )
    return trained, fixed


def _flat(network: nn.Module, trained: bool, dtype: torch.dtype) -> Float[Tensor, " n"]:
    parts = [p.detach().reshape(-1) for p in network.parameters() if p.requires_grad is trained]
    return torch.cat(parts) if parts else torch.empty(0, dtype=dtype)


def _with_a_row(rows: Float[Tensor, "A ..."]) -> Float[Tensor, "A+1 ..."]:
    return torch.cat([rows, rows.new_zeros(1, *rows.shape[1:])])


def _views(rows: Float[Tensor, "*A n"], shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    # split, not slices: its backward is a single concatenation.
    parts = torch.split(rows, [shape.numel() for shape in shapes.values()], dim=-1)
    return {
        name: part.view(*rows.shape[:-1], *shape)
        for (name, shape), part in zip(shapes.items(), parts, strict=True)
    }


def _agrees(kind: type) -> bool:
    """Whether `stacked` still says what `forward` does: a subclass that overrides only `forward` means that."""
    homes = {
        name: next(each for each in kind.__mro__ if name in vars(each)) for name in ("forward", "stacked")
    }
    return issubclass(homes["stacked"], homes["forward"])


def _build_seeded(build: Callable[[], object], seed: int) -> object:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()
