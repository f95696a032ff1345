"""One job: the points of a pack are claimed, computed, tried in halves if they fail, and told of."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from omegaconf import DictConfig, OmegaConf

from spinodal.building.made import BuildError
from spinodal.building.preflight import preflight
from spinodal.campaign import (
    Pack,
    Running,
    begin,
    checkpoint_file,
    pack_file,
    read_attempts,
    read_pack,
    write_pack,
)
from spinodal.errors import UserError, in_a_line
from spinodal.fitting import fit, say
from spinodal.planning import apart, check_identities, halves, packs_of, refuse_edited, survey
from spinodal.planning.parallelism import IN_PROCESS
from spinodal.protocols import Trajectory
from spinodal.records import finished_points, finished_points_of
from spinodal.training import AtomicCheckpointIO, Interrupted, Interruption
from spinodal.training.plain import KeptError

HOPELESS = 4
"""Single points that fail one after the other, and nothing that succeeds: then it is no single point's fault."""

LONGEST = 300
"""Characters of an error that a line has room for."""


def run(plan: DictConfig, lines: Sequence[str] = ()) -> None:
    """Trains, in this process, what the campaign of a single configuration does not have yet.

    Args:
        plan: as `spinodal.planning.validate` returns it.
        lines: overrides that made it.

    Raises:
        UserError: as `run_pack`, and as `preflight`.
        Interrupted: as `run_pack`.
        SystemExit: with code 1 if points have failed.
    """
    campaign = Path(plan.paths.campaign)
    choose = partial(packs_of, cast(dict[str, Any], OmegaConf.to_container(plan)), lines)
    selection, notes = choose()
    for note in notes:
        say(note)
    asked = {point for curve in selection.asked for point in curve.points}
    if done := len(asked & set(selection.found.done)):
        say(f"{done} of {len(asked)} points are finished in {campaign} already")
    if selection.packs and plan.get("preflight", True):
        measured = preflight(selection.packs, IN_PROCESS)
        selection, _ = choose(measured) if measured else (selection, notes)
    if plan.get("dry_run"):
        say(f"{sum(len(pack.points) for pack in selection.packs)} of {len(asked)} points to run")
        return
    for pack in selection.packs:
        write_pack(campaign, pack)
        run_pack(campaign, pack.name)
    if failed := survey(campaign).failed.keys() & asked:
        say(f"{len(failed)} of {len(asked)} points have failed: spinodal status {campaign} says why")
        raise SystemExit(1)


def run_pack(campaign: Path, name: str, where: str = "") -> None:
    """Trains the points of a pack that nobody has computed or is computing; a job that was ended continues.

    What goes wrong with a point is noted as its failure, and the others finish; so is what cannot be built for the
    points of a curve, and modules of a user's own that are not those a pack was planned with for all its points. An
    ensemble that does not fit into memory is halved, and so is one that fails, until the point is found that is at
    fault.

    Args:
        campaign: its folder.
        name: of the pack.
        where: what the launcher calls this job.

    Raises:
        UserError: if something cannot be written; nothing counts as failed then.
        Interrupted: after a SIGTERM or SIGINT; the same pack continues.
    """
    pack = read_pack(pack_file(campaign, name))
    check_identities(pack)
    try:
        refuse_edited(pack)
    except UserError as error:
        _give_up(campaign, [pack], where, _Reason(_summary(error), traceback.format_exc(), False, True))
        return
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
                if reason is not None and len(running.points) > 1 and not _of_a_curve(this, running, reason):
                    left = _smaller(this, running, reason) + left
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
    shared: bool
    """Whether it holds for all points of a curve."""


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
        say(f"{pack.name}: its {len(wanted)} points are being computed by somebody else")
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
        fit(pack, _replicas(pack, running), running, interruption)
        # Free the trainer, a circle, here: a KeyboardInterrupt within its __del__ would be lost.
        gc.collect()
        interruption.check()
        return None
    except Interrupted as stop:
        say(f"stopped by {stop.signal.name}; the same command continues")
        raise
    except Exception as error:
        if isinstance(error, UserError) and not isinstance(error, BuildError | KeptError):
            running.end("refused")  # no fault of the points: what cannot be written today, can be tomorrow
            raise
        memory = _out_of_memory(error)
        shared = isinstance(error, KeptError) or (isinstance(error, BuildError) and error.shared)
        reason = _Reason(_summary(error), traceback.format_exc(), memory, shared and not memory)
    # Only now: the error held on to everything that filled the memory.
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    AtomicCheckpointIO().remove_checkpoint(checkpoint_file(running.campaign, pack.name))
    return reason


def _summary(error: Exception) -> str:
    said = in_a_line(error)
    return (said if isinstance(error, UserError) else f"{type(error).__name__}: {said}")[:LONGEST]


def _out_of_memory(error: BaseException | None) -> bool:
    """Return whether an error, or the one that caused it, is a lack of memory."""
    if error is None:
        return False
    found = isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error)
    return found or _out_of_memory(error.__cause__)


def _of_a_curve(pack: Pack, running: Running, reason: _Reason) -> bool:
    """Whether a reason holds for all points there are: those of one curve, which cannot be built."""
    return reason.shared and len({pack.part_of[point].curve for point in running.points}) == 1


def _smaller(pack: Pack, running: Running, reason: _Reason) -> list[Pack]:
    """Smaller packs, written down, with what was claimed of one that failed."""
    smaller = (apart if reason.shared else halves)(pack, running.points)
    for each in smaller:
        write_pack(running.campaign, each)
    running.end("too large" if reason.memory else "failed")
    how = "curve by curve" if reason.shared else "in halves"
    say(f"{pack.name}: {len(running.points)} points failed together, and are tried {how}: {reason.error}")
    return smaller


def _has_checkpoint(campaign: Path, pack: Pack) -> bool:
    return any(checkpoint_file(campaign, pack.name).parent.glob(f"{pack.name}.*ckpt"))


def _replicas(pack: Pack, running: Running) -> dict[str, Trajectory]:
    """The points of the ensemble: those claimed, and those the pack's own checkpoint has behind it."""
    if not _has_checkpoint(running.campaign, pack):
        return {point: pack.points[point] for point in running.points}
    elsewhere = finished_points(running.campaign) - finished_points_of(running.campaign, pack.name)
    return {point: each for point, each in pack.points.items() if point not in elsewhere}
