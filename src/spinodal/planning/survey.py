"""What a campaign has of the points asked for: done, being computed, failed, begun, or nothing yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from spinodal.campaign import Attempt, Failure, alive, checkpoint_file, read_attempts

DEADLY = 3
"""Times in a row that a point alone in its job may be killed without progress, before it is given up."""


@dataclass(frozen=True)
class Survey:
    """The state of a campaign at one moment, point by point.

    Attributes:
        done: points with every stage in the records, whoever asked for them.
        running: points that some process computes, and its attempt.
        failed: points given up, and why; nobody has tried again since.
        stopped: points somebody began to compute and did not finish.
        attempts: at each point that was ever begun, how many.
        history: every attempt, the first one first.
        living: numbers of those that are alive.
    """

    done: Set[str]
    running: Mapping[str, Attempt]
    failed: Mapping[str, Failure]
    stopped: Mapping[str, Attempt]
    attempts: Mapping[str, int]
    history: Sequence[Attempt]
    living: Set[int]


def survey(campaign: Path) -> Survey:
    """Look at a campaign; a folder that is not there yet has nothing."""
    history = read_attempts(campaign)
    living = {each.number for each in alive(campaign, history)}
    # After the attempts: what has ended by now has written its records before.
    done = _done(campaign, {each.pack for each in history})
    running: dict[str, Attempt] = {}
    failed: dict[str, Failure] = {}
    stopped: dict[str, Attempt] = {}
    for attempt in history:
        gave_up = attempt.failed
        for point in attempt.points:
            for state in (running, failed, stopped):
                state.pop(point, None)
            if point in done:
                continue
            if point in gave_up:
                failed[point] = gave_up[point]
            elif attempt.number in living:
                running[point] = attempt
            else:
                stopped[point] = attempt
    for point in stopped:
        if reason := _deadly(campaign, [each for each in history if point in each.points]):
            failed[point] = Failure((point,), *reason)
    stopped = {point: each for point, each in stopped.items() if point not in failed}
    counted = Counter(point for each in history for point in each.points)
    return Survey(done, running, failed, stopped, counted, history, living)


def _deadly(campaign: Path, attempts: Sequence[Attempt]) -> tuple[str, str] | None:
    """What there is to say of a point whose attempts only ever die."""
    last = attempts[-DEADLY:]
    if len(last) < DEADLY or any(
        each.state != "running" or each.rows or len(each.points) > 1 for each in last
    ):
        return None
    try:
        if checkpoint_file(campaign, last[-1].pack).stat().st_mtime > last[0].began:
            return None  # within its stage it gets on
    except OSError:
        pass
    where = [f"{each.process.host} {each.process.pid} {each.where}".rstrip() for each in last]
    return f"killed {DEADLY} times without a trace", "killed without a trace: " + ", ".join(where)


def _done(campaign: Path, jobs: Iterable[str]) -> Set[str]:
    if not (campaign / "records").is_dir():
        return frozenset()
    from spinodal.records import finished_points  # takes half a second, which a new campaign need not wait

    return finished_points(campaign, jobs)
