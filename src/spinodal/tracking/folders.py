"""The folders of runs that W&B has left in a campaign, and which of them tell all of their run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MARKER = "closed.json"
"""In the folder of a run that has come to its end, whichever: after a kill, W&B's own file does not say so."""


@dataclass(frozen=True)
class Folder:
    """What one run has left on disk."""

    path: Path
    id: str
    project: str
    entity: str | None
    outcome: str
    complete: bool
    rows: int
    uploaded: bool
    """By the run itself, online, or by a later sync."""


def run_folders(campaign: Path) -> list[Path]:
    """All that may hold a run, oldest first: those of its jobs, of its report, and of a rebuilt mirror."""
    found = [path for place in ("wandb", "rebuilt/wandb") for path in (campaign / place).glob("*run-*-*/")]
    return sorted(found, key=lambda path: path.name.partition("run-")[2])


def read_folder(path: Path) -> Folder | None:
    """What the folder of a run that was closed says of it; None if it was not, or is somebody else's."""
    try:
        marker = json.loads((path / MARKER).read_text(encoding="utf-8"))
        uploaded = marker.pop("uploaded") or any(path.glob("*.wandb.synced"))
        return Folder(path=path, uploaded=uploaded, **marker)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def closed_runs(campaign: Path) -> Iterator[Folder]:
    """Every run that was closed, oldest first."""
    return filter(None, map(read_folder, run_folders(campaign)))


def complete_runs(campaign: Path, project: str) -> set[str]:
    """Of a project, the ids of the runs of which a folder tells everything."""
    return {each.id for each in closed_runs(campaign) if each.complete and each.project == project}
