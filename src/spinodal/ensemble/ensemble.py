"""Stacked replicas of one network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from spinodal.ensemble.frozen import Frozen, constants_of, stack
from spinodal.errors import UserError

BLOCK = 2000
"""Samples that a network is evaluated on at once. A number of the program's and not of the machine's: sums over blocks
are the same everywhere, and the same for a replica alone and among others."""


@runtime_checkable
class Stackable(Protocol):
    """A network that can evaluate many of its kind at once; all others are served by `vmap`, half as fast."""

    def stacked(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """The outputs [A, N, c] of A networks on the same inputs [N, d], or of each on its own [A, N, d].

        Args:
            parameters: by the names of `named_parameters` and `named_buffers`, each with a leading axis A.
            inputs: what the networks answer to.
        """


class Ensemble(nn.Module):
    """R replicas of one network, their parameters stacked as the rows of `theta`.

    Replicas never interact: whatever is computed for a row depends on that row alone. A parameter shared by several
    layers counts once.

    Args:
        build: makes one network, or one maker for each replica [R]; called under each replica's seed, so any
            `nn.Module` serves. What it returns must have the same parameters and buffers every time, by name and
            shape.
        seeds: one per replica, [R].
        dtype: of the parameters.

    Attributes:
        theta: the parameters that are trained [R, n]: n, ‖θ‖² and every derivative are of these alone.
        constants: what checkpoints hold of `frozen`.

    Raises:
        UserError: if `build` makes no module, or one that has nothing to train, layers that couple samples by their
            buffers, or other parameters under one seed than under another.
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
        rows: dict[tuple[Any, int], tuple[Tensor, dict[str, Tensor]]] = {}
        shapes: list[dict[str, torch.Size]] | None = None
        for key in zip(makers, seeds, strict=True):
            if key not in rows:
                network = _checked(_build_seeded(*key))
                constants = constants_of(network)
                network, before = network.to(dtype), shapes
                trained = _trained(network)
                shapes = [{name: each.shape for name, each in some.items()} for some in (trained, constants)]
                if before not in (None, shapes):
                    raise UserError(
                        f"model: {type(network).__name__} has other parameters under one seed than under another: "
                        "they must be the same"
                    )
                rows[key] = torch.cat([each.reshape(-1) for each in trained.values()]), constants
        assert shapes is not None
        self._trained = shapes[0]
        self.theta = nn.Parameter(torch.stack([rows[key][0] for key in zip(makers, seeds, strict=True)]))
        fixed = [name for name, each in network.named_parameters() if not each.requires_grad]
        frozen = stack([rows[key][1] for key in zip(makers, seeds, strict=True)], fixed).to(dtype)
        self.constants = nn.Module()
        for kind, some in (("own", frozen.own), ("shared", frozen.shared)):
            for name, each in some.items():
                self.constants.register_buffer(f"{kind}/{name.replace('.', '/')}", each)
        self._names = tuple(frozen.own), tuple(frozen.shared)
        # Kept out of the registered submodules: its parameters are placeholders, never trained.
        self._network = (network.requires_grad_(False),)

    @property
    def network(self) -> nn.Module:
        """The network one row parametrises (its own parameters are placeholders)."""
        return self._network[0]

    @property
    def frozen(self) -> Frozen | None:
        """Parameters with `requires_grad=False`, as each replica's seed made them, and buffers; None without any."""
        own, shared = (
            {name: getattr(self.constants, f"{kind}/{name.replace('.', '/')}") for name in names}
            for kind, names in zip(("own", "shared"), self._names, strict=True)
        )
        return Frozen(own, shared) if own or shared else None

    def named_parameters_of(self, theta: Float[Tensor, "*A n"]) -> dict[str, Tensor]:
        """The trained parameters of one network or of several, by name, as views of their rows."""
        # split, not slices: its backward is a single concatenation.
        parts = torch.split(theta, [shape.numel() for shape in self._trained.values()], dim=-1)
        return {
            name: part.view(*theta.shape[:-1], *shape)
            for (name, shape), part in zip(self._trained.items(), parts, strict=True)
        }

    def outputs(
        self,
        theta: Float[Tensor, "A n"],
        inputs: Float[Tensor, ...],
        own: bool = False,
        frozen: Frozen | None = None,
    ) -> Float[Tensor, "A N c"]:
        """What networks with the parameters `theta`, any number A of rows, answer.

        Args:
            theta: their parameters.
            inputs: [N, …] for all of them, or [A, N, …], each its own.
            own: whether each has its own.
            frozen: their constants, where the ensemble has such and the rows are not all of its replicas.
        """
        frozen = (self.frozen if frozen is None else frozen) or Frozen({}, {})
        if (
            len(theta) == 0
        ):  # vmap over no rows fails for convolutions: a row that is dropped again takes their place
            theta, inputs = _with_a_row(theta), _with_a_row(inputs) if own else inputs
            return self.outputs(theta, inputs, own, frozen[:0].with_a_row())[:0]
        frozen = frozen.to(theta.dtype)
        if isinstance(self.network, Stackable) and _agrees(type(self.network)):
            named = self.named_parameters_of(theta) | frozen.stacked(len(theta))
            return self.network.stacked(named, inputs)

        def one(row: Tensor, constants: dict[str, Tensor], inputs: Tensor) -> Tensor:
            named = {**self.named_parameters_of(row), **constants, **frozen.shared}
            answer: Tensor = functional_call(self.network, named, (inputs,))
            return answer

        in_dims = (0, 0 if frozen.own else None, 0 if own else None)
        with _differentiable_attention():
            return vmap(one, in_dims=in_dims)(theta, dict(frozen.own), inputs)

    @torch.no_grad()
    def answers(self, inputs: Tensor, own: bool = False) -> Float[Tensor, "R N c"]:
        """Compute what every replica answers, without a graph, a block of samples after the other.

        Args:
            inputs: as of `outputs`.
            own: as of `outputs`.
        """
        blocks = torch.split(inputs, BLOCK, dim=1 if own else 0)
        first, *others = (self.outputs(self.theta, block, own) for block in blocks)
        return torch.cat([first, *others], dim=1) if others else first

    def forward(self, inputs: Float[Tensor, "N ..."]) -> Float[Tensor, "R N c"]:
        """What every replica answers to the same inputs."""
        return self.outputs(self.theta, inputs)


def _checked(network: object) -> nn.Module:
    name = type(network).__name__
    if not isinstance(network, nn.Module):
        raise UserError(f"model: {name} is no torch.nn.Module, as a network must be")
    if not any(p.requires_grad for p in network.parameters()):
        raise UserError(
            f"model: {name} has nothing to train: at least one parameter must have requires_grad=True"
        )
    return network


@contextmanager
def _differentiable_attention() -> Iterator[None]:
    """Keep torch from attention without a second derivative, and from fused layers without any."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def _trained(network: nn.Module) -> dict[str, Tensor]:
    return {name: each.detach() for name, each in network.named_parameters() if each.requires_grad}


def _with_a_row(rows: Float[Tensor, "A ..."]) -> Float[Tensor, "A+1 ..."]:
    return torch.cat([rows, rows.new_zeros(1, *rows.shape[1:])])


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
