"""From the folders of a campaign to the server: run by run, and every run once."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile

from spinodal.tracking.environment import afresh
from spinodal.tracking.folders import Folder, read_folder, run_folders

WANDB = (sys.executable, "-m", "wandb")

BATCH = 40
"""Runs that one `wandb sync` gets: its start takes seconds."""

STALLED = 300.0
"""Seconds without any run done after which a `wandb sync` is ended. It waits out a server's rate limits itself."""

EMPTY = 7
"""Bytes of a run file that W&B has only opened."""


@dataclass
class Inventory:
    """What a campaign has, and what is to be done with it."""

    waiting: list[Folder] = field(default_factory=list)
    """To be uploaded."""
    uploaded: int = 0
    """Are there already."""
    superseded: int = 0
    """Parts of runs of which another folder tells more: left by jobs that were stopped, and continued."""
    unclosed: list[Path] = field(default_factory=list)
    """Still running, or killed."""
    broken: list[Path] = field(default_factory=list)
    """Closed, but without anything to upload."""


def take_inventory(campaign: Path) -> Inventory:
    """Look through the folders that W&B has left in a campaign.

    Args:
        campaign: Its folder.
    """
    found = Inventory()
    runs: dict[tuple[str, str, str | None], list[Folder]] = {}
    for path in run_folders(campaign):
        folder = read_folder(path)
        if folder is None:
            found.unclosed.append(path)
        elif not any(file.stat().st_size > EMPTY for file in path.glob("*.wandb")):
            found.broken.append(path)
        else:
            runs.setdefault((folder.id, folder.project, folder.entity), []).append(folder)
    for folders in runs.values():
        # The last of those that tell most: they are sorted by time.
        chosen = max(reversed(folders), key=lambda each: (each.complete, each.rows))
        found.superseded += len(folders) - 1
        if chosen.uploaded:
            found.uploaded += 1
        else:
            found.waiting.append(chosen)
    told = {folder.id for folders in runs.values() for folder in folders}
    found.superseded += sum(_id(path) in told for path in found.unclosed)
    found.unclosed = [path for path in found.unclosed if _id(path) not in told]
    return found


def upload(
    folders: Sequence[Folder],
    parallel: int,
    options: Sequence[str] = (),
    advance: Callable[[int], None] = lambda count: None,
) -> dict[Path, str]:
    """Upload runs with W&B's own command; each is marked in its folder once it is there.

    Args:
        folders: Of the runs.
        parallel: So many at a time.
        options: More for `wandb sync`.
        advance: Is told how many more are done.

    Returns:
        Why not, of those that did not go.
    """
    failed: dict[Path, str] = {}
    for batch in _batches([folder.path for folder in folders]):
        _sync(batch, parallel, options, advance)
        # One broken file keeps a whole batch from going, with exit code 0: what is left goes alone.
        for path in filter(_waiting, batch):
            reason = _sync([path], 1, options, advance)
            if _waiting(path):
                failed[path] = reason
    return failed


def _sync(
    paths: Sequence[Path], parallel: int, options: Sequence[str], advance: Callable[[int], None]
) -> str:
    """Runs `wandb sync`, and returns what it had to say last."""
    command = [*WANDB, "sync", "--yes", "--include-online", "-n", str(parallel)]
    # The key travels in the environment or in the user's netrc file, never among the arguments.
    environment = {name: value for name, value in afresh().items() if name != "WANDB_SILENT"}
    with TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            [*command, *options, *map(str, paths)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        left, moved, stalled = len(paths), time.monotonic(), False
        try:
            while not stalled:
                try:
                    process.wait(timeout=0.5)
                except subprocess.TimeoutExpired:
                    stalled = time.monotonic() - moved > STALLED
                now = sum(map(_waiting, paths))
                if now < left:
                    advance(left - now)
                    left, moved = now, time.monotonic()
                if process.returncode is not None:
                    break
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        if stalled:
            return f"nothing went for {STALLED:.0f} s"
        output.seek(0)
        return _last_word(output.read().splitlines())


def _last_word(lines: Sequence[str]) -> str:
    said = [line.removeprefix("wandb:").strip() for line in lines]
    errors = [line for line in said if "error" in line.lower()] or said or ["wandb sync said nothing"]
    return errors[-1].removeprefix("ERROR").strip()[:200]


def _waiting(path: Path) -> bool:
    return not any(path.glob("*.wandb.synced"))


def _id(path: Path) -> str:
    """As W&B names the folder: offline-run-<date>_<time>-<id>, with a number if there is one of that name."""
    return re.sub(r"-\d{1,2}$", "", path.name.partition("run-")[2].partition("-")[2])


def _batches(paths: Sequence[Path]) -> Iterator[Sequence[Path]]:
    yield from (paths[first : first + BATCH] for first in range(0, len(paths), BATCH))
