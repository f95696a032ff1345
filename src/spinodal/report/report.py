"""The report of a campaign: its sections, made and written as one page with figures and tables beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spinodal.analysis.findings import Findings
from spinodal.errors import named
from spinodal.report.campaign import Campaign, writing
from spinodal.report.drawing import Drawings, Look
from spinodal.report.page import Picture, write_page
from spinodal.report.section import Registered, Section, sections

MANY = 4
"""From so many curves on, a second process is worth its start."""


@dataclass(frozen=True, eq=False)
class Report:
    """The sections of a campaign's page."""

    campaign: Campaign
    sections: list[tuple[Registered, Section]]
    csvs: list[Path]

    @property
    def page(self) -> Path:
        """Of its file."""
        return self.campaign.page

    @property
    def found(self) -> Findings:
        """Return all that was found in the campaign."""
        return self.campaign.found

    @property
    def results(self) -> list[str]:
        """What was found, in a few lines."""
        return [line for _, each in self.sections for line in each.results]

    @property
    def pictures(self) -> list[tuple[str, Picture]]:
        """Every picture, with the name of its section."""
        return [(one.name, picture) for one, each in self.sections for picture in each.pictures]


def make_report(
    campaign: Path, patterns: Sequence[str] = (), second_process: bool = False, look: Look | None = None
) -> Report:
    """Find what a campaign shows and put it into its folder `report`: page, CSV and figures.

    Args:
        campaign: Its folder. Records that are still being added to are read as far as they are.
        patterns: Of the names of the networks to draw, as in "*-K3-*"; by default all, or a choice of many.
        second_process: Whether to draw in two, as `Drawings` does.
        look: Of the figures, for a paper.

    Raises:
        UserError: If there is no such campaign, it has no records, its folder cannot be written to, or a pattern
            matches nothing.
    """
    with Drawings(look) as drawings:
        subject = Campaign(campaign, drawings, patterns)
        drawings.second = second_process and subject.summary.curves >= MANY
        if not subject.known:
            drawings.start()  # there will be something to draw
        with writing(subject.report):
            made = [(each, content) for each in sections() if (content := _made(each, subject)) is not None]
            drawings.finish()
            report = Report(subject, made, _write_tables(subject))
            _write(report)
    return report


def _made(one: Registered, campaign: Campaign) -> Section | None:
    """Make a section.

    Raises:
        UserError: If it is of a user's own and fails, or is none.
    """
    with named(f"section {one.name}", one.make):
        section = one.make(campaign)
        if not isinstance(section, Section | None):
            raise TypeError(f"{one.make.__qualname__} must return a Section or None, not {section!r}")
    return campaign.notation.section(section)


def _write_tables(campaign: Campaign) -> list[Path]:
    """Write every table of the findings that has rows, as CSV."""
    written = []
    for name in (each for each in Findings.tables if each not in Findings.inner):
        table, file = getattr(campaign.found, name), campaign.report / f"{name}.csv"
        if len(table) or name == "transitions":
            table.write_csv(file)
            written.append(file)
    return written


def _write(report: Report) -> None:
    campaign = report.campaign
    summary, curves = campaign.summary, len(campaign.curves)
    many = f"{summary.rows:,} states along {curves} {'curve' if curves == 1 else 'curves'}"
    write_page(
        report.page,
        report.sections,
        title=campaign.name,
        campaign=str(campaign.folder),
        about=f"Phase transitions in regularised deep networks: {many}, {campaign.notation.loss}.",
        results=report.results,
        unfinished=f"{summary.points - summary.finished} of {summary.points}" if summary.running else "",
        files="Tables as CSV and figures as PDF and PNG lie beside this page.",
    )
