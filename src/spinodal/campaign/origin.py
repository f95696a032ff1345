"""How the results of a campaign came about: by which attempts, on which machines, by which commands."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from spinodal.campaign.attempts import Attempt, alive, read_attempts
from spinodal.campaign.launches import read_launches
from spinodal.campaign.sweeps import Sweeps, sweeps_of


@dataclass(frozen=True)
class Origin:
    """How the results of a campaign came about.

    Attributes:
        folder: Of the campaign.
        attempts: By pack, the oldest first.
        living: Numbers of those that are alive.
        launches: Commands, the oldest first.
        sweeps: What they sweep.
    """

    folder: Path = Path()
    attempts: Mapping[str, Sequence[Attempt]] = field(default_factory=dict)
    living: frozenset[int] = frozenset()
    launches: Sequence[Mapping[str, Any]] = ()
    sweeps: Sweeps = field(default_factory=Sweeps)

    def attempt(self, pack: str, points: Iterable[str]) -> Attempt | None:
        """Return the last attempt of a pack at some of its points."""
        wanted, attempts = {*points}, reversed(self.attempts.get(pack, ()))
        return next((each for each in attempts if wanted & {*each.points}), None)

    def running(self, pack: str, points: Iterable[str]) -> bool:
        """Return whether a process computes some points of a pack."""
        last = self.attempt(pack, points)
        return last is not None and last.number in self.living

    def outcome(self, pack: str, points: Sequence[str]) -> Literal["failed", "interrupted"]:
        """Return how it ended for points of a pack that lack stages, whatever has begun with them again."""
        over = {pack: [each for each in self.attempts.get(pack, ()) if each.number not in self.living]}
        last = replace(self, attempts=over).attempt(pack, points)
        given_up = last and (last.state in ("failed", "too large") or last.failed.keys() & {*points})
        return "failed" if given_up else "interrupted"

    def stated(self, pack: str, points: Iterable[str]) -> dict[str, Any]:
        """Return what leads back from points of a pack: folder, host, SLURM's job, command and overrides."""
        found: dict[str, Any] = {"folder": str(self.folder.resolve()), "job": pack}
        last = self.attempt(pack, points)
        if last is None:
            return found
        began = f"{datetime.fromtimestamp(last.began, UTC):%Y-%m-%dT%H:%M:%SZ}"
        found |= {"host": last.process.host, "pid": last.process.pid, "attempt": last.number, "began": began}
        if re.fullmatch(r"\d+_\d+", last.where):
            found["slurm_job"] = last.where
        before = [each for each in self.launches if each["when"] <= last.began]
        of_it = [each for each in before if pack in (each.get("packs") or ())]
        for launch in (of_it or before)[-1:]:
            found |= {"command": launch["command"], "overrides": list(launch.get("overrides") or ())}
        return found


def origin_of(campaign: Path) -> Origin:
    """Read how the results of a campaign came about.

    Args:
        campaign: Its folder.
    """
    attempts, launches = read_attempts(campaign), list(read_launches(campaign))
    by_pack: dict[str, list[Attempt]] = defaultdict(list)
    for each in attempts:
        by_pack[each.pack].append(each)
    living = frozenset(each.number for each in alive(campaign, attempts))
    return Origin(campaign, by_pack, living, launches, sweeps_of(launches))
