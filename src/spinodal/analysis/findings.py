"""What a campaign shows: one table per question, each found once, when it is first asked for, and kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

import spinodal
from spinodal import analysis
from spinodal.analysis.apparent import apparent_jumps
from spinodal.analysis.branches import Branches, branches_of
from spinodal.analysis.claims import Verdict, judged, verdicts
from spinodal.analysis.curves import CURVE, QUIET, own_observables
from spinodal.analysis.diverged import diverged, held_together, known
from spinodal.analysis.elsewhere import told_elsewhere
from spinodal.analysis.transitions import ALONGSIDE
from spinodal.records import SCHEMA
from spinodal.records.writer import UNREADABLE, read_whole, write_whole


class finding:  # noqa: N801 (used like property)
    """A table that is found when it is first read: from what was kept, or else by its function."""

    def __init__(self, find: Callable[[Findings], pl.DataFrame]) -> None:
        self.find = find

    def __set_name__(self, owner: type[Findings], name: str) -> None:
        self.name = name
        owner.tables = (*owner.tables, name)

    def __get__(self, findings: Findings | None, owner: type[Findings]) -> Any:
        if findings is None:
            return self
        table = findings.kept.read(self.name) if findings.kept else None
        if table is None:
            table = self.find(findings)
            if findings.kept:
                findings.kept.write(self.name, table)
        findings.__dict__[self.name] = table  # which Python finds first from now on
        return table


class Kept:
    """Tables in a folder, as long as what they were made from is the same.

    Args:
        folder: Of a folder of the name of the key, which has a Parquet file each. What is of other keys is removed.
        key: Of the records and the program they are made with: see `key_of`.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder / key
        if not self.folder.is_dir():
            shutil.rmtree(folder, ignore_errors=True)
            self.folder.mkdir(parents=True)

    def read(self, name: str) -> pl.DataFrame | None:
        """Read a table; None if it has not been kept, or not as a whole."""
        try:
            return read_whole(self.folder / f"{name}.parquet")
        except UNREADABLE:
            return None

    def write(self, name: str, table: pl.DataFrame) -> None:
        """Keep a table."""
        write_whole(self.folder / f"{name}.parquet", table)

    def mark(self, name: str) -> Path:
        """Return the empty file whose presence states that a figure shows the same records."""
        return self.folder / f"{name}.drawn"


def key_of(files: Iterable[Path]) -> str:
    """Return a hash of the content of files, and of the source of this program.

    Args:
        files: Whose order does not matter.
    """
    source = Path(spinodal.__file__).parent.rglob("*.py")
    found = blake2b(digest_size=16)
    for file in (*sorted(source), *sorted(files)):
        found.update(file.name.encode())
        found.update(file.read_bytes())
    return found.hexdigest()


class Findings:
    """All that records show. Every table is found once, from the others where it needs them.

    What a table holds stands with the function of `analysis` that finds it.

    Args:
        records: As `read_records` returns them, of one campaign. Rows of replicas that diverged are left out.
        kept: Where tables are kept; without it they live as long as this object.

    Attributes:
        records: Those rows that are states of a network.
        branches: Rows of relaxed networks, with noise or without.
        quiet: Rows of relaxed networks that no noise has carried on.
        curved: Rows of branches of curves on which R was measured.
    """

    tables: ClassVar[tuple[str, ...]] = ()
    """Names of all of them."""

    inner: ClassVar[frozenset[str]] = frozenset(
        {"found", "unresolved", "curvature_transitions", "accuracy_agreement", "before_onset"}
        | {"seed_jumps", "milestones"}
    )
    """Those that others are made from, and that are no files of their own."""

    def __init__(self, records: pl.DataFrame, kept: Kept | None = None) -> None:
        self.records = known(held_together(records, diverged(records)))
        self.branches = self.records.filter(pl.col("escaped").is_null(), pl.col("trained_steps").is_null())
        self.quiet = self.branches.filter(QUIET)
        self.kept = kept

    @cached_property
    def curved(self) -> pl.DataFrame:  # noqa: D102 (an attribute)
        return self.branches.filter(pl.col("scalar_curvature").is_not_null().any().over(CURVE))

    @cached_property
    def _all(self) -> Branches:
        """The branches, on which jumps of E are found once for all."""
        return branches_of(self.branches)

    @cached_property
    def _quiet(self) -> Branches:
        return self._all.filter(QUIET)

    @cached_property
    def _curved(self) -> Branches:
        return self._all.among(self.curved)

    @finding
    def found(self) -> pl.DataFrame:
        """Transitions in E, with own observables on either side."""
        return analysis.find_transitions(self._all, alongside=(*ALONGSIDE, *own_observables(self.branches)))

    @finding
    def transitions(self) -> pl.DataFrame:
        """The same next to those that theory predicts."""
        return told_elsewhere(analysis.compare(self.found, self.branches), self._all, self.onset_under_noise)

    survey = finding(lambda self: apparent_jumps(self.quiet, self.found))
    unresolved = finding(lambda self: analysis.unresolved(self._all, self.found))
    curvature_transitions = finding(lambda self: analysis.find_transitions(self._curved, "scalar_curvature"))
    agreement = finding(lambda self: analysis.agreement(self._curved))
    accuracy_agreement = finding(lambda self: analysis.accuracy_agreement(self.curved.filter(QUIET)))
    foresight = finding(lambda self: analysis.foresight(self._curved, self.transitions))
    before_onset = finding(lambda self: analysis.before_onset(self._curved, self.transitions))
    rescaled = finding(lambda self: analysis.rescaled(self.before_onset))
    dependence = finding(lambda self: analysis.dependence(self.quiet, self.transitions))
    seed_jumps = finding(lambda self: analysis.seed_jumps(self._quiet, self.dependence))
    hysteresis = finding(lambda self: analysis.hysteresis(self._quiet))
    coexistence = finding(lambda self: analysis.coexistence(self._quiet))
    escape_times = finding(lambda self: analysis.escape_times(self.records))
    arrhenius = finding(lambda self: analysis.arrhenius_laws(self.records, self.escape_times))
    onset_under_noise = finding(lambda self: analysis.onset_under_noise(self.branches))
    milestones = finding(lambda self: analysis.milestones(self.records))
    grokking = finding(lambda self: analysis.grokking(self.milestones))
    delays = finding(lambda self: analysis.control_exponents(self.milestones))
    delays_noise = finding(lambda self: analysis.noise_ratios(self.milestones))

    @cached_property
    def claims(self) -> pl.DataFrame:
        """Verdicts on all claims that the records speak of: see `judged`. Not kept: users have claims of their own."""
        return judged(self)

    @property
    def verdicts(self) -> list[Verdict]:
        """Return the claims as `Verdict`."""
        return verdicts(self.claims)


def find(records: pl.DataFrame) -> Findings:
    """Find what records show.

    Args:
        records: As `read_records` returns them, of one campaign.

    Returns:
        An object with a table for each question, found when it is first read.

    Raises:
        ValueError: If columns of `records.SCHEMA` are missing.
    """
    missing = [name for name in SCHEMA if name not in records.columns]
    if missing:
        raise ValueError(
            f"records without {', '.join(missing)}: find takes them as read_records returns them"
        )
    return Findings(records)
