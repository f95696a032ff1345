"""What the networks of a checkpoint sit in: metastable minimum, saddle or slow slope, with the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from spinodal.ensemble import Ensemble, Objective
from spinodal.errors import UserError
from spinodal.signatures import accepted
from spinodal.tasks import Task, stacked
from spinodal.training import AtomicCheckpointIO, RelaxationSettings
from spinodal.training.checkpoint import BrokenError
from spinodal.training.probe import FACTORS, HEAT, STEPS, TIME, Evidence, probe

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
    state, plan = _read(checkpoint)
    torch.set_num_threads(1)
    task = _task(plan, state.get("complexities", ())[:SHOWN])
    sizes = {"input_dim": task.inputs.shape[-1], "output_dim": task.targets.shape[-1]}
    itineraries = state["progress"]["itineraries"][:SHOWN]
    seeds = [each.trajectory.seed for each in itineraries]
    sizes = accepted(plan.model._target_, sizes)
    ensemble = Ensemble(lambda: instantiate(plan.model, **sizes), seeds)
    (rows,) = state["optimizer_states"][0]["state"].values()
    theta, l2 = state["state_dict"]["ensemble.theta"][:SHOWN], rows["l2"][:SHOWN]
    settings = RelaxationSettings(**plan.relaxation, smooth=getattr(ensemble.network, "smooth", True))
    if not settings.smooth:
        raise UserError(f"probe {checkpoint}: networks with kinks have no Hessian where they rest")
    with Console(stderr=True).status("probing"):
        found = probe(Objective(ensemble, task), theta, l2, seeds, settings)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, WIDE)
    console.print(_table(found, seeds))
    for verdict in dict.fromkeys(found.verdicts):
        console.print(f"{verdict}: {MEANING[verdict]}", soft_wrap=True)
    console.print(
        f"tests: {', '.join(_tests())} for {TIME:g}/λ or {STEPS:,} steps. "
        "That none leads to a lower 𝓛 does not prove that nothing does.",
        soft_wrap=True,
    )
    return 0


def _read(checkpoint: Path) -> tuple[dict[str, Any], Any]:
    try:
        state = AtomicCheckpointIO().load_checkpoint(checkpoint)
    except (OSError, BrokenError) as error:
        raise UserError(
            f"probe {checkpoint}: no checkpoint; a job has one until it ends, and after that with checkpoint.keep=true"
        ) from error
    job = checkpoint.name.partition(".")[0]
    configuration = checkpoint.parent.parent / "records" / f"{job}.yaml"
    if not configuration.is_file():
        raise UserError(f"probe {checkpoint}: needs the job's configuration, {configuration}")
    return state, OmegaConf.load(configuration)


def _task(plan: DictConfig, complexities: Sequence[int]) -> Task:
    """What the networks learn: the configuration is that of the first."""
    kinds = set(complexities)
    if len(kinds) <= 1:
        return cast(Task, instantiate(plan.data))
    tasks = {each: instantiate(plan.data, complexity=each) for each in kinds}
    return stacked([tasks[each] for each in complexities])


def _tests() -> list[str]:
    return [f"λ × {each:g} and back" for each in FACTORS] + [f"T = {each:g} E₀/n" for each in HEAT]


def _table(found: Evidence, seeds: list[int]) -> Table:
    table = Table(title="What the networks sit in", title_justify="left")
    for name in HEADER:
        table.add_column(name, justify="left" if name in ("found by", "verdict") else "right")
    for row, verdict in enumerate(found.verdicts):
        gain, test = (each.item() for each in found.gain[row].max(0))
        lower = gain > found.tolerance[row]
        numbers = (found.l2, found.error, found.grad_max, found.lowest, found.relaxed_error, found.fall)
        table.add_row(
            str(seeds[row]),
            *(f"{float(each[row]):.4g}" for each in numbers),
            "yes" if found.relaxed[row] else "no",
            "" if found.soft_mode[row].isnan() else f"{float(found.soft_mode[row]):.3g}",
            f"{gain:.3g}" if lower else "",
            _tests()[int(test)] if lower else "",
            verdict,
        )
    return table
