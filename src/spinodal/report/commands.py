"""The commands that made a campaign, and those that make any part of it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml  # type: ignore[import-untyped]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Launch(NamedTuple):
    """One command, as it was given."""

    when: str
    """As Hydra names the folder of the run."""
    command: str


def launches(campaign: Path) -> list[Launch]:
    """What was typed to make a campaign, oldest first; the same command again is left out.

    Hydra leaves it beside every run: `jobs/<time>/multirun.yaml` of a sweep, `.hydra/` of a single one. Where
    these folders are gone there is nothing to tell.

    Args:
        campaign: Its folder.
    """
    found: dict[str, Launch] = {}
    for folder in sorted((campaign / "jobs").glob("*/")):
        try:
            command = _sweep(folder / "multirun.yaml") or _single(folder / ".hydra")
        except (OSError, yaml.YAMLError, KeyError, TypeError):
            continue  # half written, or somebody's own
        if command:
            date, _, time = folder.name.partition("_")
            found.setdefault(command, Launch(f"{date} {time[:8].replace('-', ':')}".strip(), command))
    return list(found.values())


def _sweep(file: Path) -> str:
    if not file.is_file():
        return ""
    given = _read(file)["hydra"]["overrides"]
    # Where -m was not typed, the experiment makes itself a sweep.
    flags = ["-m" if each == "hydra.mode=MULTIRUN" else each for each in given["hydra"]]
    return _run([*flags, *given["task"]])


def _single(folder: Path) -> str:
    file = folder / "overrides.yaml"
    return _run(_read(file)) if file.is_file() else ""


def again(campaign: Path, jobs: Iterable[str]) -> list[str]:
    """Commands that compute jobs again, point by point the same, from the configurations beside their records.

    Args:
        campaign: Its folder.
        jobs: Their identities; those without a configuration are left out.
    """
    folder = campaign / "records"
    name = f"{campaign.resolve().name}-again"
    found = [job for job in sorted(set(jobs)) if (folder / f"{job}.yaml").is_file()]
    elsewhere = [f"campaign={name}", f"paths.campaign={campaign.parent / name}"]
    elsewhere.append(f"hydra.run.dir={campaign.parent / name / 'jobs'}")
    return [_run(["--config-dir", str(folder), "--config-name", job, *elsewhere]) for job in found]


def _run(arguments: Sequence[Any]) -> str:
    return shlex.join(["spinodal", "run", *map(str, arguments)])


def _read(file: Path) -> Any:
    return yaml.load(file.read_text(encoding="utf-8"), Loader=_LOADER)
