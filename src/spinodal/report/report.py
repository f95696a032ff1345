"""What was found in a campaign."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from spinodal.report.curvature import CurvatureReport
from spinodal.report.dependence import Family
from spinodal.report.escape import Hold
from spinodal.report.given_up import given_up_told
from spinodal.report.grokking import Grokking, Times
from spinodal.report.groups import CurveReport, Group
from spinodal.report.hysteresis import HysteresisReport
from spinodal.report.phases import PhaseDiagram
from spinodal.report.sheet import verdicts
from spinodal.report.summary import Summary
from spinodal.report.thermal import NoisyLoops

FOLLOWED = pl.col("escaped").is_null() & pl.col("trained_steps").is_null()
"""Rows of branches, which the sections about transitions are about."""

NOISELESS = pl.col("hold_time").is_null()
"""Rows of branches that no noise has carried on: loops under noise have a section of their own."""


@dataclass(frozen=True, eq=False)
class Report:
    """Everything that its page tells, and what it was found in."""

    campaign: Path
    records: pl.DataFrame
    """Without the rows of replicas that diverged."""
    summary: Summary
    groups: list[Group]
    csv: Path
    """The transitions of all curves."""
    phases: list[PhaseDiagram]
    """Of networks that were run at more than one complexity."""
    curvature: CurvatureReport | None
    """None if R was measured nowhere."""
    families: list[Family]
    """Networks that differ in one thing."""
    hysteresis: HysteresisReport | None
    """None without a way up and down of one network."""
    holds: list[Hold]
    """Phases held under noise."""
    noisy_loops: list[NoisyLoops]
    """Taken through λ under noise."""
    grokking: list[Grokking]
    """Trained for a number of steps."""
    grokking_times: Times | None
    """None if there is nothing to draw them against."""
    unfinished: pl.DataFrame
    """As the function of that name returns it."""
    given_up: pl.DataFrame
    """As `without_diverged` returns it."""
    page: Path

    @property
    def verdicts(self) -> list[str]:
        """What was found, in a few lines."""
        lines = verdicts(self.groups) if self.groups else []
        lines += [each.told for each in self.told_apart]
        return [*lines, *given_up_told(self.given_up, self.summary.points)]

    @property
    def told_apart(self) -> list[Hold | NoisyLoops | Grokking | Times]:
        """What has sections of its own."""
        times = [self.grokking_times] if self.grokking_times else []
        return [*self.holds, *self.noisy_loops, *self.grokking, *times]

    @property
    def followed(self) -> pl.DataFrame:
        """Rows of branches: neither held under noise until they left, nor trained without being relaxed."""
        return self.records.filter(FOLLOWED)

    @property
    def curves(self) -> list[CurveReport]:
        """Of all groups."""
        return [curve for group in self.groups for curve in group.curves]
