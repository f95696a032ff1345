"""Where a replica of a survey goes next: cheaply along its path, and exactly around each jump it meets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from spinodal.protocols.itinerary import JUMP, Itinerary, Visit, _Minimum, _Target


@dataclass(frozen=True)
class _Passed:
    """A target that was reached: what was found there, and whether it was relaxed exactly."""

    target: _Target
    found: _Minimum
    exact: bool


@dataclass
class SurveyItinerary(Itinerary):
    """The visits of one replica of a survey. Without `refine` all are surveyed.

    With it, states are taken back as in any itinerary, but cheaply. Where that does not restore E, a jump may lie
    between A and B: the replica returns to the minimum before A, relaxes it exactly, and goes on exactly from there, to
    A, B and the next λ of the path, bisecting what jumps on the way as any itinerary does. So of each jump at least two
    rows on either side are minima, and a jump that only the survey has seen is none.
    """

    _passed: list[_Passed] = field(default_factory=list)
    """The last two, rising; the very last is the anchor."""
    _exact_until: int = 0
    """So many λ of the path are still visited exactly."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state as tensors and plain values, for a checkpoint."""
        passed = [
            {"target": dict(vars(each.target)), "found": dict(vars(each.found)), "exact": each.exact}
            for each in self._passed
        ]
        return {**super().state_dict(), "_passed": passed}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> SurveyItinerary:
        """Make the itinerary whose `state_dict` this was."""
        made = super().from_state_dict(state)
        assert isinstance(made, SurveyItinerary)
        made._passed = [
            _Passed(_Target(**each["target"]), _Minimum(**each["found"]), each["exact"])
            for each in state["_passed"]
        ]
        return made

    @property
    def exact(self) -> bool:
        """Whether the visit to make now is exact."""
        return self._reached <= self._exact_until

    @property
    def visit(self) -> Visit:
        """The visit to make now."""
        visit = super().visit
        return replace(visit, exact=self.exact, perturbed=visit.perturbed and not self._again)

    def conclude(self, error: float, state: Any, relaxed: bool) -> bool | None:
        """Takes what the visit found, as of `Itinerary`."""
        if self._again:
            self._accept(_Minimum(self._targets[-1].control, error, state, relaxed))
            return None
        if self._arrived is not None and self._anchor is not None:
            jumped = abs(error - self._anchor.error) > JUMP * self.error_scale
            surveyed = not self.exact
            if jumped:
                self._exact_until = self._reached + 1
            if jumped and surveyed:
                self._return()
                return None
        return super().conclude(error, state, relaxed)

    @property
    def _again(self) -> bool:
        """Whether the visit is to where the anchor is, to relax it exactly."""
        return bool(self._passed) and self._passed[-1].target.stage == self._targets[-1].stage

    def _accept(self, found: _Minimum) -> None:
        if self.refine:
            before = self._passed[:-1] if self._again else self._passed
            self._passed = [*before, _Passed(self._targets[-1], found, self.exact)][-2:]
        super()._accept(found)

    def _return(self) -> None:
        """Goes back to the last minimum but one, or to the last that was relaxed exactly."""
        self._arrived = None
        while not self._passed[-1].exact:
            self._targets.append(self._passed[-1].target)
            if len(self._passed) == 1:
                break
            self._passed.pop()
        self._anchor = self._passed[-1].found
