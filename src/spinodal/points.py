"""The state of every point of a campaign at one moment, from any machine that sees its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spinodal.campaign import Attempt, Pack, read_packs, waiting_here
from spinodal.cluster import Waiting, ended, queued
from spinodal.errors import UserError
from spinodal.planning import Survey, named, replaced, survey

STATES = ("done", "running", "starting", "queued", "failed", "stopped", "never started")
"""What a point can be. Starting: its process is there, and has not begun with it. Queued: it waits for its turn, on
SLURM or here. Stopped: begun, and its process has ended; the same command continues."""


@dataclass(frozen=True)
class Point:
    """A point of a campaign, and its state.

    Attributes:
        name: its identity.
        pack: the last it was put into.
        state: one of `STATES`.
        unknown: whether it was planned before the content of a user's own modules was noted.
    """

    name: str
    pack: Pack
    state: str
    unknown: bool

    @property
    def curve(self) -> str:
        """What it shares with its like."""
        return self.pack.part_of[self.name].curve

    @property
    def seed(self) -> int:
        """Of its replica."""
        return self.pack.points[self.name].seed

    @property
    def control(self) -> str:
        """Its path, from where to where."""
        path = self.pack.points[self.name].path
        ends = dict.fromkeys((path[0], max(path), path[-1]))
        return " … ".join(f"{value:.4g}" for value in ends)


@dataclass(frozen=True)
class Status:
    """A campaign at one moment."""

    campaign: Path
    points: Sequence[Point]
    found: Survey
    unplanned: int
    """Points in the records that no pack is known of: made without the planner, or by an older version."""
    unread: int
    """Packs that cannot be read: another version's, of protocols whose paths it did not write down, or broken."""
    queued: Mapping[str, Waiting]
    """By name, packs that SLURM has."""
    ended: Mapping[str, Waiting]
    """By name, packs with points left, whose last job has ended: where SLURM keeps accounts of that."""

    @property
    def running(self) -> list[Attempt]:
        """What is being computed."""
        return [each for each in self.found.history if each.number in self.found.living]


def look(campaign: Path) -> Status:
    """Look at a campaign.

    Raises:
        UserError: If nothing has been run in this folder.
    """
    found, packs = survey(campaign), read_packs(campaign)
    unread = len(list((campaign / "packs").glob("*.json"))) - len(packs)
    if not (packs or unread or found.done):
        raise UserError(f"{campaign}: nothing has been run there")
    last = {point: pack for pack in packs for point in pack.points}
    last |= {point: pack for pack in packs for point in pack.points if _is_at(pack, point, found)}
    there = queued(campaign) or {}
    busy = {each.where for each in found.history if each.number in found.living}
    waits: dict[str, str] = dict(waiting_here(campaign, found.history, found.living))
    for name, each in there.items():
        waits[name] = "starting" if each.state == "RUNNING" and each.job not in busy else "queued"
    waiting = {point: waits[pack.name] for pack in packs if pack.name in waits for point in pack.points}
    gone = replaced(last, found, {*found.done, *found.running, *waiting})
    unknown = {part.curve for pack in packs for part in pack.parts if is_unknown(part.config)}
    points = [
        Point(point, pack, _state(point, found, waiting), pack.part_of[point].curve in unknown)
        for point, pack in last.items()
        if point not in gone
    ]
    left = {point.pack.name for point in points if point.state in ("stopped", "never started")}
    over = {pack: how for pack, how in ended(campaign).items() if pack in left} if left else {}
    return Status(campaign, points, found, len(found.done - last.keys()), unread, there, over)


def _state(point: str, found: Survey, waiting: Mapping[str, str]) -> str:
    groups = {
        "done": found.done,
        "running": found.running,
        waiting.get(point, ""): waiting,
        "failed": found.failed,
        "stopped": found.stopped,
    }
    return next((state for state, points in groups.items() if point in points), "never started")


def _is_at(pack: Pack, point: str, found: Survey) -> bool:
    attempt = found.running.get(point) or found.stopped.get(point)
    return attempt is not None and attempt.pack == pack.name


def is_unknown(config: Mapping[str, Any]) -> bool:
    """Return whether a curve was planned before the content of a user's own modules was noted.

    Args:
        config: of the curve.
    """
    return "modules" not in config and bool(named(config))
