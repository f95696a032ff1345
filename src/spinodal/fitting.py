"""An ensemble is built from what a pack says, and goes through its protocol under Lightning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from typing import Any, cast

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

import spinodal
from spinodal.building.made import BuildError, made
from spinodal.building.networks import build_ensemble, build_task, refuse_kinks
from spinodal.building.penalties import check_penalties, penalties_of
from spinodal.building.training import (
    accelerator,
    build_callbacks,
    build_optimizer,
    build_trainer,
    use_one_thread,
)
from spinodal.campaign import (
    NOT_FINITE,
    Pack,
    Running,
    checkpoint_file,
    commit,
    control,
    own_values,
    pack_file,
)
from spinodal.ensemble import Objective
from spinodal.errors import UserError
from spinodal.files import delete_strays
from spinodal.networks import class_of
from spinodal.protocols import ESCAPE, EXACT, EXACT_DIGITS, TRAIN, UNDER_NOISE, Trajectory, looks
from spinodal.records import RecordWriter, write_configuration
from spinodal.training import (
    Checkpoint,
    EnsembleModule,
    HoldSettings,
    Interruption,
    RecordStages,
    RelaxationSettings,
    find_checkpoint,
)

ADVICE = "Steps may be too long for it (optimizer.lr), or its initial values too large (model.init_scale)."


def fit(pack: Pack, points: Mapping[str, Trajectory], running: Running, interruption: Interruption) -> None:
    """Take points of a pack through their protocol; where it has a checkpoint they go on from there.

    Args:
        pack: whose configuration they share.
        points: the replicas, by identity.
        running: the attempt that has claimed them.
        interruption: whether somebody has sent a signal.

    Raises:
        BuildError: if something cannot be built.
        UserError: if something cannot be written.
        RuntimeError: if training ends before its last stage.
        Interrupted: after a signal, behind a checkpoint.
    """
    plan, campaign = OmegaConf.create(pack.plan), running.campaign
    callbacks = build_callbacks(plan)
    use_one_thread()
    plan.trainer.accelerator = accelerator(plan)
    values = [own_values(pack.part_of[point].config) for point in points]
    kinds = [each.get("data.complexity") for each in values]
    different = {kind: build_task(plan, None if kind is None else int(kind)) for kind in set(kinds)}
    tasks = [different[kind] for kind in kinds]
    task = tasks[0]
    if task.remark:
        say(f"data {task.name}: {task.remark}")
    scales = [each.get("model.init_scale") for each in values]
    ensemble = build_ensemble(plan, task, [each.seed for each in points.values()], scales)
    rule = build_optimizer(plan)
    penalties = penalties_of(plan)
    check_penalties(plan, ensemble, task, any(each.unlearned for each in points.values()))
    objective = Objective(ensemble, task, penalty=penalties.penalty, held=penalties.held)
    settings = RelaxationSettings.of(plan.relaxation, objective)
    if plan.protocol.refine == EXACT:
        refuse_kinks(settings.smooth)
    try:
        module = EnsembleModule(
            ensemble,
            tasks,
            list(points.values()),
            rule,
            settings,
            refine=plan.protocol.refine,
            perturbation=[each["protocol.perturbation"] for each in values],
            hold=_hold(plan.protocol),
            ends=looks(plan.protocol.steps, plan.protocol.records) if plan.protocol.name == TRAIN else None,
            lr=[each["optimizer.lr"] for each in values] if "lr" in plan.optimizer else None,
            **penalties._asdict(),
        )
    except UserError as error:  # a phase that is there at other λ
        raise BuildError(str(error), shared=False) from error
    config = cast(dict[str, Any], OmegaConf.to_container(plan, resolve=True))
    writer = RecordWriter(campaign / "records" / f"{pack.name}.parquet")
    configuration = writer.path.with_suffix(".yaml")
    write_configuration(configuration, OmegaConf.to_yaml(plan))
    checkpoint = checkpoint_file(campaign, pack.name)
    resumed = find_checkpoint(checkpoint, module, say)
    if resumed:
        say(f"continuing from {resumed}")
    constants = {
        "job": pack.name,
        "campaign": plan.campaign,
        "task": task.name,
        "error_name": task.error_name,
        "noise": float(_column(plan.data, "noise", int, float) or 0.0),
        "samples": task.samples,
        "network": class_of(ensemble.network),
        "activation": _column(plan.model, "activation", str),
        "bias": _column(plan.model, "bias", bool),
        "depth": _column(plan.model, "depth", int),
        "width": _column(plan.model, "width", int),
        **task.sizes,
        "control": control.name(config),
        "held": control.stated(config),
        "l2": control.held(config).get(control.L2, 0.0),
        "refine": EXACT_DIGITS if plan.protocol.refine == EXACT else plan.protocol.refine,
        "parameters": ensemble.theta.shape[-1],
        "device": str(plan.trainer.get("accelerator", "")),
        "dtype": str(ensemble.theta.dtype).removeprefix("torch."),
        "version": spinodal.__version__,
        "commit": commit(),
        "torch": torch.__version__,
    }
    own = [
        {key.partition(".")[2]: value for key, value in each.items()}
        | {"curve": pack.part_of[point].curve, "complexity": task.complexity}
        for point, task, each in zip(points, tasks, values, strict=True)
    ]
    trackers, logger, mirrored = _tracking(plan, config, writer, list(points))
    trainer = build_trainer(
        plan,
        [
            *callbacks,
            RecordStages(writer, list(points), constants, own),
            _ReportStages(running, list(points)),
            *trackers,
            Checkpoint(checkpoint, plan.checkpoint.every_seconds, interruption),
        ],
        logger,
    )
    # The contents of the loader are never looked at: a stage has as many blocks as it needs.
    with mirrored:
        trainer.fit(module, train_dataloaders=count(), ckpt_path=resumed)
    if not (module.finished or interruption.wanted):
        raise RuntimeError(
            f"training was ended after {trainer.current_epoch} stages, before the last: by a callback or by trainer.*"
        )
    say(f"{len(points) - len(module.failures)} points → {writer.path}")
    if not (plan.checkpoint.keep or (plan.logger or {}).get("log_model")):
        trainer.strategy.remove_checkpoint(checkpoint)
    for path in (writer.path, configuration, pack_file(campaign, pack.name)):
        delete_strays(path)


def _hold(protocol: DictConfig) -> HoldSettings | None:
    if protocol.name not in UNDER_NOISE:
        return None
    every_stage = protocol.name != ESCAPE
    return HoldSettings(protocol.longest, protocol.time_step, protocol.check, every_stage)


def _column(section: DictConfig, name: str, *kinds: type) -> Any:
    """Return an argument that is a column of the records; None where a user's own module means something else by it."""
    value = section.get(name)
    return value if type(value) in kinds else None


class _ReportStages(pl.Callback):
    """Tells the attempt how far it is, and which points cannot go on."""

    def __init__(self, running: Running, points: Sequence[str]) -> None:
        self.running, self.points, self.rows = running, points, 0

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Comes after the callbacks that record."""
        assert isinstance(pl_module, EnsembleModule)
        here = [visit.control for visit in pl_module.visits if visit is not None]
        self.rows += len(here)
        self.running.progress(
            trainer.current_epoch + 1, sorted({*here[:1], min(here), max(here)}) if here else [], self.rows
        )
        for replica, reason in pl_module.failures.items():
            point = self.points[replica]
            if point in self.running.points and point not in self.running.attempt.failed:
                self.running.fail([point], f"{NOT_FINITE}: {reason}", f"{reason}\n{ADVICE}")


def _tracking(
    plan: DictConfig,
    config: Mapping[str, Any],
    writer: RecordWriter,
    points: Sequence[str],
) -> tuple[list[pl.Callback], Any, AbstractContextManager[None]]:
    """What logs the records elsewhere: callbacks, a logger for Lightning, and what to train within."""
    given = plan.logger
    if given is None or given.get("mode") == "disabled":
        return [], False, nullcontext()
    from spinodal.tracking.mirror import mirrored
    from spinodal.tracking.stages import LogStages

    if given._target_ != "spinodal.tracking.mirror.Mirror":
        return [LogStages(writer, points, config)], made(given, object), nullcontext()
    return [], False, mirrored(writer.path, config["logger"])


def say(line: str) -> None:
    """A line for whoever follows the job."""
    Console(stderr=True).print(line, soft_wrap=True, markup=False)
