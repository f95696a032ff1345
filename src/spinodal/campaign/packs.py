"""Packs: what one job computes, written down by the planner for whatever process runs it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from spinodal.campaign.atomic import write_atomically
from spinodal.errors import UserError
from spinodal.protocols import Trajectory, asked, at_strengths, planned


@dataclass(frozen=True)
class Pack:
    """Points that share everything but seed, path and strength of noise: the replicas of one ensemble.

    Attributes:
        name: identity of the job, a hash of its points: also of its records and its checkpoint.
        curve: identity of what the points share.
        config: the checked configuration they share, plain and resolved; without `l2` and `seed`.
        points: identity of each point, and its trajectory.
    """

    name: str
    curve: str
    config: Mapping[str, Any]
    points: Mapping[str, Trajectory]

    @cached_property
    def plan(self) -> dict[str, Any]:
        """The configuration of an ordinary run that asks for these points (and, if they are ragged, for more)."""
        l2 = sorted({l2 for each in self.points.values() for l2 in asked(self.config["protocol"], each.path)})
        protocol = at_strengths(self.config["protocol"], (each.strength for each in self.points.values()))
        seed = sorted({each.seed for each in self.points.values()})
        return {**self.config, "protocol": protocol, "l2": l2, "seed": seed}


def pack_file(campaign: Path, name: str) -> Path:
    """Where a pack is written down."""
    return campaign / "packs" / f"{name}.json"


def checkpoint_file(campaign: Path, name: str) -> Path:
    """Where its newest checkpoint is."""
    return campaign / "checkpoints" / f"{name}.ckpt"


def write_pack(campaign: Path, pack: Pack) -> None:
    """Write a pack down, whole or not at all.

    Raises:
        UserError: If it cannot be written.
    """
    paths = list(dict.fromkeys(each.path for each in pack.points.values()))
    places = {path: place for place, path in enumerate(paths)}
    content = {
        "pack": pack.name,
        "curve": pack.curve,
        "config": pack.config,
        "paths": paths,
        "points": [
            [point, each.seed, places[each.path], *([] if each.strength is None else [each.strength])]
            for point, each in pack.points.items()
        ],
    }
    write_atomically(pack_file(campaign, pack.name), json.dumps(content).encode())


def read_pack(path: Path) -> Pack:
    """Read what `write_pack` has written.

    Raises:
        UserError: If there is no such pack, or the file is none.
    """
    try:
        content = json.loads(path.read_bytes())
        config, paths = content["config"], [tuple(each) for each in content["paths"]]
        points = {
            point: _trajectory(config["protocol"], paths[place], seed, *strength)
            for point, seed, place, *strength in content["points"]
        }
        return Pack(content["pack"], content["curve"], config, points)
    except FileNotFoundError:
        raise UserError(f"{path}: no such pack; spinodal run makes them") from None
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise UserError(f"{path}: cannot be read as a pack ({type(error).__name__}: {error})") from error


def read_packs(campaign: Path) -> list[Pack]:
    """All packs of a campaign that can be read."""
    found = []
    for path in sorted((campaign / "packs").glob("*.json")):
        try:
            found.append(read_pack(path))
        except UserError:
            continue  # another version's, or somebody's own
    return found


def _trajectory(
    protocol: Mapping[str, Any], path: Sequence[float], seed: int, strength: float | None = None
) -> Trajectory:
    (trajectory,) = planned(at_strengths(protocol, [strength]), asked(protocol, path), [seed])
    if trajectory.path != path:
        raise ValueError(f"no path of {protocol['name']}")
    return trajectory
