"""Launches: what was typed to make a campaign, and all that it takes to type it again."""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any, Literal

import spinodal
from spinodal.campaign.attempts import Attempt
from spinodal.campaign.machine import Process, runs_here
from spinodal.files import write_atomically

SAID = ("SPINODAL_", "CUDA_VISIBLE", "SLURM_", "OMP_", "MKL_", "PYTORCH_", "CUBLAS_", "WANDB_MODE")
"""Beginnings of environment variables that can matter to results. No others: they may hold secrets."""


def write_launch(
    campaign: Path,
    overrides: Iterable[str],
    schema: int,
    defaults: Mapping[str, Any],
    keys: Iterable[str],
    **more: Any,
) -> Path:
    """Write down a command and what it ran with, in a file of its own that nothing overwrites.

    Args:
        campaign: its folder.
        overrides: as typed after `spinodal run`.
        schema: of the code's results.
        defaults: what keys are that nobody gives a value, by choice of groups.
        keys: that the command gives one.
        more: that is to be said, as plain containers.

    Returns:
        The file.

    Raises:
        UserError: If it cannot be written.
    """
    now = time.time()
    stamp = time.strftime("%Y-%m-%d_%H-%M-%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}"
    content = {
        "command": shlex.join(["spinodal", "run", *overrides]),
        "overrides": list(overrides),
        "when": now,
        "folder": os.getcwd(),
        "executable": sys.executable,
        "commit": commit(),
        "uncommitted": sorted(_uncommitted()),
        "versions": {"python": platform.python_version(), **dict(_versions())},
        "machine": {"host": platform.node(), "platform": platform.platform(), "cores": os.cpu_count()},
        "environment": {name: value for name, value in sorted(os.environ.items()) if name.startswith(SAID)},
        "schema": schema,
        "defaults": defaults,
        "keys": list(keys),
        **more,
    }
    path = campaign / "launches" / f"{stamp}.json"
    write_atomically(path, json.dumps(content, indent=1, ensure_ascii=False).encode())
    return path


def waiting_here(
    campaign: Path, attempts: Sequence[Attempt], living: Set[int]
) -> Mapping[str, Literal["starting", "queued"]]:
    """By name, packs that a command of this machine is going to compute, and has not begun with.

    Args:
        campaign: its folder.
        attempts: of the campaign.
        living: numbers of those that are alive.

    Returns:
        "starting" for those whose process imports what it needs, "queued" for those that wait for another pack to end.
    """
    found: dict[str, Literal["starting", "queued"]] = {}
    for launch in read_launches(campaign):
        try:
            if not runs_here(Process(**launch["process"])):
                continue
            packs, jobs, since = list(launch["packs"]), int(launch["jobs"]), float(launch["when"])
        except (KeyError, TypeError, ValueError):
            continue  # of a launcher whose jobs run elsewhere, or of an older version
        begun = {each.pack for each in attempts if each.began >= since}
        free = jobs - sum(each.number in living and each.pack in packs for each in attempts)
        for place, pack in enumerate(pack for pack in packs if pack not in begun):
            found[pack] = "starting" if place < free else "queued"
    return found


def read_launches(campaign: Path) -> Iterator[Mapping[str, Any]]:
    """What `write_launch` has written, the oldest first; what cannot be read is left out."""
    for path in sorted((campaign / "launches").glob("*.json")):
        try:
            content = json.loads(path.read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(content, dict) and {"command", "when", "schema", "defaults", "keys"} <= content.keys():
            yield content


@cache
def commit() -> str | None:
    """The commit the code is at, if it lies in a repository, or is a copy of what does."""
    copied = Path(spinodal.__file__).with_name("commit")
    if copied.is_file():
        return copied.read_text() or None
    return _git("rev-parse", "--short=12", "HEAD") or None


def _uncommitted() -> set[str]:
    """Files of the code that differ from the commit."""
    return set(_git("status", "--porcelain", "--", ".").splitlines()) if commit() else set()


def _git(*arguments: str) -> str:
    try:
        found = subprocess.run(
            ["git", "-C", str(Path(spinodal.__file__).parent), *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""  # no git
    return found.stdout.strip() if found.returncode == 0 else ""


def _versions() -> Iterator[tuple[str, str]]:
    """Of spinodal and of what it builds on."""
    yield "spinodal", spinodal.__version__
    try:
        needed = [each for each in requires("spinodal") or () if "extra ==" not in each]
    except PackageNotFoundError:
        needed = []
    for each in needed:
        name = "".join(character if character.isalnum() or character in "-_." else " " for character in each)
        try:
            yield name.split()[0], version(name.split()[0])
        except PackageNotFoundError:
            continue
