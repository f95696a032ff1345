"""A campaign to be reported on: its folder, what was found in it, and the way to its figures, files and commands."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.figure import Figure

from spinodal.analysis.findings import Findings, Kept, key_of
from spinodal.campaign import read_attempts, read_launches
from spinodal.errors import UserError, ours
from spinodal.records import read_records
from spinodal.report.drawing import Drawings
from spinodal.report.given_up import without_diverged
from spinodal.report.networks import Curve, Network, make_networks
from spinodal.report.notation import Notation
from spinodal.report.page import Picture
from spinodal.report.summary import Summary, summarise


class Campaign:
    """What the sections of a report are made from.

    Args:
        folder: Of the campaign. Records that are still being added to are read as far as they are.
        drawings: To draw in.
        patterns: As of `make_networks`.

    Attributes:
        folder: Of the campaign.
        report: The folder of its page, figures and tables.
        known: Whether there was a report of the same records before.
        read: The records as they were read.
        given_up: As `without_diverged` returns it.
        found: All that the records show.
        notation: Of its text and figures.
        summary: What was run.

    Raises:
        UserError: If there is no such campaign, it has no records, or a pattern matches nothing.
    """

    def __init__(self, folder: Path, drawings: Drawings, patterns: Sequence[str] = ()) -> None:
        if not folder.is_dir():
            raise UserError(f"{folder}: no such campaign; campaigns are folders under outputs/")
        self.folder, self.report = folder, folder / "report"
        # Of the files as they are before they are read: they may grow.
        key = key_of(
            file for each in ("records", "attempts") for file in (folder / each).glob("*") if file.is_file()
        )
        place = self.report / "findings"
        self.known = (place / key).is_dir()
        kept = Kept(place, key).read("records") if self.known else None
        self.read, whole = _read(folder) if kept is None else (kept, False)
        records, self.given_up = without_diverged(folder, self.read)
        with writing(self.report):
            self.report.mkdir(exist_ok=True)
            self._kept = Kept(place, key)
            if whole:
                self._kept.write("records", self.read)  # one file is read sooner than one of every job
        self.found = Findings(records, self._kept)
        self.notation = Notation.of(self.read)
        self.summary: Summary = summarise(folder, self.read)
        self._drawings, self._patterns = drawings, patterns

    @property
    def name(self) -> str:
        """Of the campaign."""
        return self.folder.resolve().name

    @property
    def page(self) -> Path:
        """Of its file."""
        return self.report / "report.html"

    @cached_property
    def networks(self) -> list[Network]:
        """Return the networks whose branches were followed, with noise or without."""
        found = self.found
        return make_networks(found.branches, found.transitions, found.unresolved, self._patterns)

    @property
    def drawn(self) -> list[Network]:
        """Return those of the networks that are drawn."""
        return [network for network in self.networks if network.drawn]

    @property
    def curves(self) -> list[Curve]:
        """Return the curves of all networks."""
        return [curve for network in self.networks for curve in network.curves]

    def draw(self, name: str, draw: Callable[..., Figure], *arguments: Any) -> Path:
        """Draw a figure, unless that of the same records is there already: one of a user's own is always drawn.

        Args:
            name: Of its files.
            draw: Makes the figure from the arguments; a function of a module.
            arguments: Of `draw`.

        Returns:
            The path of its files, without suffix.
        """
        mark = self._kept.mark(name) if ours(draw) else None
        return self._drawings.add(self.report / name, self.notation, mark, draw, *arguments)

    def picture(
        self,
        path: Path,
        alt: str,
        title: str = "",
        caption: str = "",
        curves: Sequence[Curve] = (),
        jobs_of: Iterable[str] = (),
        shows: Iterable[tuple[object, ...]] = (),
        wide: bool = False,
    ) -> Picture:
        """Return a figure for the page, with the commands that compute again what it shows.

        Args:
            path: As `draw` returns it.
            alt: What stands for it where it cannot be seen.
            title: Above its caption.
            caption: Below it.
            curves: That it shows.
            jobs_of: Jobs that computed what it shows, beside those of the curves.
            shows: Identities of curves that it shows, beside those of the curves.
            wide: Whether it takes the whole width of the page.
        """
        jobs = {*jobs_of}.union(*(curve.records["job"].drop_nulls().unique() for curve in curves))
        identities = frozenset([*shows, *(curve.identity for curve in curves)])
        return Picture(path, alt, caption, title, self._again(jobs), shows=identities, wide=wide)

    def _again(self, jobs: Iterable[str]) -> list[str]:
        """Return commands that compute jobs again, point by point the same, from the configurations in the records."""
        records, again = self.folder / "records", f"{self.name}-again"
        place = self.folder.parent / again
        elsewhere = [f"campaign={again}", f"paths.campaign={place}", f"hydra.run.dir={place / 'jobs'}"]
        return [
            shlex.join(["spinodal", "run", "--config-dir", str(records), "--config-name", job, *elsewhere])
            for job in sorted(jobs)
            if (records / f"{job}.yaml").is_file()
        ]


def launches(campaign: Path) -> dict[str, str]:
    """Return what was typed to make a campaign, oldest first, with the time in UTC.

    The planner leaves it in `launches/`. Of the same command the first is left; where the folder is gone there is none.
    """
    found: dict[str, str] = {}
    for launch in read_launches(campaign):
        found.setdefault(
            launch["command"], f"{datetime.fromtimestamp(launch['when'], UTC):%Y-%m-%d %H:%M:%S}"
        )
    return found


def report_command(folder: Path) -> str:
    """Return what makes a page again."""
    return shlex.join(["spinodal", "report", str(folder)])


def _read(folder: Path) -> tuple[pl.DataFrame, bool]:
    """Return the records, and whether every file of them could be read: about one that could not there is a warning."""
    try:
        with warnings.catch_warnings(record=True) as broken:
            warnings.simplefilter("always")
            table = read_records(folder)
    except UserError as error:
        failures = [each for attempt in read_attempts(folder) for each in attempt.failures]
        if not failures:
            raise
        points = sum(len(each.points) for each in failures)
        raise UserError(
            f"{folder}: no records to read; {points} points failed, the first: {failures[0].error} "
            f"(spinodal status {folder} --failed says more)"
        ) from error
    for each in broken:
        warnings.warn(each.message, stacklevel=2)
    return table, not broken


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Refuse what cannot be written into a folder.

    Raises:
        UserError: In place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise UserError(f"{folder}: the report cannot be written ({error.strerror})") from error
