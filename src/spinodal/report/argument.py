"""The argument: what several campaigns come to together in each claim, and the page on which it stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from spinodal.analysis.claims import Verdict, claims, silent
from spinodal.analysis.claims.rules import AGREE, CONTRADICT, NONE, PLACED, PRECISE, SEEN, Quantity
from spinodal.analysis.deviation import RESOLUTION
from spinodal.errors import UserError
from spinodal.report.campaign import Campaign, launches, report_command
from spinodal.report.drawing import Drawings
from spinodal.report.names import capitalised
from spinodal.report.numbers import number, with_error
from spinodal.report.page import Picture, write_page
from spinodal.report.report import Report, make_report
from spinodal.report.section import Registered, Section
from spinodal.report.table import Cell, Group, Row, Table, columns

KINDS = {"confirmed": "good", "not confirmed": "bad", "not decided": "open"}

RULES = (
    f"Judged from the records alone. A measurement agrees with its prediction within {AGREE:g} stated errors, "
    f"those after ±, of both in quadrature, and contradicts it beyond {CONTRADICT:g}; in between nothing is decided, "
    f"nor where the error is above {100 * PRECISE:g} % of what is predicted ({100 * PLACED:.1f} % for λ of "
    f"transitions). What is claimed to be there must be {SEEN:g} errors from zero, what is claimed not to be there "
    f"within {NONE:g}. No error of a transition is below {RESOLUTION:g} of its value, as far as minima are resolved. "
    "A row about several things is as good as the worst of them. What a run too coarse, too short, or of too few seeds "
    "cannot show is not decided: the reason names what to run."
)


@dataclass(frozen=True, eq=False)
class Argument:
    """What a folder of campaigns comes to."""

    folder: Path
    """Of the campaigns."""
    reports: list[Report]
    """Of each."""
    judged: list[tuple[Verdict, Report | None]]
    """Every verdict, with the report whose records it rests on; None where no records speak of its claim."""

    @property
    def page(self) -> Path:
        """Of the file."""
        return self.folder / "report.html"

    @property
    def markdown(self) -> Path:
        """Of the file with the verdicts alone."""
        return self.folder / "verdicts.md"

    def seen_in(self, claim: str = "") -> set[Path]:
        """Return the figures in which the verdicts on a claim are seen, or those on all, without suffix."""
        ruled = ((each, of) for each, of in self.judged if of is not None and claim in ("", each.claim))
        return {path for each, of in ruled if (path := seen(of, each)) is not None}

    def table(self, pictures: Sequence[Picture] = ()) -> Table:
        """Return the verdicts, claim by claim.

        Args:
            pictures: That rows lead to, where they show what a verdict is about.
        """
        links = {picture.path: Cell("figure", link=f"#{picture.id}") for picture in pictures}
        groups = [
            Group(
                each.sentence, [self._row(*ruled, links) for ruled in self.judged if ruled[0].claim == name]
            )
            for name, each in claims().items()
        ]
        header = columns("case", "predicted", "measured", "verdict", "why", "seen in", words=6)
        header[-1] = header[-1]._replace(brief=False)
        return Table("Claims", header, groups, brief=True)

    def _row(self, verdict: Verdict, report: Report | None, links: dict[Path, Cell]) -> Row:
        link = Cell("")
        if report is not None:
            page = Cell("report", link=report.page.relative_to(self.folder).as_posix())
            link = links.get(seen(report, verdict) or Path(), page)
        return (
            verdict.case or "all of it",
            written(verdict.predicted),
            written(verdict.measured),
            Cell(verdict.decision, KINDS[verdict.decision]),
            verdict.reason,
            link,
        )


def seen(report: Report, verdict: Verdict) -> Path | None:
    """Return the figure in which a verdict is seen, without suffix; None if that is not drawn."""
    for section, picture in report.pictures:
        if section == verdict.section and verdict.curve in picture.shows:
            return picture.path
    return None


def written(quantities: Sequence[Quantity], most: int = 5) -> str:
    """Return numbers with their names and errors, in a line.

    Args:
        quantities: Predicted, or measured.
        most: At most so many without a name; of more, the last.
    """
    unnamed = [each for each in quantities if not each.name]
    parts = [", ".join([*["…"][: len(unnamed) > most], *map(_number, unnamed[-most:])])] if unnamed else []
    parts += [f"{each.name} {_number(each)}".strip() for each in quantities if each.name]
    return "; ".join(parts)


def _number(quantity: Quantity) -> str:
    if quantity.error is None:
        return number(quantity.value, 3 if quantity.unit else 5) + quantity.unit
    return with_error(quantity.value, quantity.error) + quantity.unit


def campaigns_in(folder: Path) -> list[Path]:
    """Return the campaigns of a folder that is none itself."""
    if (folder / "records").is_dir() or not folder.is_dir():
        return []
    return sorted(each for each in folder.iterdir() if any((each / "records").glob("*.parquet")))


def judge(folder: Path) -> Argument:
    """Judge all claims by the records of a campaign, or of every campaign of a folder, and draw nothing."""
    found = (Campaign(each, Drawings()).found for each in campaigns_in(folder) or [folder])
    return Argument(folder, [], [(verdict, None) for each in found for verdict in each.verdicts])


def make_argument(folder: Path, second_process: bool = False) -> Argument:
    """Report on every campaign of a folder, judge all claims by their records, and write the page and the table.

    Raises:
        UserError: As `make_report`, or if the folder holds no campaigns or cannot be written to.
    """
    folders = campaigns_in(folder)
    if not folders:
        raise UserError(f"{folder}: no campaigns in it; spinodal run makes them")
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        each_of = progress.track(folders, description="reports")
        reports = [make_report(each, second_process=second_process) for each in each_of]
    judged: list[tuple[Verdict, Report | None]] = [
        (verdict, report) for report in reports for verdict in report.found.verdicts
    ]
    judged += [(each, None) for each in silent(verdict for verdict, _ in judged)]
    order = list(claims())
    judged.sort(key=lambda each: order.index(each[0].claim))
    argument = Argument(folder, reports, judged)
    try:
        _write(argument)
        argument.markdown.write_text(argument.table().markdown(), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{argument.page}: cannot be written ({error.strerror})") from error
    return argument


def _write(argument: Argument) -> None:
    wanted = argument.seen_in()
    pictures = [
        replace(each, folder=f"{report.page.parent.relative_to(argument.folder).as_posix()}/")
        for report in argument.reports
        for _, each in report.pictures
        if each.path in wanted
    ]
    counts: Counter[str] = Counter(verdict.decision for verdict, _ in argument.judged)
    summaries = [report.campaign.summary for report in argument.reports]
    running = [each for each in summaries if each.running]
    left = sum(each.points - each.finished for each in running)
    rows = sum(each.rows for each in summaries)
    verdicts = Section([RULES], tables=[argument.table(pictures)])
    write_page(
        argument.page,
        [
            (Registered("verdicts", "Verdicts"), verdicts),
            *_claims(argument, pictures),
            (Registered("campaigns", "Campaigns"), _campaigns(argument)),
        ],
        title="Verdicts",
        campaign=str(argument.folder),
        about="First-order phase transitions in regularised deep networks, claim by claim: "
        f"{rows:,} states in {len(argument.reports)} campaigns, 𝓛(θ) = E(θ) + λ‖θ‖².",
        results=[f"{counts[decision]} {decision}" for decision in KINDS if counts[decision]],
        unfinished=f"{left} of {sum(each.points for each in running)}" if running else "",
        files="Figures as PDF and PNG and tables as CSV lie in the reports of the campaigns.",
    )


def _claims(argument: Argument, pictures: Sequence[Picture]) -> Iterator[tuple[Registered, Section]]:
    """Yield the figures of each claim."""
    for name, each in claims().items():
        wanted = argument.seen_in(name)
        if shown := [picture for picture in pictures if picture.path in wanted]:
            yield Registered(name, each.sentence, capitalised(name)), Section(pictures=shown)


def _campaigns(argument: Argument) -> Section:
    rows, commands = [], []
    for report in argument.reports:
        campaign, page = report.campaign, report.page.relative_to(argument.folder).as_posix()
        size, found = f"{campaign.summary.points:,} points", "; ".join(report.results)
        rows.append((Cell(campaign.name, link=page), size, found, campaign.summary.wall_time))
        commands.append((f"{campaign.name}:", [*launches(campaign.folder)]))
    commands.append(("This page, from the records:", [report_command(argument.folder)]))
    header = columns("campaign", "size", "found", "computed for", words=4)
    return Section(tables=[Table("With pages of their own", header, [Group("", rows)])], commands=commands)
