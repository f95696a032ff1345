"""One job: from a checked plan to an ensemble that has gone through its protocol."""

from __future__ import annotations

import gc
import logging
import os
import subprocess
import warnings
from collections.abc import Callable, Mapping, Sequence, Set
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

import spinodal
from spinodal.ensemble import Ensemble
from spinodal.errors import UserError
from spinodal.observables import StageMeasurement
from spinodal.planning import curve_id, job_id, point_id, scientific
from spinodal.protocols import ESCAPE, TRAIN, UNDER_NOISE, Trajectory, looks, planned
from spinodal.records import RecordWriter, delete_strays, finished_points, without, write_configuration
from spinodal.tracking import LogStages
from spinodal.training import (
    AtomicCheckpointIO,
    Checkpoint,
    EnsembleModule,
    HoldSettings,
    Interrupted,
    Interruption,
    RecordStages,
    RelaxationSettings,
    find_checkpoint,
)


def run(plan: DictConfig) -> None:
    """Trains what the campaign does not have yet; a job that was ended continues from its checkpoint.

    Args:
        plan: as `spinodal.planning.validate` returns it.

    Raises:
        UserError: if something cannot be written.
        Interrupted: after a SIGTERM or SIGINT; the same plan continues.
    """
    say = partial(Console(stderr=True).print, soft_wrap=True)
    campaign = Path(plan.paths.campaign)
    science = scientific(plan)
    # In one order however the seeds are written: job and checkpoint are the same.
    asked = {
        point_id(science, each.seed, each.path, each.hold.strength if each.hold else None): each
        for each in planned(plan.protocol, plan.l2, sorted(plan.seed))
    }
    done = finished_points(campaign) & asked.keys()
    callbacks = [instantiate(each) for each in (plan.callbacks or {}).values() if each]
    _refuse_if_unmeasured(plan, done, callbacks)
    job, points = _job(campaign, asked, done)
    if done:
        say(f"{len(done)} of {len(asked)} points are finished in {campaign} already")
    if points.keys() <= done:
        if not plan.checkpoint.keep:
            AtomicCheckpointIO().remove_checkpoint(_checkpoint(campaign, job))
        return
    with Interruption() as interruption:
        try:
            _train(plan, job, points, callbacks, interruption, say)
            # Free the trainer, a circle, here: a KeyboardInterrupt within its __del__ would be lost.
            gc.collect()
            interruption.check()
        except Interrupted as stop:
            say(f"stopped by {stop.signal.name}; the same command continues")
            raise


def _hold(protocol: DictConfig) -> HoldSettings | None:
    if protocol.name not in UNDER_NOISE:
        return None
    every_stage = protocol.name != ESCAPE
    return HoldSettings(protocol.longest, protocol.time_step, protocol.check, every_stage)


def _job(
    campaign: Path, asked: Mapping[str, Trajectory], done: Set[str]
) -> tuple[str, dict[str, Trajectory]]:
    """The job to run, and its points: those not done, and those it has done itself before it was ended."""
    for path in sorted(_checkpoint(campaign, "*").parent.glob("*.ckpt")):
        job = path.name.partition(".")[0]
        others = done - finished_points(campaign, job)
        points = {point: each for point, each in asked.items() if point not in others}
        if job_id(points) == job:
            return job, points
    points = {point: each for point, each in asked.items() if point not in done}
    return job_id(points), points


def _refuse_if_unmeasured(plan: DictConfig, done: Set[str], callbacks: Sequence[pl.Callback]) -> None:
    """What is finished is not computed again, so a measurement can no longer be added to it."""
    for each in callbacks:
        if isinstance(each, StageMeasurement) and (points := without(plan.paths.campaign, done, each.column)):
            raise UserError(
                f"campaign={plan.campaign}: {len(points)} of the points asked for are finished there without "
                f"{each.column}; choose another campaign, or leave {type(each).__name__.lower()} out of callbacks"
            )


def _checkpoint(campaign: Path, job: str) -> Path:
    return campaign / "checkpoints" / f"{job}.ckpt"


def _train(
    plan: DictConfig,
    job: str,
    points: Mapping[str, Trajectory],
    callbacks: Sequence[pl.Callback],
    interruption: Interruption,
    say: Callable[[str], None],
) -> None:
    campaign, science = Path(plan.paths.campaign), scientific(plan)
    if "OMP_NUM_THREADS" not in os.environ:
        # Networks this small gain little from a second thread, and lose everything where cores are shared.
        torch.set_num_threads(1)
    task = instantiate(plan.data)
    sizes = {"input_dim": task.inputs.shape[-1], "output_dim": task.targets.shape[-1]}
    ensemble = Ensemble(lambda: instantiate(plan.model, **sizes), [each.seed for each in points.values()])
    module = EnsembleModule(
        ensemble,
        task,
        list(points.values()),
        instantiate(plan.optimizer, _convert_="all"),
        RelaxationSettings(**plan.relaxation, smooth=getattr(ensemble.network, "smooth", True)),
        refine=plan.protocol.refine,
        perturbation=plan.protocol.perturbation,
        hold=_hold(plan.protocol),
        ends=looks(plan.protocol.steps, plan.protocol.records) if plan.protocol.name == TRAIN else None,
    )
    config = cast(dict[str, Any], OmegaConf.to_container(plan, resolve=True))
    writer = RecordWriter(campaign / "records" / f"{job}.parquet")
    configuration = writer.path.with_suffix(".yaml")
    write_configuration(configuration, OmegaConf.to_yaml(plan))
    checkpoint = _checkpoint(campaign, job)
    resumed = find_checkpoint(checkpoint, module, say)
    if resumed:
        say(f"continuing from {resumed}")
    constants = {
        "curve": curve_id(science),
        "job": job,
        "campaign": plan.campaign,
        "task": task.name,
        "error_name": task.error_name,
        "complexity": task.complexity,
        "noise": float(plan.data.get("noise", 0.0)),
        "samples": len(task.inputs),
        "activation": plan.model.get("activation"),
        "bias": plan.model.get("bias"),
        "depth": plan.model.get("depth"),
        "width": plan.model.get("width"),
        "perturbation": float(plan.protocol.perturbation),
        "parameters": ensemble.theta.shape[-1],
        "device": str(plan.trainer.get("accelerator", "")),
        "dtype": str(ensemble.theta.dtype).removeprefix("torch."),
        "version": spinodal.__version__,
        "commit": _commit(),
    }
    logger = _logger(plan, job)
    trainer = _trainer(
        plan,
        max_epochs=-1,  # the module stops when every replica has finished its itinerary
        callbacks=[
            *callbacks,
            RecordStages(writer, list(points), constants),
            LogStages(config),
            Checkpoint(checkpoint, plan.checkpoint.every_seconds, interruption),
        ],
        plugins=[AtomicCheckpointIO()],
        logger=logger,
    )
    # The contents of the loader are never looked at: a stage has as many blocks as it needs.
    trainer.fit(module, train_dataloaders=count(), ckpt_path=resumed)
    say(f"{len(points)} points → {writer.path}")
    if not plan.checkpoint.keep:
        trainer.strategy.remove_checkpoint(checkpoint)
    for path in (writer.path, configuration):
        delete_strays(path)


def _trainer(plan: DictConfig, **arguments: Any) -> pl.Trainer:
    # What Lightning says of devices, and of torch's newest release, is not about this user's work.
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*LeafSpec.*", module="pytorch_lightning")
    trainer: pl.Trainer = instantiate(plan.trainer, default_root_dir=plan.paths.campaign, **arguments)
    return trainer


def _logger(plan: DictConfig, job: str) -> Any:
    if plan.logger is None:
        return False
    Path(plan.logger.get("save_dir", ".")).mkdir(parents=True, exist_ok=True)
    return instantiate(plan.logger, name=f"{plan.campaign} {job}", group=plan.campaign)


@cache
def _commit() -> str | None:
    """The commit the code is at, if it lies in a repository."""
    found = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or None
