"""The sweeper: what happens between the command and the launcher."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from spinodal.campaign import Pack, pack_file, read_pack, this_process, tidy, write_launch, write_pack
from spinodal.errors import UserError
from spinodal.planning.arguments import fitted
from spinodal.planning.composition import unresolved_of_hydra
from spinodal.planning.continuity import defaults, refuse_mixture, settled
from spinodal.planning.curves import curves
from spinodal.planning.expansion import Cell, expand
from spinodal.planning.identity import SCHEMA
from spinodal.planning.parallelism import at_once, bytes_per_job, gpus, here, jobs_at_once
from spinodal.planning.selection import Selection, refuse_unmeasured, select
from spinodal.planning.survey import survey
from spinodal.planning.table import console, tell, tell_end
from spinodal.waiting import waiting

Preflight = Callable[[Sequence[Pack], Mapping[str, Any]], dict[str, float]]
"""Builds what packs need once, by the configuration of their launcher too, and raises a UserError if it cannot be.

Returns what it has measured of memory: by curve, bytes of a replica."""

FAILED = 1
"""Exit code when points have failed."""


def sweep(
    config: DictConfig,
    loader: ConfigLoaderImpl,
    launcher: Launcher,
    params: Sequence[str],
    arguments: Sequence[str],
    preflight: Preflight,
) -> list[Sequence[JobReturn]]:
    """Plan a command, and launch what is left to do of it.

    Args:
        config: as Hydra has composed it, without the sweeps.
        loader: of the configuration.
        launcher: of the jobs.
        params: sweeps of the configuration's own.
        arguments: overrides of the command line.
        preflight: comes last of all checks, where something is left to run.

    Returns:
        What the launcher has returned.

    Raises:
        UserError: If something asked for cannot be; nothing is launched then.
        SystemExit: With code 1 if points have failed.
    """
    if mistakes := unresolved_of_hydra(config):
        raise UserError("\n".join(mistakes))
    launching = cast(dict[str, Any], OmegaConf.to_container(config.hydra.launcher, resolve=True))
    with waiting("planning"):
        cells = expand(
            [*device(launching, params, arguments), *params, *arguments],
            loader,
            config.hydra.job.config_name,
        )
        cells, notes = fitted(cells)
    asked = curves(cells)
    campaign = _campaign(config, cells)
    plan, now, keys = cells[0].plan, defaults(cells), _keys([*params, *arguments])
    refuse_mixture(campaign, now, keys)
    with waiting("reading what the campaign has"):
        found = survey(campaign)
    queued = _queued(launcher, campaign)
    asked = settled(campaign, asked, found, queued, plan["mix_modules"])
    tidy(campaign, found.done, found.living)
    refuse_unmeasured(campaign, asked, found.done)
    choose = partial(
        select,
        campaign,
        asked,
        found,
        queued=queued,
        retry_failed=plan["retry_failed"],
        jobs=jobs_at_once(launching),
        max_replicas=plan["packing"]["max_replicas"],
        memory=bytes_per_job(launching, plan["packing"]["memory_gb"]),
    )
    selection = choose()
    if selection.packs and plan["preflight"] and (measured := preflight(selection.packs, launching)):
        selection = choose(measured=measured)
    for pack in selection.packs if not plan["dry_run"] else ():
        write_pack(campaign, pack)
    terminal = console(stderr=not plan["dry_run"])
    for note in notes:
        terminal.print(note, soft_wrap=True, markup=False)
    tell(selection, terminal, jobs_at_once(launching))
    if plan["dry_run"]:
        return []
    if not selection.packs:
        if any(point in found.failed for curve in asked for point in curve.points):
            sys.exit(FAILED)
        return []
    write_launch(
        campaign,
        list(_typed(config)),
        schema=SCHEMA,
        defaults=now,
        keys=keys,
        packs=[pack.name for pack in selection.packs],
        **({"process": this_process()._asdict(), "jobs": jobs_at_once(launching)} if here(launching) else {}),
        config=OmegaConf.to_container(config, resolve=False, enum_to_str=True),
    )
    return _launched(campaign, selection, launcher, launching, terminal)


def _launched(
    campaign: Path, selection: Selection, launcher: Launcher, launching: dict[str, Any], terminal: Console
) -> list[Sequence[JobReturn]]:
    lines = {curve.name: curve.lines for curve in selection.asked}
    # In quotes, since some names read as numbers: 7e2782707198.
    overrides = []
    for pack in selection.packs:
        shared, *others = [lines[curve] for curve in pack.curves]
        overrides.append(
            [*(line for line in shared if all(line in other for other in others)), f"pack='{pack.name}'"]
        )
    returned: list[Sequence[JobReturn]] = []
    broken: list[Exception] = []
    size = at_once(launching) or len(overrides)
    for first in range(0, len(overrides), size):
        try:
            returned.append(launcher.launch(overrides[first : first + size], initial_job_idx=first))
        except (
            Exception
        ) as error:  # a job that was killed, as submitit says it: the others go on all the same
            broken.append(error)
    failed = tell_end(selection.asked, survey(campaign), terminal, _queued(launcher, campaign))
    for each in (job for some in returned for job in some):
        _ = each.return_value  # raises what a job has raised
    if broken:
        raise broken[0]
    if failed:
        sys.exit(FAILED)
    return returned


def device(launching: Mapping[str, Any], *lines: Iterable[str]) -> list[str]:
    """Whoever asks SLURM for a GPU wants to use it, unless the command says otherwise."""
    said = any(line.lstrip("+~").startswith("trainer") for some in lines for line in some)
    return ["trainer.accelerator=auto"] if gpus(launching) and not said else []


def _queued(launcher: Launcher, campaign: Path) -> set[str]:
    """Points that wait somewhere already, if the launcher is of a kind that lets jobs wait."""
    if not hasattr(launcher, "queued"):
        return set()
    names = cast(Iterable[str], launcher.queued(campaign))
    return {point for name in names for point in read_pack(pack_file(campaign, name)).points}


def _campaign(config: DictConfig, cells: Sequence[Cell]) -> Path:
    """The folder of all points, which is Hydra's, too."""
    folder = str(config.paths.campaign)
    others = {str(cell.plan["campaign"]) for cell in cells if cell.plan["paths"]["campaign"] != folder}
    if others:
        names = ", ".join(sorted({str(config.campaign), *others}))
        raise UserError(f"points of one command go to one campaign, and not to {names}: add campaign=NAME")
    return Path(folder)


def _keys(lines: Iterable[str]) -> list[str]:
    """Keys that a command gives a value."""
    return sorted({line.partition("=")[0].lstrip("+~") for line in lines})


def _typed(config: DictConfig) -> Iterator[str]:
    """What was typed after `spinodal run`, as far as Hydra has kept it."""
    name = config.hydra.job.config_name
    for source in config.hydra.runtime.config_sources:
        if source.provider == "command-line":
            yield from ("--config-dir", source.path)
    if name != "config":
        yield from ("--config-name", name)
    # Not resolved: what is written as ${…} was typed so.
    typed: Any = OmegaConf.to_container(config.hydra.overrides, resolve=False)
    yield from (str(each) for each in typed["hydra"] if each != "hydra.mode=MULTIRUN")
    yield from (str(each) for each in typed["task"])
