"""Submissions: what a batch system was given to compute, written down before it is given."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from spinodal.files import write_atomically


@dataclass(frozen=True)
class Submission:
    """One array of jobs.

    Attributes:
        name: unlike any other of the campaign's.
        campaign: its folder, absolute.
        tasks: by place in the array, names of the packs that a job computes, one after the other.
        overrides: by pack, what all its points share, as it was typed.
        code: folder of the code that jobs run.
        logs: folder of their logs, and of the script.
        folder: where the command was given.
        user: who gave it.
        environment: variables that jobs have, besides those of the command.
        restarts: how often a job may go back to the queue.
        job: the batch system's number of the array; None before it has answered.
    """

    name: str
    campaign: str
    tasks: Sequence[Sequence[str]]
    overrides: Mapping[str, Sequence[str]]
    code: str
    logs: str
    folder: str
    user: str
    environment: Mapping[str, str] = field(default_factory=dict)
    restarts: int = 0
    job: str | None = None


def submission_file(campaign: Path, name: str) -> Path:
    """Where a submission is written down."""
    return campaign / "submissions" / f"{name}.json"


def write_submission(submission: Submission) -> Path:
    """Write a submission down, whole or not at all.

    Returns:
        The file.

    Raises:
        UserError: If it cannot be written.
    """
    path = submission_file(Path(submission.campaign), submission.name)
    write_atomically(path, json.dumps(asdict(submission), indent=1).encode())
    return path


def read_submission(path: Path) -> Submission:
    """Read what `write_submission` has written.

    Raises:
        OSError: If there is no such file.
        ValueError: If the file is none.
    """
    try:
        return Submission(**json.loads(path.read_bytes()))
    except TypeError as error:
        raise ValueError(f"{path}: no submission of this version") from error


def read_submissions(campaign: Path) -> list[Submission]:
    """All of a campaign that can be read, the oldest first."""
    found = []
    for path in sorted((campaign / "submissions").glob("*.json")):
        try:
            found.append(read_submission(path))
        except (OSError, ValueError):
            continue  # another version's
    return found
