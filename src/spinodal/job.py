"""One job: from a pack of points to an ensemble that has gone through its protocol."""

from __future__ import annotations

import gc
import logging
import os
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

import spinodal
from spinodal.campaign import (
    Pack,
    Running,
    begin,
    checkpoint_file,
    commit,
    delete_strays,
    own_values,
    pack_file,
    read_attempts,
    read_pack,
    write_pack,
)
from spinodal.ensemble import Ensemble
from spinodal.errors import UserError
from spinodal.planning import check_identities, halves, packs_of
from spinodal.protocols import ESCAPE, TRAIN, UNDER_NOISE, Trajectory, looks
from spinodal.records import RecordWriter, finished_points, finished_points_of, write_configuration
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

HOPELESS = 4
"""Single points that fail one after the other, and nothing that succeeds: then it is no single point's fault."""

LONGEST = 300
"""Characters of an error that a line has room for."""

ADVICE = "Steps may be too long for it (optimizer.lr), or its initial values too large (model.init_scale)."


def run(plan: DictConfig) -> None:
    """Trains, in this process, what the campaign of a single configuration does not have yet.

    Args:
        plan: as `spinodal.planning.validate` returns it.

    Raises:
        UserError: as `run_pack`.
        Interrupted: as `run_pack`.
    """
    campaign = Path(plan.paths.campaign)
    selection = packs_of(cast(dict[str, Any], OmegaConf.to_container(plan)))
    asked = {point for curve in selection.asked for point in curve.points}
    if done := len(asked & set(selection.found.done)):
        _say(f"{done} of {len(asked)} points are finished in {campaign} already")
    for pack in selection.packs:
        write_pack(campaign, pack)
        run_pack(campaign, pack.name)


def run_pack(campaign: Path, name: str, where: str = "") -> None:
    """Trains the points of a pack that nobody has computed or is computing; a job that was ended continues.

    What goes wrong with a point is noted as its failure, and the others finish. An ensemble that does not fit into
    memory is halved, and so is one that fails, until the point is found that is at fault.

    Args:
        campaign: its folder.
        name: of the pack.
        where: what the launcher calls this job.

    Raises:
        UserError: if something cannot be built or written; nothing counts as failed then.
        Interrupted: after a SIGTERM or SIGINT; the same pack continues.
    """
    pack = read_pack(pack_file(campaign, name))
    check_identities(pack)
    left, succeeded, failed = [pack], 0, 0
    with Interruption() as interruption:
        while left:
            this = left.pop(0)
            running = _claimed(campaign, this, where)
            if running is None:
                continue
            with running:
                reason = _tried(this, running, interruption)
                succeeded += reason is None
                if reason is not None and len(running.points) > 1:
                    left = _in_halves(this, running, reason) + left
                elif reason is not None:
                    running.fail(running.points, reason.error, reason.traceback)
                    failed += 1
                    if failed >= HOPELESS and not succeeded:
                        _give_up(campaign, left, where, reason)
                        return


def _give_up(campaign: Path, packs: Iterable[Pack], where: str, reason: _Reason) -> None:
    """What ails every point so far ails the others too."""
    for pack in packs:
        running = _claimed(campaign, pack, where)
        if running is not None:
            with running:
                running.fail(running.points, reason.error, reason.traceback)


class _Reason(NamedTuple):
    """Why a pack could not be computed."""

    error: str
    traceback: str
    memory: bool


def _claimed(campaign: Path, pack: Pack, where: str) -> Running | None:
    """An attempt at what is left of a pack; None if nothing is."""
    history = [each for each in read_attempts(campaign) if each.pack == pack.name]
    given_up = {point for each in history for point in each.failed} if _has_checkpoint(campaign, pack) else ()
    done = finished_points(campaign, [pack.name])
    wanted = [point for point in pack.points if point not in done and point not in given_up]
    if not wanted:
        AtomicCheckpointIO().remove_checkpoint(checkpoint_file(campaign, pack.name))
        return None
    running = begin(campaign, pack, wanted, where)
    if running is None:
        _say(f"{pack.name}: its {len(wanted)} points are being computed by somebody else")
        return None
    # Once more: who has just finished is not alive any more.
    running.leave(finished_points(campaign, [each.pack for each in read_attempts(campaign)]))
    if not running.points:
        running.end()
        return None
    return running


def _tried(pack: Pack, running: Running, interruption: Interruption) -> _Reason | None:
    """Trains what was claimed, and says what went wrong."""
    try:
        _train(pack, running, interruption)
        # Free the trainer, a circle, here: a KeyboardInterrupt within its __del__ would be lost.
        gc.collect()
        interruption.check()
        return None
    except Interrupted as stop:
        _say(f"stopped by {stop.signal.name}; the same command continues")
        raise
    except (UserError, InstantiationException):
        running.end(
            "refused"
        )  # a mistake of the person's, who puts it right and gives the same command again
        raise
    except Exception as error:
        said = " ".join(str(error).split())
        reason = _Reason(
            f"{type(error).__name__}: {said}"[:LONGEST], traceback.format_exc(), _out_of_memory(error)
        )
    # Only now: the error held on to everything that filled the memory.
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    AtomicCheckpointIO().remove_checkpoint(checkpoint_file(running.campaign, pack.name))
    return reason


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error)


def _in_halves(pack: Pack, running: Running, reason: _Reason) -> list[Pack]:
    """Smaller packs, written down, with what was claimed of one that failed."""
    smaller = halves(pack, running.points)
    for each in smaller:
        write_pack(running.campaign, each)
    running.end("too large" if reason.memory else "failed")
    _say(
        f"{pack.name}: {len(running.points)} points failed together, and are tried in halves: {reason.error}"
    )
    return smaller


def _has_checkpoint(campaign: Path, pack: Pack) -> bool:
    return any(checkpoint_file(campaign, pack.name).parent.glob(f"{pack.name}.*ckpt"))


def _replicas(pack: Pack, running: Running) -> dict[str, Trajectory]:
    """The points of the ensemble: those claimed, and those the pack's own checkpoint has behind it."""
    if not _has_checkpoint(running.campaign, pack):
        return {point: pack.points[point] for point in running.points}
    elsewhere = finished_points(running.campaign) - finished_points_of(running.campaign, pack.name)
    return {point: each for point, each in pack.points.items() if point not in elsewhere}


def _hold(protocol: DictConfig) -> HoldSettings | None:
    if protocol.name not in UNDER_NOISE:
        return None
    every_stage = protocol.name != ESCAPE
    return HoldSettings(protocol.longest, protocol.time_step, protocol.check, every_stage)


class _ReportStages(pl.Callback):
    """Tells the attempt how far it is, and which points cannot go on."""

    def __init__(self, running: Running, points: Sequence[str]) -> None:
        self.running, self.points, self.rows = running, points, 0

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Comes after the callbacks that record."""
        assert isinstance(pl_module, EnsembleModule)
        here = [visit.l2 for visit in pl_module.visits if visit is not None]
        self.rows += len(here)
        self.running.progress(
            trainer.current_epoch + 1, sorted({*here[:1], min(here), max(here)}) if here else [], self.rows
        )
        for replica, reason in pl_module.failures.items():
            point = self.points[replica]
            if point in self.running.points and point not in self.running.attempt.failed:
                self.running.fail([point], f"not finite: {reason}", f"{reason}\n{ADVICE}")


def _train(pack: Pack, running: Running, interruption: Interruption) -> None:
    plan, points, campaign = OmegaConf.create(pack.plan), _replicas(pack, running), running.campaign
    callbacks = [instantiate(each) for each in (plan.callbacks or {}).values() if each]
    if "OMP_NUM_THREADS" not in os.environ:
        # Networks this small gain little from a second thread, and lose everything where cores are shared.
        torch.set_num_threads(1)
    task = instantiate(plan.data)
    sizes = {"input_dim": task.inputs.shape[-1], "output_dim": task.targets.shape[-1]}
    values = [own_values(pack.part_of[point].config) for point in points]
    scales = [each.get("model.init_scale") for each in values]
    build = partial(instantiate, plan.model, **sizes)
    makers = {scale: build if scale is None else partial(build, init_scale=scale) for scale in scales}
    ensemble = Ensemble([makers[scale] for scale in scales], [each.seed for each in points.values()])
    module = EnsembleModule(
        ensemble,
        task,
        list(points.values()),
        instantiate(plan.optimizer, _convert_="all"),
        RelaxationSettings(**plan.relaxation, smooth=getattr(ensemble.network, "smooth", True)),
        refine=plan.protocol.refine,
        perturbation=[each["protocol.perturbation"] for each in values],
        hold=_hold(plan.protocol),
        ends=looks(plan.protocol.steps, plan.protocol.records) if plan.protocol.name == TRAIN else None,
        lr=[each["optimizer.lr"] for each in values] if "lr" in plan.optimizer else None,
    )
    config = cast(dict[str, Any], OmegaConf.to_container(plan, resolve=True))
    writer = RecordWriter(campaign / "records" / f"{pack.name}.parquet")
    configuration = writer.path.with_suffix(".yaml")
    write_configuration(configuration, OmegaConf.to_yaml(plan))
    checkpoint = checkpoint_file(campaign, pack.name)
    resumed = find_checkpoint(checkpoint, module, _say)
    if resumed:
        _say(f"continuing from {resumed}")
    constants = {
        "job": pack.name,
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
        **sizes,
        "refine": plan.protocol.refine,
        "parameters": ensemble.theta.shape[-1],
        "device": str(plan.trainer.get("accelerator", "")),
        "dtype": str(ensemble.theta.dtype).removeprefix("torch."),
        "version": spinodal.__version__,
        "commit": commit(),
        "torch": torch.__version__,
    }
    own = [
        {"curve": pack.part_of[point].curve} | {key.partition(".")[2]: value for key, value in each.items()}
        for point, each in zip(points, values, strict=True)
    ]
    trackers, logger = _tracking(plan, config, writer, list(points), _say)
    trainer = _trainer(
        plan,
        max_epochs=-1,  # the module stops when every replica has finished its itinerary
        callbacks=[
            *callbacks,
            RecordStages(writer, list(points), constants, own),
            _ReportStages(running, list(points)),
            *trackers,
            Checkpoint(checkpoint, plan.checkpoint.every_seconds, interruption),
        ],
        plugins=[AtomicCheckpointIO()],
        logger=logger,
    )
    # The contents of the loader are never looked at: a stage has as many blocks as it needs.
    trainer.fit(module, train_dataloaders=count(), ckpt_path=resumed)
    _say(f"{len(points) - len(module.failures)} points → {writer.path}")
    if not plan.checkpoint.keep:
        trainer.strategy.remove_checkpoint(checkpoint)
    for path in (writer.path, configuration, pack_file(campaign, pack.name)):
        delete_strays(path)


def _trainer(plan: DictConfig, **arguments: Any) -> pl.Trainer:
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*LeafSpec.*", module="pytorch_lightning")
    trainer: pl.Trainer = instantiate(plan.trainer, default_root_dir=plan.paths.campaign, **arguments)
    return trainer


def _tracking(
    plan: DictConfig,
    config: Mapping[str, Any],
    writer: RecordWriter,
    points: Sequence[str],
    say: Callable[[str], None],
) -> tuple[list[pl.Callback], Any]:
    """What mirrors the records elsewhere: the callbacks for it, and a logger for Lightning."""
    given = plan.logger
    if given is None or given.get("mode") == "disabled":
        return [], False
    from spinodal.tracking.mirror import Mirror
    from spinodal.tracking.stages import LogStages

    if given._target_ != "spinodal.tracking.mirror.Mirror":
        return [LogStages(writer, points, config)], instantiate(given)
    return [Mirror(writer, points, config, Path(plan.paths.campaign), not plan.protocol.refine, say)], False


def _say(line: str) -> None:
    Console(stderr=True).print(line, soft_wrap=True, markup=False)
