"""From the points asked for to the packs to run: what is there is skipped, what was begun is continued."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spinodal.campaign import Attempt, Pack, checkpoint_file, pack_file, read_pack, tidy
from spinodal.errors import UserError
from spinodal.planning.arguments import fitted
from spinodal.planning.continuity import settled
from spinodal.planning.curves import Curve, curves
from spinodal.planning.expansion import Cell
from spinodal.planning.memory import bytes_per_replica
from spinodal.planning.packing import Limits, cut
from spinodal.planning.parallelism import GB, IN_PROCESS, bytes_per_job
from spinodal.planning.survey import Survey, survey

DEATHS = 2
"""Times a pack may be killed without a trace, before it is taken for too large: what is out of memory leaves none."""


MEASURES = {
    "spinodal.observables.Curvature": "scalar_curvature",
    "spinodal.observables.Spectrum": "hessian_max",
}
"""A column that each measurement fills wherever it has measured."""


@dataclass(frozen=True)
class Selection:
    """What is to be done about the points asked for.

    Attributes:
        asked: all curves.
        found: the campaign before.
        packs: to run.
        queued: points that wait in a batch system's queue.
    """

    asked: Sequence[Curve]
    found: Survey
    packs: Sequence[Pack]
    queued: Set[str] = frozenset()

    @property
    def todo(self) -> set[str]:
        """Points to run."""
        there = self.found.done
        return {point for pack in self.packs for point in pack.points if point not in there}


def select(
    campaign: Path,
    asked: Sequence[Curve],
    found: Survey,
    *,
    queued: Set[str] = frozenset(),
    retry_failed: bool = False,
    jobs: int = 1,
    max_replicas: int | None = None,
    memory: float | None = None,
    measured: Mapping[str, float] | None = None,
) -> Selection:
    """Choose what to run.

    Args:
        campaign: its folder.
        asked: points, by curve.
        found: what the campaign has.
        queued: points that wait in a batch system's queue, and are left there.
        retry_failed: whether what has failed is run again.
        jobs: that run at the same time.
        max_replicas: in a pack.
        memory: of a job, in bytes; None if nobody knows.
        measured: by curve, bytes that each of its replicas adds, where a formula does not know them all.

    Raises:
        UserError: If a single network does not fit into memory.
    """
    skipped: set[str] = {*found.done, *found.running, *queued, *(() if retry_failed else found.failed)}
    left = {point for curve in asked for point in curve.points} - skipped
    continued = _continued(campaign, {curve.name: curve for curve in asked}, left, found)
    left -= {point for pack in continued for point in pack.points}
    wanted = [
        replace(curve, points={point: each for point, each in curve.points.items() if point in left})
        for curve in asked
    ]
    limits = Limits(jobs, max_replicas, _fitting(wanted, memory, measured or {}, found.history, campaign))
    waiting = queued - found.done - found.running.keys()
    return Selection(asked, found, [*continued, *cut(wanted, limits)], waiting)


def packs_of(
    plan: Mapping[str, Any], lines: Sequence[str] = (), measured: Mapping[str, float] | None = None
) -> tuple[Selection, list[str]]:
    """What there is to do about a single configuration, in this process.

    Args:
        plan: as of `validate`, in plain containers.
        lines: overrides that made it.
        measured: as of `select`.

    Returns:
        The packs, and a line on each value that a module of a user's own is not given.

    Raises:
        UserError: As `select`, and `refuse_unmeasured`.
    """
    campaign, packing = Path(plan["paths"]["campaign"]), plan["packing"]
    cells, notes = fitted([Cell(plan, tuple(lines))])
    asked, found = curves(cells), survey(campaign)
    asked = settled(campaign, asked, found, mix=plan["mix_modules"])
    tidy(campaign, found.done, found.living)
    refuse_unmeasured(campaign, asked, found.done)
    selection = select(
        campaign,
        asked,
        found,
        retry_failed=plan["retry_failed"],
        max_replicas=packing["max_replicas"],
        memory=bytes_per_job(IN_PROCESS, packing["memory_gb"]),
        measured=measured,
    )
    return selection, notes


def refuse_unmeasured(campaign: Path, asked: Iterable[Curve], done: Set[str]) -> None:
    """What is finished is not computed again, so a measurement can no longer be added to it.

    Raises:
        UserError: If points asked for are finished without a measurement that is asked for.
    """
    for curve in asked:
        for callback in (curve.config["callbacks"] or {}).values():
            column = MEASURES.get(str((callback or {}).get("_target_")))
            finished = done & curve.points.keys()
            if column is None or not finished:
                continue
            from spinodal.records import without

            if points := without(campaign, finished, column):
                name = callback["_target_"].rpartition(".")[2].lower()
                raise UserError(
                    f"campaign={curve.config['campaign']}: {len(points)} of the points asked for are finished there "
                    f"without {column}; choose another campaign, or leave {name} out of callbacks"
                )


def _continued(campaign: Path, asked: Mapping[str, Curve], left: Set[str], found: Survey) -> list[Pack]:
    """Packs with a checkpoint, if nothing in them but what is asked for is still to be computed.

    What does not determine results, as a device or a logger, is as it is asked for now.
    """
    packs: list[Pack] = []
    covered: set[str] = set()
    names = {path.name.partition(".")[0] for path in checkpoint_file(campaign, "*").parent.glob("*.ckpt")}
    for name in sorted(names):
        try:
            pack = read_pack(pack_file(campaign, name))
        except UserError:
            continue  # an older version's
        open_points = {
            point for point in pack.points if point not in found.done and point not in found.failed
        }
        if open_points and open_points <= left - covered and asked.keys() >= set(pack.curves):
            parts = [replace(part, config=asked[part.curve].config) for part in pack.parts]
            packs.append(replace(pack, parts=tuple(parts)))
            covered |= open_points
    return packs


def _fitting(
    wanted: Iterable[Curve],
    memory: float | None,
    measured: Mapping[str, float],
    history: Iterable[Attempt],
    campaign: Path,
) -> dict[str, int]:
    """By curve, how many replicas are known to fit into memory together."""
    fitting = _learned(history, campaign)
    for curve in wanted:
        each = measured.get(curve.name) or bytes_per_replica(curve.config)
        if not curve.points or memory is None or each is None:
            continue
        if each > memory:
            raise UserError(
                f"{_name(curve.config)}: one network needs about {each / GB:.2g} GB, and a job has "
                f"{memory / GB:.2g} GB (unless packing.memory_gb says otherwise)"
            )
        fitting[curve.name] = min(int(memory / each), fitting.get(curve.name, 10**9))
    return fitting


def _learned(history: Iterable[Attempt], campaign: Path) -> dict[str, int]:
    """By curve, half the size of what did not fit: it said so, or was killed again and again without a checkpoint."""
    silent: dict[str, list[Attempt]] = {}
    too_large = []
    for attempt in history:
        if attempt.state == "too large":
            too_large.append(attempt)
        elif attempt.state == "running" and not attempt.rows:
            silent.setdefault(attempt.pack, []).append(attempt)
        else:
            silent.pop(attempt.pack, None)
    too_large += [
        each[-1]
        for pack, each in silent.items()
        if len(each) >= DEATHS and not checkpoint_file(campaign, pack).exists()
    ]
    fitting: dict[str, int] = {}
    for attempt in too_large:
        half = math.ceil(len(attempt.points) / 2)
        fitting[attempt.curve] = min(half, fitting.get(attempt.curve, half))
    return fitting


def _name(config: Mapping[str, Any]) -> str:
    model, data = config["model"], config["data"]
    if not {"depth", "width"} <= model.keys():
        return f"model._target_={model['_target_']}"
    return f"model.depth={model['depth']} model.width={model['width']} data.complexity={data['complexity']}"
