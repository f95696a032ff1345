"""A bar over all jobs of a launch: how much of it is done, and how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from spinodal.campaign import pack_file, read_attempts, read_pack

EVERY = 2.0
"""Seconds between two looks at what the jobs have written down."""


class LaunchProgress(Progress):
    """How many jobs have ended, and, by the stages that the others say they have done, the time left.

    Args:
        campaign: its folder.
        packs: that are launched.
        console: to draw on.
    """

    def __init__(self, campaign: Path, packs: Sequence[str], console: Console) -> None:
        self._bar: TaskID | None = None  # before there is one, rich asks for what to draw
        super().__init__(
            TextColumn("{task.fields[ended]}/{task.fields[jobs]} jobs"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=console,
            transient=True,
            refresh_per_second=2,
            speed_estimate_period=300,
        )
        self._campaign, self._looked = campaign, 0.0
        asked = [read_pack(pack_file(campaign, name)) for name in packs]
        self._stages = {
            pack.name: sum(len(each.path) for each in pack.points.values()) or 1 for pack in asked
        }
        self._over: set[str] = set()
        self._before = {each.number for each in read_attempts(campaign)}
        self._bar = self.add_task("jobs", total=sum(self._stages.values()), ended=0, jobs=len(self._stages))

    def ended(self, pack: str) -> None:
        """Take a job that has ended for done."""
        self._over.add(pack)
        self._looked = 0.0

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bar, as it is now."""
        if self._bar is not None and time.monotonic() - self._looked > EVERY:
            self._looked = time.monotonic()
            self.update(self._bar, completed=self._done(), ended=len(self._over))
        return super().get_renderables()

    def _done(self) -> int:
        """Stages, summed over points. Refinement makes more of them than were asked for."""
        said = {
            each.pack: each.rows for each in read_attempts(self._campaign) if each.number not in self._before
        }
        return sum(
            stages if pack in self._over else min(said.get(pack, 0), stages)
            for pack, stages in self._stages.items()
        )
