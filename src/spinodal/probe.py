"""What the networks of a checkpoint sit in: metastable minimum, saddle or slow slope, with the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console
from rich.table import Table
from torch import Tensor
from yaml import YAMLError  # type: ignore[import-untyped]

from spinodal.building.made import BuildError
from spinodal.building.networks import build_task, network_maker
from spinodal.building.penalties import penalties_of
from spinodal.campaign import control
from spinodal.ensemble import Ensemble, Frozen, Objective
from spinodal.errors import UserError, in_a_line
from spinodal.planning import targets
from spinodal.tasks import Task, stacked
from spinodal.training import AtomicCheckpointIO, RelaxationSettings
from spinodal.training.checkpoint import BrokenError, ForeignError, OlderError
from spinodal.training.probe import STEPS, TIME, Evidence, probe, tests
from spinodal.waiting import waiting

SHOWN = 12
"""So many replicas of an ensemble are probed."""

WIDE = 150
"""Characters of a line in a file, where nobody knows how wide it may be."""

MEANING = {
    "slope": "without noise E changes or 𝓛 falls: it was still on its way",
    "saddle": "it rests, but with a negative eigenvalue of ∇²𝓛: beside it, without noise, E changes or 𝓛 falls",
    "metastable minimum": "without noise E and 𝓛 stay, and a test led to a lower 𝓛 at the same λ",
    "minimum": "without noise E and 𝓛 stay, and no test led to a lower 𝓛",
    "undecided": "E and 𝓛 have not changed, but the gradient did not vanish within relaxation.max_steps",
}

HEADER = (
    *("seed", "λ", "E", "max |∇𝓛|", "μ_min/μ_max", "E relaxed", "𝓛 falls by", "relaxed", "soft mode"),
    *("𝓛 lower by", "found by", "verdict"),
)


def main(checkpoint: Path) -> int:
    """Probes the networks of a checkpoint, and tells what they sit in.

    Args:
        checkpoint: of a job that has not ended, or kept its last one, in `checkpoints/` of its campaign.

    Returns:
        Exit code 0.

    Raises:
        UserError: If it is no checkpoint, its job's configuration is not beside its records, or its networks have
            kinks.
    """
    saved, file = _networks(checkpoint), _configuration(checkpoint)
    plan = _plan(checkpoint, file)
    config = cast(dict[str, Any], OmegaConf.to_container(plan))
    Console(stderr=True).print(_about_to_run(config, file), soft_wrap=True, markup=False, highlight=False)
    torch.set_num_threads(1)
    theta, values, seeds = saved.theta, saved.control, saved.seeds
    try:
        task = _task(plan, saved.complexities)
        ensemble = Ensemble(network_maker(plan, task), seeds)
        penalties = penalties_of(plan)
    except BuildError as error:
        raise UserError(f"probe {checkpoint}: {error}") from error
    objective = Objective(ensemble, task, saved.frozen, **penalties._asdict())
    settings = replace(RelaxationSettings.of(plan.relaxation, objective), flow=None)
    if not settings.smooth:
        raise UserError(f"probe {checkpoint}: networks with kinks have no Hessian where they rest")
    with waiting("probing") as show:
        found = probe(objective, theta, values, seeds, settings, show)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, WIDE)
    symbol = control.symbol(config)
    console.print(_table(found, seeds, symbol))
    for verdict in dict.fromkeys(found.verdicts):
        console.print(f"{verdict}: {MEANING[verdict]}".replace("λ", symbol), soft_wrap=True)
    console.print(
        f"tests: {', '.join(tests())} for {TIME:g}/λ or {STEPS:,} steps. ".replace("λ", symbol)
        + "That none leads to a lower 𝓛 does not prove that nothing does.",
        soft_wrap=True,
    )
    return 0


class _Networks(NamedTuple):
    """What a checkpoint holds of its networks."""

    theta: Tensor
    frozen: Frozen | None
    control: Tensor
    seeds: list[int]
    complexities: list[int]


def _networks(checkpoint: Path) -> _Networks:
    try:
        state = AtomicCheckpointIO().load_checkpoint(checkpoint)
        (rows,) = state["optimizer_states"][0]["state"].values()
        theta, frozen = state["state_dict"]["ensemble.theta"], _frozen(state["state_dict"])
        # Replicas that have finished or diverged are held at λ = 0, where there is nothing to probe.
        values = rows["control" if "control" in rows else "l2"]  # as checkpoints of before have it
        there = ((values > 0) & theta.isfinite().all(-1)).nonzero().flatten()[:SHOWN]
        if not len(there):
            raise UserError(f"probe {checkpoint}: none of its networks is on its way any more")
        itineraries = state["progress"]["itineraries"]
        return _Networks(
            theta[there],
            frozen and frozen[there],
            values[there],
            [int(itineraries[row]["trajectory"]["seed"]) for row in there.tolist()],
            [state["complexities"][row] for row in there.tolist()],
        )
    except ForeignError as error:
        raise UserError(
            f"probe {checkpoint}: holds more than tensors and plain values: not loaded, since that could run code in it"
        ) from error
    except OlderError as error:
        raise UserError(
            f"probe {checkpoint}: of the version before, and not loaded; the command that made it continues it, and "
            "writes another"
        ) from error
    except (OSError, BrokenError, AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise UserError(
            f"probe {checkpoint}: no checkpoint; a job has one until it ends, and after that with checkpoint.keep=true"
        ) from error


def _frozen(state: Mapping[str, Tensor]) -> Frozen | None:
    """What a checkpoint holds of the networks besides θ, as `Ensemble.constants` does."""
    if "ensemble.frozen" in state:
        raise OlderError
    own, shared = (
        {
            key.removeprefix(before).replace("/", "."): each
            for key, each in state.items()
            if key.startswith(before)
        }
        for before in ("ensemble.constants.own/", "ensemble.constants.shared/")
    )
    return Frozen(own, shared) if own or shared else None


def _configuration(checkpoint: Path) -> Path:
    job = checkpoint.name.partition(".")[0]
    return checkpoint.parent.parent / "records" / f"{job}.yaml"


def _plan(checkpoint: Path, file: Path) -> DictConfig:
    try:
        plan = OmegaConf.load(file)
    except FileNotFoundError:
        raise UserError(f"probe {checkpoint}: needs the job's configuration, {file}") from None
    except (OSError, ValueError, YAMLError, OmegaConfBaseException) as error:
        raise UserError(f"probe {checkpoint}: {file} is no configuration ({in_a_line(error)})") from error
    if not isinstance(plan, DictConfig) or not {"data", "model", "relaxation"} <= plan.keys():
        raise UserError(f"probe {checkpoint}: {file} is no configuration of a job")
    return plan


def _about_to_run(config: Mapping[str, Any], file: Path) -> str:
    """Whose code the configuration names, which may be from elsewhere; nothing is imported to find that out."""
    parts = [config["data"], config["model"], *_own(config)]
    named = dict.fromkeys(target for part in parts for _, target in targets(part, ""))
    return f"about to run {', '.join(map(_whose, named))}, as {file} names them"


def _own(config: Mapping[str, Any]) -> list[Any]:
    """Penalties in 𝓛 other than L2."""
    return [each for each in control.penalties(config).values() if each != control.L2_PENALTY]


def _whose(target: str) -> str:
    top = target.partition(".")[0]
    if top == "spinodal":
        return target
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        spec = None
    place = spec and (spec.origin or next(iter(spec.submodule_search_locations or ()), None))
    return f"{target} ({place or 'not found'})"


def _task(plan: DictConfig, complexities: Sequence[int]) -> Task:
    """What the networks learn: the configuration is that of the first of the ensemble."""
    kinds, task = set(complexities), build_task(plan)
    if kinds == {task.complexity}:
        return task
    tasks = {each: build_task(plan, each) for each in kinds}
    return stacked([tasks[each] for each in complexities])


def _table(found: Evidence, seeds: list[int], symbol: str) -> Table:
    table = Table(title="What the networks sit in", title_justify="left")
    for name in HEADER:
        table.add_column(
            name.replace("λ", symbol), justify="left" if name in ("found by", "verdict") else "right"
        )
    for row, verdict in enumerate(found.verdicts):
        gain, test = (each.item() for each in found.gain[row].max(0))
        lower = gain > found.tolerance[row]
        numbers = (found.control, found.error, found.grad_max, found.lowest, found.relaxed_error, found.fall)
        table.add_row(
            str(seeds[row]),
            *(f"{float(each[row]):.4g}" for each in numbers),
            "yes" if found.relaxed[row] else "no",
            "" if found.soft_mode[row].isnan() else f"{float(found.soft_mode[row]):.3g}",
            f"{gain:.3g}" if lower else "",
            tests()[int(test)] if lower else "",
            verdict,
        )
    return table
