"""Where a replica goes next: along its path, and by bisection around each jump it meets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import sqrt
from typing import Any

from spinodal.protocols.trajectory import Hold, Trajectory

JUMP = 1e-3
"""E has jumped between two λ if, taken back, it is off by more than this fraction of E₀, the error of the zero
function. A continuous change, however steep, is undone on the way back; a first-order jump is not, unless its whole
loop of hysteresis lies between the two."""

RESTORED = 0.1
"""E is restored if, taken back, it is off by at most this fraction of its change between the two λ, or by what two
relaxations to one minimum may differ by, 10⁻⁶ E₀."""


@dataclass(frozen=True)
class Visit:
    """One stage of one replica.

    Attributes:
        stage: the row of the records it becomes; a later visit with the same number replaces it. None for a visit
            back, which is only a check.
        control: λ.
        branch: the branch it belongs to.
        start: the state to start from; None for the one the replica is in.
        perturbed: whether the protocol's perturbation is added to it.
        exact: whether the state is to be a minimum; else a survey is enough.
        walked_from: λ from which the minimum `start` is followed to `control`, where nothing is relaxed then; None
            where it relaxes.
    """

    stage: int | None
    control: float
    branch: str
    start: Any = None
    perturbed: bool = False
    exact: bool = True
    walked_from: float | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the attributes as tensors and plain values, from which `Visit(**state)` is the same."""
        return dict(vars(self))


@dataclass(frozen=True)
class _Minimum:
    """A state at which a visit ended: where, with what E, the state itself, and whether it is a minimum."""

    control: float
    error: float
    state: Any
    relaxed: bool = False  # as in a checkpoint that does not hold it


@dataclass
class _Target:
    """A λ to be reached from the anchor; `jumped` once it is known that a jump lies between."""

    stage: int
    control: float
    branch: str
    jumped: bool = False


@dataclass
class Itinerary:
    """The visits of one replica, each following from what was found at the ones before.

    Without `refine` they are the trajectory's path. With it, each new minimum B is taken back to the λ of the one
    before, A. If that restores A, the way from A to B counts as continuous and B becomes the next A. If not, a jump
    lies between; λ is bisected, always starting from A's state, until the jump is bracketed to the relative width
    10^−refine. Several jumps between two λ of the path are found one after the other.

    Attributes:
        trajectory: the path.
        refine: digits each jump is located to, or 0.
        error_scale: E₀, the error of the zero function.
    """

    trajectory: Trajectory
    refine: int = 0
    error_scale: float = 1.0
    _targets: list[_Target] = field(default_factory=list)
    _reached: int = 0
    _stages: int = 0
    _anchor: _Minimum | None = None
    _arrived: _Minimum | None = None

    def __post_init__(self) -> None:
        self._stages = len(self.trajectory.path)
        self._aim()

    def state_dict(self) -> dict[str, Any]:
        """Return the state as tensors and plain values, for a checkpoint."""
        minima = {name: vars(self)[name] for name in ("_anchor", "_arrived")}
        return {
            **vars(self),
            "trajectory": asdict(self.trajectory),
            "_targets": [dict(vars(each)) for each in self._targets],
            **{name: each and dict(vars(each)) for name, each in minima.items()},
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Itinerary:
        """Make the itinerary whose `state_dict` this was.

        Args:
            state: by name of the attribute.
        """
        trajectory = dict(state["trajectory"])
        hold = trajectory.pop("hold")
        made = cls(Trajectory(**trajectory, hold=hold and Hold(**hold)))
        vars(made).update(
            {name: value for name, value in state.items() if name != "trajectory"},
            _targets=[_Target(**each) for each in state["_targets"]],
            **{name: state[name] and _Minimum(**state[name]) for name in ("_anchor", "_arrived")},
        )
        return made

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to visit."""
        return not self._targets

    @property
    def stages(self) -> int | None:
        """Rows the trajectory has in the end; None while more may turn up."""
        return None if self.refine and not self.finished else self._stages

    @property
    def left(self) -> int:
        """Visits that are certainly still to come."""
        return len(self._targets) + len(self.trajectory.path) - self._reached

    @property
    def visit(self) -> Visit:
        """The visit to make now."""
        target, anchor = self._targets[-1], self._anchor
        if self._arrived is not None:
            assert anchor is not None
            return Visit(None, anchor.control, target.branch)
        start = anchor.state if anchor is not None and self.refine else None
        fresh = target.stage == 0 and not self.trajectory.unlearned
        return Visit(target.stage, target.control, target.branch, start, perturbed=not fresh)

    def conclude(self, error: float, state: Any, relaxed: bool) -> bool | None:
        """Takes what the visit found.

        Args:
            error: E of the relaxed state.
            state: the state, kept by reference.
            relaxed: whether the state is a minimum, as far as it was looked at.

        Returns:
            After a visit back with which the row visited before it is final: whether that row's minimum restores E
            at the λ of the row before it on the path. False: E jumps in between. None where that is not known: after
            any other visit, if one of the three states is no minimum, or if E changes by too little to tell.
        """
        target, anchor = self._targets[-1], self._anchor
        if self._arrived is None:
            found = _Minimum(target.control, error, state, relaxed)
            if self.refine and anchor is not None:
                self._arrived = found
            else:
                self._accept(found)
            return None
        arrived, self._arrived = self._arrived, None
        assert anchor is not None
        off, change = abs(error - anchor.error), abs(arrived.error - anchor.error)
        # NaN compares false on purpose: what cannot be judged is not bisected for ever.
        jumped = off > JUMP * self.error_scale
        if jumped and not self._close(target):
            target.jumped = True
            self._bisect(target)
            return None
        if jumped:  # and bracketed: what lies beyond has to be looked at again from this side
            for beyond in self._targets:
                beyond.jumped = False
        self._accept(arrived)
        restored = off <= max(RESTORED * change, JUMP**2 * self.error_scale)
        tested = anchor.relaxed and arrived.relaxed and relaxed
        return restored if tested and restored != jumped else None

    def _accept(self, found: _Minimum) -> None:
        self._anchor = found if self.refine else None
        self._targets.pop()
        self._aim()
        if self._targets and self._targets[-1].jumped and not self._close(self._targets[-1]):
            self._bisect(self._targets[-1])

    def _aim(self) -> None:
        """Puts the next λ of the path in sight when nothing nearer is."""
        path, branch = self.trajectory.path, self.trajectory.branch
        if not self._targets and self._reached < len(path):
            self._targets.append(_Target(self._reached, path[self._reached], branch[self._reached]))
            self._reached += 1

    def _bisect(self, target: _Target) -> None:
        assert self._anchor is not None
        self._targets.append(
            _Target(self._stages, sqrt(self._anchor.control * target.control), target.branch)
        )
        self._stages += 1

    def _close(self, target: _Target) -> bool:
        assert self._anchor is not None
        low, high = sorted((self._anchor.control, target.control))
        # Between 0 and something there is no geometric mean to go on with.
        return low == 0 or high - low <= 10.0**-self.refine * low


PICKLED = (Trajectory, Hold, Itinerary, Visit, _Target, _Minimum)
"""Classes in checkpoints of version 1; later ones hold tensors and plain values only."""
