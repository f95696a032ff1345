"""Where a replica goes next whose jumps are located by continuation: along its minimum, to where that ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spinodal.protocols.itinerary import JUMP, Itinerary, Visit, _Minimum, _Target

EXACT = "exact"
"""The value of `refine` with which jumps are located by continuation."""

EXACT_DIGITS = 9
"""Digits to which they are."""

BISECTED = 4
"""Digits to which jumps are bisected where a minimum cannot be followed."""

OFFSET = 1e-6
"""Distance of the rows on either side of a located jump from it, as a fraction of λ: E of the nearer minimum differs
from that at the jump as its square root does, and that minimum is still told from a saddle."""


@dataclass(frozen=True)
class Ending:
    """What a minimum that was followed from one λ to another has met.

    Attributes:
        kind: "fold" or "pitchfork" where the minimum ends; "none" where it persists; "lost" where it could not be
            followed.
        control: λ at which it ends.
        bound: bound of the error of `control`.
        error: E at the end of the way.
        onwards: the state from which a replica relaxes that has passed the end; None unless it ends.
        pitchforks: λ on the way at which the minimum went over to one of other symmetry.
        reason: why it could not be followed.
    """

    kind: str
    control: float
    bound: float
    error: float
    onwards: Any = None
    pitchforks: tuple[float, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class _Start:
    """How a row begins.

    Attributes:
        state: θ.
        error: E that is expected of the row, or E where the minimum ended.
        side: "on" the minimum that was followed, just "before" its end, or "after" it.
        columns: what the walk adds to what is known of the row.
    """

    state: Any
    error: float
    side: str = "on"
    columns: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class ExactItinerary(Itinerary):
    """The visits of one replica whose minima are followed from each λ to the next.

    From the minimum A the replica is in, the way to the next λ of the path, B, is walked without relaxing anything.
    Where the minimum persists, its row at B relaxes from the state that was reached. Where it ends at a λ* between, two
    rows are made first, at λ*·(1 ∓ 10⁻⁶): the minimum before it ends, and the one into which the replica falls; from
    there the way to B is walked. So a jump is met however narrow its loop is, unless E changes by so little that
    `locate` steps over it. Where a minimum cannot be followed, or a perturbation throws the replica out of it, this
    stretch is bisected as in any itinerary.

    Attributes:
        columns: what is known of the row that is visited now, beyond what is measured there.
    """

    columns: dict[str, Any] = field(default_factory=dict)
    _starts: dict[int, _Start] = field(default_factory=dict)
    _bisected: int | None = None
    """The stage to which the way is bisected."""
    _reason: str = ""

    def state_dict(self) -> dict[str, Any]:
        """Return the state as tensors and plain values, for a checkpoint."""
        return {
            **super().state_dict(),
            "_starts": {stage: dict(vars(each)) for stage, each in self._starts.items()},
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> ExactItinerary:
        """Make the itinerary whose `state_dict` this was."""
        made = super().from_state_dict(state)
        assert isinstance(made, ExactItinerary)
        made._starts = {stage: _Start(**each) for stage, each in state["_starts"].items()}
        return made

    @property
    def visit(self) -> Visit:
        """The visit to make now."""
        target, anchor = self._targets[-1], self._anchor
        if anchor is None or self._bisected is not None:
            return super().visit
        start = self._starts.get(target.stage)
        if start is None:
            return Visit(None, target.control, target.branch, anchor.state, walked_from=anchor.control)
        return Visit(target.stage, target.control, target.branch, start.state, perturbed=start.side == "on")

    def conclude(self, error: float, state: Any, relaxed: bool, ending: Ending | None = None) -> bool | None:
        """Take what the visit found.

        Args:
            error: E of the state.
            state: the state, kept by reference.
            relaxed: whether the state is a minimum, as far as it was looked at.
            ending: what was met, after a walk.

        Returns:
            As of `Itinerary`, where the way is bisected; else None, and what is known is among `columns`.
        """
        target, anchor = self._targets[-1], self._anchor
        if ending is not None:
            self._walked(ending, state)
            return None
        self.columns = {}
        if anchor is None or self._bisected is not None:
            if self._bisected == target.stage and self._arrived is None and self._reason:
                self.columns = {"not_followed": self._reason}
            return super().conclude(error, state, relaxed)
        start, found = self._starts.pop(target.stage), _Minimum(target.control, error, state, relaxed)
        off, same = abs(error - start.error), JUMP**2 * self.error_scale
        tested = relaxed and anchor.relaxed
        match start.side:
            case "on" if off > same:  # it was thrown out
                self._bisected, self._reason, self._arrived = target.stage, "", found
                return None
            case "on":
                reversible = True
            case "before":
                tested, reversible = tested and off <= JUMP * self.error_scale, True
            case _:
                reversible = off <= same
        self.columns = {"reversible": reversible if tested else None, **start.columns}
        self._accept(found)
        return None

    def _walked(self, ending: Ending, state: Any) -> None:
        """Plan the rows to which a walk leads."""
        target, anchor = self._targets[-1], self._anchor
        assert anchor is not None
        if ending.kind == "lost":
            self._bisected, self._reason = target.stage, ending.reason
            return
        passed = {"pitchforks": list(ending.pitchforks)}
        if ending.kind == "none":
            self._starts[target.stage] = _Start(state, ending.error, columns=passed)
            return
        located = {
            "located": ending.control,
            "located_error": ending.bound,
            "located_kind": ending.kind,
            "located_E": ending.error,
        }
        rising = 1 if target.control >= anchor.control else -1
        before, after = (ending.control * (1 + rising * side * OFFSET) for side in (-1, 1))
        if (target.control - after) * rising > 0:
            self._add(after, _Start(ending.onwards, ending.error, "after", located))
        else:
            self._starts[target.stage] = _Start(ending.onwards, ending.error, "after", located)
        if (before - anchor.control) * rising > 0:
            self._add(before, _Start(state, ending.error, "before", passed))

    def _add(self, control: float, start: _Start) -> None:
        self._targets.append(_Target(self._stages, control, self._targets[-1].branch))
        self._starts[self._stages] = start
        self._stages += 1

    def _accept(self, found: _Minimum) -> None:
        if self._targets[-1].stage == self._bisected:
            self._bisected, self._reason = None, ""
        super()._accept(found)
