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
from spinodal.analysis.curves import CURVE, own_observables
from spinodal.analysis.diverged import diverged, held_together, known
from spinodal.analysis.elsewhere import told_elsewhere
from spinodal.analysis.resolution import shown
from spinodal.analysis.transitions import ALONGSIDE
from spinodal.records import SCHEMA
from spinodal.records.writer import UNREADABLE, read_whole, write_whole


class finding:  # noqa: N801 (used like property)
    """A table that is found when it is first read: from what was kept, or else by its function."""

    def __init__(self, find: Callable[[Findings], pl.DataFrame]) -> None:
        self.find = find
        self.__doc__ = find.__doc__

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

    Args:
        records: As `read_records` returns them, of one campaign. Rows of replicas that diverged are left out.
        kept: Where tables are kept; without it they live as long as this object.

    Attributes:
        records: Those rows that are states of a network.
        branches: Rows of relaxed networks, with noise or without.
        quiet: Rows of relaxed networks that no noise has carried on.
    """

    tables: ClassVar[tuple[str, ...]] = ()
    """Names of all of them."""

    inner: ClassVar[frozenset[str]] = frozenset(
        {"found", "shown", "unresolved", "curvature_transitions", "accuracy_agreement", "before_onset"}
        | {"seed_jumps", "milestones"}
    )
    """Those that others are made from, and that are no files of their own."""

    def __init__(self, records: pl.DataFrame, kept: Kept | None = None) -> None:
        self.records = known(held_together(records, diverged(records)))
        self.branches = self.records.filter(pl.col("escaped").is_null(), pl.col("trained_steps").is_null())
        self.quiet = self.branches.filter(pl.col("hold_time").is_null())
        self.kept = kept

    @cached_property
    def _all(self) -> Branches:
        """The branches, on which jumps of E are found once for all."""
        return branches_of(self.branches)

    @cached_property
    def _quiet(self) -> Branches:
        return self._all.filter(pl.col("hold_time").is_null())

    @cached_property
    def _curved(self) -> Branches:
        return self._all.among(self.curved)

    @finding
    def found(self) -> pl.DataFrame:
        """Transitions in E, as `find_transitions` returns them, with own observables on either side."""
        return analysis.find_transitions(self._all, alongside=(*ALONGSIDE, *own_observables(self.branches)))

    @finding
    def transitions(self) -> pl.DataFrame:
        """Transitions in E next to those that theory predicts: see `compare` and `told_elsewhere`."""
        return told_elsewhere(analysis.compare(self.found, self.branches), self._all, self.onset_under_noise)

    @finding
    def survey(self) -> pl.DataFrame:
        """Where E seems to jump on rows of a survey, which are no evidence: see `apparent_jumps`."""
        return apparent_jumps(self.quiet, self.found)

    @finding
    def unresolved(self) -> pl.DataFrame:
        """Stretches of λ in which E moves steeply without a jump: see the function of this name."""
        return analysis.unresolved(self._all, self.found)

    @finding
    def shown(self) -> pl.DataFrame:
        """Transitions that theory's own E shows on the rows of up branches: see the function of this name."""
        return shown(self.quiet.filter(branch="up"))

    @finding
    def curvature_transitions(self) -> pl.DataFrame:
        """Transitions in R, looked at alone."""
        return analysis.find_transitions(self._curved, "scalar_curvature")

    @finding
    def agreement(self) -> pl.DataFrame:
        """Jumps of E and of R side by side: see the function of this name."""
        return analysis.agreement(self._curved)

    @finding
    def accuracy_agreement(self) -> pl.DataFrame:
        """Jumps of the accuracy and of R side by side, without noise: see the function of this name."""
        return analysis.accuracy_agreement(self.curved.filter(pl.col("hold_time").is_null()))

    @finding
    def foresight(self) -> pl.DataFrame:
        """Predictions of each transition from what precedes it: see the function of this name."""
        return analysis.foresight(self._curved, self.transitions)

    @finding
    def before_onset(self) -> pl.DataFrame:
        """Rows that precede the onset of learning: see the function of this name."""
        return analysis.before_onset(self._curved, self.transitions)

    @finding
    def rescaled(self) -> pl.DataFrame:
        """R before the onset of learning in several units of E: see the function of this name."""
        return analysis.rescaled(self.before_onset)

    @finding
    def dependence(self) -> pl.DataFrame:
        """Transitions along each axis on which networks differ in nothing else: see the function of this name."""
        return analysis.dependence(self.quiet, self.transitions)

    @finding
    def seed_jumps(self) -> pl.DataFrame:
        """Jumps of each seed at the transitions of `dependence`: see the function of this name."""
        return analysis.seed_jumps(self._quiet, self.dependence)

    @finding
    def hysteresis(self) -> pl.DataFrame:
        """Loops, transition by transition: see the function of this name."""
        return analysis.hysteresis(self._quiet)

    @finding
    def coexistence(self) -> pl.DataFrame:
        """Where two phases have equal 𝓛: see the function of this name."""
        return analysis.coexistence(self._quiet)

    @finding
    def escape_times(self) -> pl.DataFrame:
        """Mean escape times: see the function of this name."""
        return analysis.escape_times(self.records)

    @finding
    def arrhenius(self) -> pl.DataFrame:
        """Arrhenius laws: see `arrhenius_laws`."""
        return analysis.arrhenius_laws(self.records, self.escape_times)

    @finding
    def onset_under_noise(self) -> pl.DataFrame:
        """The onset of learning both ways, temperature by temperature: see the function of this name."""
        return analysis.onset_under_noise(self.branches)

    @finding
    def milestones(self) -> pl.DataFrame:
        """When each trained network fitted and generalised: see the function of this name."""
        return analysis.milestones(self.records)

    @finding
    def grokking(self) -> pl.DataFrame:
        """The same over seeds, with geometry: see the function of this name."""
        return analysis.grokking(self.milestones)

    @finding
    def delays(self) -> pl.DataFrame:
        """How these times fall with λ: see `control_exponents`."""
        return analysis.control_exponents(self.milestones)

    @finding
    def delays_noise(self) -> pl.DataFrame:
        """How much longer they are under noise: see `noise_ratios`."""
        return analysis.noise_ratios(self.milestones)

    @cached_property
    def claims(self) -> pl.DataFrame:
        """Verdicts on all claims that the records speak of: see `judged`. Not kept: users have claims of their own."""
        return judged(self)

    @cached_property
    def curved(self) -> pl.DataFrame:
        """Rows of branches of curves on which R was measured."""
        return self.branches.filter(pl.col("scalar_curvature").is_not_null().any().over(CURVE))

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
