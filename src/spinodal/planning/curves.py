"""From configurations to points: each once, together with all that differ from it in seed and path only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from spinodal.campaign import control
from spinodal.errors import UserError
from spinodal.planning.expansion import Cell
from spinodal.planning.explain import shown
from spinodal.planning.identity import SCIENTIFIC, canonical, curve_of, point_of, scientific
from spinodal.planning.rules import phases, surveying, training
from spinodal.planning.schema import LAUNCH
from spinodal.protocols import Trajectory, planned, size

MOST = 1_000_000
"""How many points a command may ask for: more is a typing error."""

_OWN = ("seed", *(key for key in LAUNCH if key not in ("campaign", "paths")))
"""Keys that are a point's, or a command's, and not those of a curve; so is that of the control parameter."""


@dataclass
class Curve:
    """Points that differ only in seed, path and strength of noise.

    Attributes:
        name: their identity.
        config: what they share, checked, plain and resolved; without the values of the control parameter and `seed`.
        lines: the overrides all of them share.
        points: identity of each, and its trajectory.
    """

    name: str
    config: Mapping[str, Any]
    lines: tuple[str, ...]
    points: dict[str, Trajectory] = field(default_factory=dict)


def curves(cells: Iterable[Cell]) -> list[Curve]:
    """The points that configurations ask for.

    Raises:
        UserError: If the same points are asked for with different settings of what does not determine results, or
            if there are too many.
    """
    found: dict[str, Curve] = {}
    known: dict[tuple[int, ...], tuple[str, Curve]] = {}
    written: dict[tuple[float, ...], str] = {}
    asked = 0
    for cell in cells:
        # Equal parts are mostly the same object, and cells keep them alive.
        own = (*_OWN, control.name(cell.plan))
        which = tuple([id(value) for key, value in cell.plan.items() if key not in own])
        if which not in known:
            known[which] = _curve(cell, found)
        science, curve = known[which]
        if curve.lines != cell.lines:
            curve.lines = tuple([line for line in curve.lines if line in cell.lines])
        protocol, values, seeds = cell.plan["protocol"], control.values(cell.plan), cell.plan["seed"]
        asked += size(protocol, values, seeds)
        if asked > MOST:
            raise UserError(f"more than {MOST} points are asked for: must be at most {MOST}")
        # In one order however the seeds are written: job and checkpoint are the same.
        for each in planned(protocol, values, sorted(seeds)):
            path = written.get(each.path)
            if path is None:
                path = written[each.path] = canonical(list(each.path))
            curve.points[point_of(science, each.seed, path, each.strength)] = each
    return list(found.values())


def _curve(cell: Cell, found: dict[str, Curve]) -> tuple[str, Curve]:
    if mistakes := [*training(cell.plan), *surveying(cell.plan), *phases(cell.plan)]:
        raise UserError("\n".join(mistakes))
    science = canonical(scientific(cell.plan))
    own = (*_OWN, control.name(cell.plan))
    config = {key: value for key, value in cell.plan.items() if key not in own}
    curve = found.setdefault(science, Curve(curve_of(science), config, cell.lines))
    different = [
        key for key, value in config.items() if key not in SCIENTIFIC and curve.config.get(key) != value
    ]
    if different:
        key = different[0]
        raise UserError(
            f"{key}={shown(config[key])}: the same points are asked for with other {key} as well, on which no result "
            "depends; one command computes each point once"
        )
    return science, curve
