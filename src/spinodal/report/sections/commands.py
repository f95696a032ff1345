"""The commands that made the campaign, and those that make any part of it again."""

from __future__ import annotations

from spinodal.report.campaign import Campaign, launches, report_command
from spinodal.report.section import Section, section


@section("commands", "Commands", place=150)
def commands(campaign: Campaign) -> Section:
    """Return what was typed, and what makes this page again."""
    typed = [line for command, when in launches(campaign.folder).items() for line in (f"# {when}", command)]
    again = [report_command(campaign.folder)]
    given = [("What was run:", typed), ("All figures and tables of this page, from the records:", again)]
    notes = [
        "Below each figure stands what computes the same points again, from the configuration in its records."
    ]
    return Section(notes, commands=[each for each in given if each[1]])
