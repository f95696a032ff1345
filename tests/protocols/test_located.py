"""Visits of a replica whose minima are followed: in a world of phases that end at known λ."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from spinodal.protocols import BISECTED, Ending, ExactItinerary, Visit
from spinodal.protocols.located import OFFSET
from spinodal.protocols.trajectory import loop, up

ENDS = (0.13, 0.1302, 0.3)
"""λ at which phases 0, 1 and 2 end as λ rises; phase 3 is the last."""
BACK = (0.0, 0.02, 0.03, 0.12)
"""λ at which they end as it falls."""


@dataclass
class World:
    """States are numbers of phases. E grows with λ in each, and from one to the next."""

    lost: tuple[float, float] | None = None
    """No minimum is followed across these λ."""
    walks: list[tuple[float, float]] = field(default_factory=list)
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)

    def error(self, phase: int, control: float) -> float:
        return 0.2 * phase + 0.1 * control

    def relaxed(self, phase: int, control: float) -> int:
        while phase < 3 and control > ENDS[phase]:
            phase += 1
        while phase > 0 and control < BACK[phase]:
            phase -= 1
        return phase

    def walked(self, phase: int, start: float, end: float) -> Ending:
        self.walks.append((start, end))
        low, high = sorted((start, end))
        if self.lost and low < self.lost[1] and self.lost[0] < high:
            return Ending("lost", float("nan"), float("nan"), self.error(phase, start), reason="no way")
        stops = ENDS[phase] if end > start and phase < 3 else BACK[phase] if end < start else None
        if stops is None or not low <= stops <= high:
            return Ending("none", float("nan"), float("nan"), self.error(phase, end), pitchforks=(end,))
        onwards = phase + (1 if end > start else -1)
        return Ending("fold", stops, 1e-12, self.error(phase, stops), onwards)

    def follow(self, itinerary: ExactItinerary, between: Callable[[ExactItinerary], ExactItinerary]) -> None:
        phase, minimum = 0, 0
        for _ in range(500):
            if itinerary.finished:
                return
            visit: Visit = itinerary.visit
            phase = minimum if visit.start is None else visit.start
            if visit.walked_from is not None:
                assert visit.stage is None
                ending = self.walked(phase, visit.walked_from, visit.control)
                itinerary.conclude(ending.error, phase, True, ending)
            else:
                minimum = self.relaxed(phase, visit.control)
                error = self.error(minimum, visit.control)
                itinerary.conclude(error, minimum, True)
                if visit.stage is not None:
                    known = {"control": visit.control, "phase": minimum, "branch": visit.branch}
                    self.rows[visit.stage] = known | itinerary.columns
            itinerary = between(itinerary)
        pytest.fail("no end")

    def sorted(self) -> list[dict[str, Any]]:
        return sorted(self.rows.values(), key=lambda row: row["control"])


def same(itinerary: ExactItinerary) -> ExactItinerary:
    return itinerary


def restored(itinerary: ExactItinerary) -> ExactItinerary:
    return ExactItinerary.from_state_dict(itinerary.state_dict())


@pytest.mark.parametrize("between", [same, restored])
def test_two_jumps_between_neighbours_on_the_path_are_both_located(
    between: Callable[[ExactItinerary], ExactItinerary],
) -> None:
    world = World()
    world.follow(ExactItinerary(up([0.1, 0.2, 0.4], 0)[0], BISECTED, 1.0), between)
    rows = world.sorted()
    assert [row.get("located") for row in rows] == [None, None, 0.13, None, 0.1302, None, None, 0.3, None]
    assert [row["phase"] for row in rows] == [0, 0, 1, 1, 2, 2, 2, 3, 3]
    for before, after in itertools.pairwise(rows):
        if at := after.get("located"):
            assert before["control"] == pytest.approx(at * (1 - OFFSET), rel=1e-12)
            assert after["control"] == pytest.approx(at * (1 + OFFSET), rel=1e-12)
            assert after["located_E"] == pytest.approx(world.error(before["phase"], at))
            assert (after["located_kind"], after["located_error"]) == ("fold", 1e-12)
    assert [row.get("reversible") for row in rows] == [None, *[not row.get("located") for row in rows[1:]]]
    assert world.walks[0] == (0.1, 0.2)
    assert world.walks[1] == (pytest.approx(0.13 * (1 + OFFSET), rel=1e-12), 0.2)


def test_both_ways_of_a_loop_end_where_their_own_minima_do() -> None:
    world = World()
    world.follow(ExactItinerary(loop([0.1, 0.2, 0.4], 0)[0], BISECTED, 1.0), same)
    falling = [row for row in world.sorted() if row["branch"] == "down"]
    assert [row["located"] for row in falling if "located" in row] == [0.12]
    assert [row["phase"] for row in falling] == [2, 2, 3, 3]


def test_an_end_next_to_a_value_of_the_path_needs_no_row_between() -> None:
    """Jumps lie nearer to λ of the path than the rows that are put beside them."""
    world = World()
    path = [0.1, 0.13 * (1 + OFFSET / 2), 0.3 * (1 - OFFSET / 2), 0.4]
    world.follow(ExactItinerary(up(path, 0)[0], BISECTED, 1.0), same)
    rows = world.sorted()
    assert [row["phase"] for row in rows] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert [row["control"] for row in rows if row.get("located") == 0.13] == [path[1]]
    assert [row.get("located") for row in rows][-3:] == [None, 0.3, None]
    assert rows[-3]["control"] == path[2]


def test_a_way_that_is_lost_is_bisected() -> None:
    world = World(lost=(0.25, 0.35))
    world.follow(ExactItinerary(up([0.1, 0.2, 0.4], 0)[0], BISECTED, 1.0), restored)
    rows = world.sorted()
    last = [row for row in rows if row["phase"] == 2][-1], next(row for row in rows if row["phase"] == 3)
    assert last[0]["control"] <= 0.3 <= last[1]["control"]
    assert last[1]["control"] / last[0]["control"] < 1 + 2 * 10**-BISECTED
    assert [row["control"] for row in rows if row.get("not_followed") == "no way"] == [0.4]
    assert [row["located"] for row in rows if "located" in row] == [0.13, 0.1302]


def test_a_replica_that_is_thrown_out_of_the_minimum_it_followed_is_bisected() -> None:
    """A perturbation, at the start of a stage, makes it fall at λ = 0.25, where no minimum ends."""

    class Perturbed(World):
        def relaxed(self, phase: int, control: float) -> int:
            return super().relaxed(3 if control > 0.25 else phase, control)

    world = Perturbed()
    world.follow(ExactItinerary(up([0.1, 0.2, 0.28], 0)[0], BISECTED, 1.0), same)
    rows = world.sorted()
    before, after = ([row["control"] for row in rows if row["phase"] == phase] for phase in (2, 3))
    assert max(before) <= 0.25 <= min(after)
    assert min(after) / max(before) < 1 + 2 * 10**-BISECTED
