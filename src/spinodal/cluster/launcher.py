"""The launcher: submits, says how to follow, and returns; or stays and shows how far it is."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from spinodal import waiting
from spinodal.campaign import pack_file, read_pack
from spinodal.cluster.queue import queued
from spinodal.cluster.submit import Jobs, how_to_follow, submit
from spinodal.errors import UserError
from spinodal.planning import console, survey

EVERY = 3.0
"""Seconds between two looks."""


def launch(
    config: DictConfig, parameters: Mapping[str, Any], jobs: Sequence[Sequence[str]], wait: bool
) -> list[JobReturn]:
    """Submit jobs.

    Args:
        config: as Hydra has composed it.
        parameters: of submitit, plain and resolved.
        jobs: overrides of each, as the planner makes them.
        wait: whether to stay until they have ended.

    Returns:
        Nothing, or with `wait` one that has failed if points are missing in the end.

    Raises:
        UserError: If SLURM refuses.
    """
    campaign, terminal = Path(config.paths.campaign), console()
    packs = dict(_pack(each) for each in jobs)
    environment = {str(name): str(value) for name, value in config.hydra.job.env_set.items()}
    submit(Jobs(campaign, packs, parameters, environment), terminal)
    if not wait:
        return []
    points = {point for name in packs for point in read_pack(pack_file(campaign, name)).points}
    try:
        _wait(campaign, set(packs), points, terminal)
    except KeyboardInterrupt:
        terminal.print(
            f"the jobs go on without this command; {how_to_follow(campaign)}", soft_wrap=True, markup=False
        )
        raise
    found = survey(campaign)
    if points <= found.done | found.failed.keys():
        return []
    missing = SystemExit(1)
    return [JobReturn(status=JobStatus.FAILED, _return_value=missing)]


def _pack(overrides: Sequence[str]) -> tuple[str, Sequence[str]]:
    *lines, last = overrides
    found = re.fullmatch(r"pack='(\w+)'", last)
    if found is None:
        raise UserError("hydra/launcher=slurm: only with the planner, hydra/sweeper=planner")
    return found[1], lines


def _wait(campaign: Path, packs: Iterable[str], points: set[str], terminal: Console) -> None:
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}")
    before, absent, since = "", 0, time.monotonic()
    with Progress(
        *columns, TimeElapsedColumn(), console=terminal, disable=not terminal.is_terminal
    ) as progress:
        bar = progress.add_task("", total=len(points))
        while True:
            there, found = queued(campaign, leaving=True), survey(campaign)
            states = [there[pack].state for pack in packs if pack in there] if there is not None else None
            counts = {
                "queued": sum(state != "RUNNING" for state in states or ()),
                "running": sum(state == "RUNNING" for state in states or ()),
            }
            told = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "no jobs"
            done = len(points & found.done)
            progress.update(bar, description=f"jobs: {told}", completed=done)
            said = f"{done} of {len(points)} points done; jobs: {told}"
            if not terminal.is_terminal and (said != before or time.monotonic() - since > waiting.EVERY):
                terminal.print(said)
                since = time.monotonic()
            before = said
            # Twice: a job on its way back into the queue may be missed once. One that still computes is not absent.
            absent = absent + 1 if states == [] and not points & found.running.keys() else 0
            if absent == 2 or (points <= found.done | found.failed.keys() and not states):
                return
            time.sleep(EVERY)
