"""Itineraries on model systems whose jumps are known: no network, no training."""

import itertools
from bisect import bisect

import pytest

from spinodal.protocols import Itinerary, SurveyItinerary, trajectories


class Steps:
    """A system that loses a feature at each of `spinodals` on the way up and regains it at `returns` on the way down.

    Its state is the number of features lost. Within a phase E rises smoothly, steepest just below the spinodal.
    """

    def __init__(self, spinodals, returns=()):
        self.spinodals, self.returns = list(spinodals), list(returns)

    def relax(self, lost, l2):
        lost = max(lost, bisect(self.spinodals, l2))
        while lost and lost <= len(self.returns) and l2 < self.returns[lost - 1]:
            lost -= 1
        return lost

    def relaxed(self, l2):
        return True

    def error(self, lost, l2):
        ahead = self.spinodals[lost] if lost < len(self.spinodals) else None
        bend = 0.05 * (1 - max(0.0, 1 - l2 / ahead) ** 0.5) if ahead else 0.0
        return 0.1 * lost + bend


def travel(system, protocol, l2, refine, answers=None, restarted=False):
    """Rows by stage, and the number of visits; into `answers` goes what is known of each row in the end."""
    (trajectory,) = trajectories(protocol, l2, [0])
    itinerary = Itinerary(trajectory, refine)
    state, rows = (len(system.spinodals) if trajectory.unlearned else 0), {}
    answers = {} if answers is None else answers
    visits = 0
    while not itinerary.finished:
        visits += 1
        assert visits < 5000
        visit = itinerary.visit
        state = system.relax(state if visit.start is None else visit.start, visit.control)
        error = system.error(state, visit.control)
        if visit.stage is not None:
            stage = visit.stage
            rows[stage] = (visit.branch, visit.control, state)
        assert itinerary.stages == (None if refine else len(trajectory.path))
        answers[stage] = itinerary.conclude(error, state, relaxed=system.relaxed(visit.control))
        assert visit.stage is None or answers[stage] is None  # not before it was taken back
        if restarted:
            itinerary = Itinerary.from_state_dict(itinerary.state_dict())
    assert itinerary.stages == len(rows)
    return rows, visits


def brackets(rows, branch):
    """Neighbouring λ of a branch with different numbers of lost features."""
    here = sorted((l2, lost) for b, l2, lost in rows.values() if b == branch)
    return [(a[0], b[0], b[1] - a[1]) for a, b in itertools.pairwise(here) if a[1] != b[1]]


SPINODALS = [0.0605, 0.1195, 0.2362]


def test_without_refinement_the_path_is_followed_as_it_is():
    l2 = [0.05, 0.1, 0.15, 0.3]
    rows, visits = travel(Steps(SPINODALS), "loop", l2, refine=0)
    assert [rows[stage][1] for stage in range(7)] == [0.05, 0.1, 0.15, 0.3, 0.15, 0.1, 0.05]
    assert visits == 7


@pytest.mark.parametrize(
    "l2", [[0.02, 0.4], [0.02, 0.06, 0.1, 0.15, 0.4], [0.02 * 1.1**k for k in range(33)]]
)
@pytest.mark.parametrize("refine", [2, 4])
def test_every_jump_is_bracketed_wherever_the_path_started(l2, refine):
    rows, visits = travel(Steps(SPINODALS), "up", l2, refine)
    found = brackets(rows, "up")
    assert [lost for *_, lost in found] == [1, 1, 1]
    for (low, high, _), exact in zip(found, SPINODALS, strict=True):
        assert low < exact <= high
        assert high / low - 1 <= 10.0**-refine
    assert visits < 3 * len(l2) + 3 * 5 * 20


def test_two_jumps_at_nearly_the_same_place_are_told_apart():
    rows, _ = travel(Steps([0.1, 0.1005]), "up", [0.05, 0.2], refine=4)
    assert [lost for *_, lost in brackets(rows, "up")] == [1, 1]


def test_the_way_down_is_refined_too():
    system = Steps([0.1, 0.2], returns=[0.02, 0.03])
    rows, _ = travel(system, "loop", [0.01, 0.05, 0.3], refine=3)
    found = brackets(rows, "down")
    assert [pytest.approx(low, rel=2e-3) for low, *_ in found] == [0.02, 0.03]
    down, _ = travel(system, "down", [0.01, 0.05, 0.3], refine=3)
    assert brackets(down, "down") == found


def test_a_continuous_transition_is_not_bisected():
    """Depth 2: reversible at every λ, kink or not."""

    class Kink:
        spinodals = ()

        def relax(self, lost, l2):
            return 0

        def relaxed(self, l2):
            return True

        def error(self, lost, l2):
            return min(l2, 0.5) ** 2

    l2 = [0.1, 0.3, 0.6, 0.9]
    rows, visits = travel(Kink(), "up", l2, 5, answers := {})
    assert answers == {0: None, 1: True, 2: True, 3: True}
    assert len(rows) == 4
    assert visits == 4 + 3


def test_l2_of_zero_is_no_place_to_bisect_towards():
    rows, _ = travel(Steps([0.1], returns=[0.05]), "loop", [0.0, 0.2], refine=3)
    assert len(rows) >= 3


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("refine", [1, 3])
@pytest.mark.parametrize("protocol", ["up", "down", "loop"])
def test_the_last_answer_of_each_row_is_about_its_neighbour_among_the_final_rows(protocol, refine, restarted):
    """Whichever rows bisection has put between it and the one it was first taken back to."""
    system, answers = Steps(SPINODALS, returns=[0.02, 0.1, 0.12]), {}
    rows, _ = travel(system, protocol, [0.01, 0.05, 0.11, 0.15, 0.4], refine, answers, restarted)
    jumps = 0
    for branch in {branch for branch, _, _ in rows.values()}:
        here = [(l2, lost, answers[stage]) for stage, (own, l2, lost) in rows.items() if own == branch]
        path = sorted(here, reverse=branch == "down")
        for (_, before, _), (_, lost, restored) in itertools.pairwise(path):
            assert restored == (lost == before)
        jumps += sum(restored is False for *_, restored in path)
        first = path[0][2]
        assert first is (True if protocol == "loop" and branch == "down" else None)
    assert jumps == (6 if protocol == "loop" else 3)


def test_what_did_not_relax_answers_nothing():
    """Neither a row that is no minimum, nor the one after it, nor one taken back to where it does not relax."""

    class Slow(Steps):
        def relaxed(self, l2):
            return l2 != 0.2

    travel(Slow([0.35]), "up", [0.1, 0.2, 0.3, 0.4, 0.5], 1, answers := {})
    assert answers == {0: None, 1: None, 2: None, 3: True, 4: True, 5: True, 6: False}


def test_a_loop_between_two_rows_is_not_seen():
    """Restored is not the same as continuous: on the way back it jumps, too."""
    rows, _ = travel(Steps([0.1], returns=[0.05]), "down", [0.01, 0.2], 3, answers := {})
    assert [lost for _, _, lost in rows.values()] == [1, 0]
    assert answers == {0: None, 1: True}


def test_a_jump_that_is_too_small_to_tell_from_a_change_is_neither():
    class Faint(Steps):
        def error(self, lost, l2):
            return 5e-4 * lost

    rows, _ = travel(Faint([0.15]), "up", [0.1, 0.2, 0.3], 2, answers := {})
    assert len(rows) == 3
    assert answers == {0: None, 1: None, 2: True}


def test_without_refinement_nothing_is_known():
    travel(Steps(SPINODALS), "loop", [0.05, 0.15, 0.3], 0, answers := {})
    assert set(answers.values()) == {None}


class Coarse(Steps):
    """A system whose survey leaves E a little off, and, beside a spinodal, in the phase that has just ended."""

    late = 1.02

    def survey(self, lost, l2):
        return max(lost, bisect([self.late * at for at in self.spinodals], l2))


def surveyed(system, l2, refine, protocol="up"):
    """Rows by stage, (λ, features lost, exact), and the cost in exact visits; goes through checkpoints."""
    (trajectory,) = trajectories(protocol, l2, [0])
    itinerary, state, rows, exact = SurveyItinerary(trajectory, refine), 0, {}, 0
    while not itinerary.finished:
        visit = itinerary.visit
        start = state if visit.start is None else visit.start
        state = (system.relax if visit.exact else system.survey)(start, visit.control)
        error = system.error(state, visit.control) + (0 if visit.exact else 4e-4 * (visit.stage is None))
        if visit.stage is not None:
            rows[visit.stage] = (visit.control, state, visit.exact)
        exact += visit.exact
        assert itinerary.conclude(error, state, relaxed=visit.exact) in (
            (None, True, False) if visit.exact else (None,)
        )
        itinerary = SurveyItinerary.from_state_dict(itinerary.state_dict())
    assert itinerary.stages == len(rows)
    return sorted(rows.values()), exact


def test_a_survey_without_refinement_is_the_path_and_nothing_exact():
    rows, exact = surveyed(Coarse(SPINODALS), [0.05, 0.1, 0.15, 0.3], 0)
    assert rows == [(0.05, 0, False), (0.1, 1, False), (0.15, 2, False), (0.3, 3, False)]
    assert exact == 0


@pytest.mark.parametrize("late", [1.0, 1.02, 1.09])
@pytest.mark.parametrize(
    "l2", [[0.02, 0.4], [0.02, 0.06, 0.1, 0.15, 0.4], [0.02 * 1.1**k for k in range(33)]]
)
def test_a_refined_survey_is_exact_on_both_sides_of_each_jump(l2, late):
    """Also where the survey has not noticed the end of a phase in time: the row before is relaxed exactly, too."""
    system = Coarse(SPINODALS)
    system.late = late
    rows, exact = surveyed(system, l2, 3)
    good = [(at, lost) for at, lost, how in rows if how]
    jumps = [(a[0], b[0]) for a, b in itertools.pairwise(good) if a[1] != b[1]]
    assert len(jumps) == 3
    for (low, high), at in zip(jumps, SPINODALS, strict=True):
        assert low < at <= high
        assert high / low - 1 <= 1e-3
        if len(l2) == 33:
            beside = [i for i, row in enumerate(rows) if row[0] in (low, high)]
            assert all(how for _, _, how in rows[beside[0] - 1 : beside[1] + 2])
    if len(l2) == 33:
        assert sum(not how for *_, how in rows) > 12
    assert exact < 3 * 2 * (12 + 6)
