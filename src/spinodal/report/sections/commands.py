"""The commands that made the campaign, and those that make any part of it again."""

from __future__ import annotations

from collections.abc import Sequence

from spinodal.report.campaign import Campaign
from spinodal.report.commands import launches, report_command
from spinodal.report.section import Section, section


@section("commands", "Commands", place=150)
def commands(campaign: Campaign) -> Section:
    """Return what was typed, and what makes this page again."""
    given: list[tuple[str, Sequence[str]]] = []
    if known := launches(campaign.folder):
        lines = [line for launch in known for line in (f"# {launch.when}", launch.command)]
        given.append(("What was run:", lines))
    given.append(
        ("All figures and tables of this page, from the records:", [report_command(campaign.folder)])
    )
    notes = [
        "Below each figure stands what computes the same points again, from the configuration in its records."
    ]
    return Section(notes, commands=given)
