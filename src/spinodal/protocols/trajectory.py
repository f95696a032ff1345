"""Trajectories: the path one replica takes through λ. One trajectory is one point of a campaign."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spinodal.errors import UserError, in_a_line
from spinodal.signatures import located


@dataclass(frozen=True)
class Hold:
    """What a replica meets while its λ is held.

    Attributes:
        phase: it starts in, put together from the theory of deep linear networks; None for the minimum that a fresh
            initialisation relaxes to.
        temperature: T of Langevin noise; None for
        batch: B, the samples that each step of minibatch descent sees.
    """

    phase: int | None
    temperature: float | None = None
    batch: int | None = None

    @property
    def strength(self) -> float | None:
        """T, or B."""
        return self.batch if self.temperature is None else self.temperature


@dataclass(frozen=True)
class Trajectory:
    """The path of one replica.

    Attributes:
        seed: of its initial values, and of every random number it ever draws.
        path: λ of each stage.
        branch: the branch each stage belongs to: "up", "down", "quench" or "escape".
        unlearned: whether it starts at θ = 0 instead of from a fresh initialisation.
        hold: under which noise the last stage is held, if it is.
    """

    seed: int
    path: tuple[float, ...]
    branch: tuple[str, ...]
    unlearned: bool = False
    hold: Hold | None = None

    @property
    def strength(self) -> float | None:
        """Of the noise under which it is held, if it is: T, or B."""
        return self.hold.strength if self.hold else None


def quench(control: Sequence[float], seed: int) -> list[Trajectory]:
    """Each λ from a fresh initialisation: one trajectory of one stage per λ."""
    return [Trajectory(seed, (value,), ("quench",)) for value in sorted(control)]


def up(control: Sequence[float], seed: int) -> list[Trajectory]:
    """λ raised from a learned state: fresh at the smallest λ, each stage from the minimum of the one before."""
    path = tuple(sorted(control))
    return [Trajectory(seed, path, ("up",) * len(path))]


def down(control: Sequence[float], seed: int) -> list[Trajectory]:
    """λ lowered from the unlearned state θ = 0.

    For L ≥ 3 that state is a minimum at every λ > 0: without a perturbation nothing is ever learned.
    """
    path = tuple(sorted(control, reverse=True))
    return [Trajectory(seed, path, ("down",) * len(path), unlearned=True)]


def loop(control: Sequence[float], seed: int) -> list[Trajectory]:
    """Up to the largest λ and down again, each stage from the minimum of the one before."""
    path = sorted(control)
    back = path[-2::-1]
    return [Trajectory(seed, (*path, *back), ("up",) * len(path) + ("down",) * len(back))]


PROTOCOLS: dict[str, Callable[[Sequence[float], int], list[Trajectory]]] = {
    "quench": quench,
    "up": up,
    "down": down,
    "loop": loop,
}


def is_own(protocol: str) -> bool:
    """Whether a protocol is a user's own function, by its dotted path, which nothing but a run may import."""
    return "." in protocol


def trajectories(protocol: str, control: Sequence[float], seeds: Sequence[int]) -> list[Trajectory]:
    """All trajectories of a protocol: for every seed, over all λ.

    Args:
        protocol: a key of `PROTOCOLS`, or the dotted path of a function like these.
        control: λ.
        seeds: of the replicas.

    Raises:
        UserError: If there is no such function, or it does not return trajectories.
    """
    follow = PROTOCOLS.get(protocol) or _of_somebody(protocol)
    try:
        followed = [trajectory for seed in seeds for trajectory in follow(control, seed)]
    except (Exception, SystemExit) as error:
        if protocol in PROTOCOLS:
            raise
        reason = f"raised {type(error).__name__}: {in_a_line(error)}"
        raise UserError(f"protocol.name={protocol}: {reason}") from error
    if not all(isinstance(each, Trajectory) and len(each.path) == len(each.branch) > 0 for each in followed):
        raise UserError(
            f"protocol.name={protocol}: must return trajectories, a branch for each λ of their paths"
        )
    return followed


def _of_somebody(protocol: str) -> Callable[[Sequence[float], int], list[Trajectory]]:
    try:
        found: Callable[[Sequence[float], int], list[Trajectory]] = located(protocol)
    except UserError as error:
        raise UserError(f"protocol.name={protocol}: no such function ({error.__cause__})") from error
    return found
