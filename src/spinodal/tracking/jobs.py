"""Jobs, as their files tell of them: what W&B is told, live or later, is made from these alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import yaml  # type: ignore[import-untyped]

from spinodal.campaign import Origin, origin_of
from spinodal.records import read_records

MIRROR = "spinodal.tracking.mirror.Mirror"
"""The logger of ours, as configurations name it."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Job:
    """A job.

    Attributes:
        configuration: Resolved, in plain containers; empty if it is lost.
        records: Their file.
        origin: Of the campaign.
    """

    configuration: Mapping[str, Any]
    records: Path = Path()
    origin: Origin = field(default_factory=Origin)

    @property
    def name(self) -> str:
        """Its identity."""
        return self.records.stem

    @property
    def logger(self) -> Mapping[str, Any]:
        """How it is mirrored."""
        return self.configuration.get("logger") or {}

    @property
    def mirrored(self) -> bool:
        """Whether its logger is ours."""
        return self.logger.get("_target_") == MIRROR and self.logger.get("mode") != "disabled"

    @property
    def where(self) -> tuple[str, str | None]:
        """Project and entity on W&B."""
        return self.logger.get("project") or "spinodal", self.logger.get("entity")

    @property
    def online(self) -> bool:
        """Whether its runs go to the server at once."""
        return self.logger.get("mode") == "online"


def read_job(records: Path, origin: Origin) -> Job:
    """Read the configuration of a job, which lies beside its records."""
    path = records.with_suffix(".yaml")
    found = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER) if path.exists() else None
    return Job(found if isinstance(found, dict) else {}, records, origin)


def jobs_of(campaign: Path) -> Iterator[tuple[Job, pl.DataFrame]]:
    """Return the jobs of a campaign, each with the records of the points that are its own.

    Raises:
        UserError: If it has no records.
    """
    origin = origin_of(campaign)
    # A point belongs to one job, even if another has begun it, too.
    owned = read_records(campaign).with_columns(pl.col("job").first().over("point").alias("_owner"))
    for (owner,), rows in owned.partition_by("_owner", maintain_order=True, as_dict=True).items():
        yield read_job(campaign / "records" / f"{owner}.parquet", origin), rows.drop("_owner")


def campaigns_below(folder: Path) -> list[Path]:
    """Return the campaigns in a folder, at any depth: those that have records; it may be one itself."""
    if any((folder / "records").glob("*.parquet")):
        return [folder]
    inner = [each for each in sorted(folder.iterdir()) if each.is_dir() and not each.is_symlink()]
    return [campaign for each in inner for campaign in campaigns_below(each)]
