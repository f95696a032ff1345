"""What trains an ensemble, as a plan names it: optimiser, callbacks, Lightning's Trainer."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import warnings
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments import LightningEnvironment  # type: ignore[attr-defined]
from omegaconf import DictConfig

from spinodal.building.arguments import refuse_arguments
from spinodal.building.made import BuildError, made
from spinodal.training import AtomicCheckpointIO
from spinodal.training.descent import DescentRule
from spinodal.training.plain import KeptError, refuse_objects

GPU = ("gpu", "cuda")
"""Accelerators that are GPUs with float64."""

# Memory is freed when a process ends, anyway; to look through all of torch for garbage before takes seconds.
atexit.register(gc.freeze)


def use_one_thread() -> None:
    """Let torch compute in one thread, unless OMP_NUM_THREADS has an opinion.

    Networks this small gain little from a second thread, and lose everything where cores are shared.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


def build_optimizer(plan: DictConfig) -> DescentRule:
    """Build the rule of descent of a plan.

    Raises:
        BuildError: If it cannot be built, or is none.
    """
    return made(plan.optimizer, DescentRule, _convert_="all")  # type: ignore[type-abstract]


def build_callbacks(plan: DictConfig) -> list[pl.Callback]:
    """Build the callbacks that a plan names.

    Raises:
        BuildError: If one cannot be built, is none, or keeps what no checkpoint may hold.
    """
    found = [made(each, pl.Callback) for each in (plan.callbacks or {}).values() if each]
    try:
        refuse_objects({"callbacks": {each.state_key: each.state_dict() for each in found}})
    except KeptError as error:
        raise BuildError(str(error)) from error
    return found


def accelerator(plan: DictConfig) -> str:
    """Name what a job of a plan computes on: Lightning's "auto" would take others, which have no float64."""
    given = str(plan.trainer.get("accelerator", "auto"))
    return given if given != "auto" else "gpu" if torch.cuda.is_available() else "cpu"


def build_trainer(plan: DictConfig, callbacks: Sequence[pl.Callback] = (), logger: Any = False) -> pl.Trainer:
    """Build Lightning's Trainer for a job of a plan, which is one process and ends when its module does.

    Args:
        plan: as of `spinodal.planning.validate`.
        callbacks: all of them.
        logger: of Lightning's kind.

    Raises:
        BuildError: If it does not take its arguments, or this machine does not have what they ask for.
    """
    refuse_arguments(plan)
    device = accelerator(plan)
    if device in GPU and not torch.cuda.is_available():
        raise BuildError(
            f"trainer.accelerator={device}: there is no CUDA GPU on this machine; trainer=default computes on its CPU, "
            "hydra/launcher=slurm on the GPUs of a cluster"
        )
    # Lightning's lines on devices, and on torch's newest release, are not about this user's work.
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*LeafSpec.*", module="pytorch_lightning")
    # Lightning warns on every machine that has an srun: a job is one process there, too.
    warnings.filterwarnings("ignore", message="The `srun` command is available", module="lightning_fabric")
    return made(
        plan.trainer,
        pl.Trainer,
        _convert_="all",
        accelerator=device,
        max_epochs=-1,  # the module stops when every replica has finished its itinerary
        callbacks=list(callbacks),
        # A job is one process, whatever SLURM's variables make Lightning believe.
        plugins=[AtomicCheckpointIO(older=True), LightningEnvironment()],
        logger=logger,
        default_root_dir=plan.paths.campaign,
    )
