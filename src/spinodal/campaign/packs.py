"""Packs: what one job computes, written down by the planner for whatever process runs it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from spinodal.campaign import control
from spinodal.errors import UserError
from spinodal.files import write_atomically
from spinodal.protocols import Hold, Trajectory, asked, at_strengths, is_own, planned

REPLICA_AXES = ("data.complexity", "model.init_scale", "optimizer.lr", "protocol.perturbation")
"""Keys of a configuration in which the replicas of one ensemble may differ, beside seed, path and noise; in their
complexity if their data have the same shapes."""


@dataclass(frozen=True)
class Part:
    """Points of one curve.

    Attributes:
        curve: identity of what they share.
        config: the checked configuration they share, plain and resolved; without the values of the control parameter,
            and without `seed`.
        points: identity of each point, and its trajectory.
    """

    curve: str
    config: Mapping[str, Any]
    points: Mapping[str, Trajectory]


@dataclass(frozen=True)
class Pack:
    """The replicas of one ensemble: points of one curve, or of several that differ only in `REPLICA_AXES`.

    Attributes:
        name: identity of the job, a hash of its points: also of its records and its checkpoint.
        parts: a curve each.
    """

    name: str
    parts: tuple[Part, ...]

    @property
    def config(self) -> Mapping[str, Any]:
        """What all points share, with the first curve's values of what they do not."""
        return self.parts[0].config

    @property
    def curves(self) -> tuple[str, ...]:
        """Their identities."""
        return tuple(part.curve for part in self.parts)

    @cached_property
    def points(self) -> dict[str, Trajectory]:
        """Identity of each point, and its trajectory: the order of the replicas."""
        return {point: each for part in self.parts for point, each in part.points.items()}

    @cached_property
    def part_of(self) -> dict[str, Part]:
        """By point."""
        return {point: part for part in self.parts for point in part.points}

    @cached_property
    def plan(self) -> dict[str, Any]:
        """The configuration of an ordinary run that asks for these points (and, if they are ragged, for more)."""
        paths = [asked(self.config["protocol"], each.path) for each in self.points.values()]
        values = sorted({value for path in paths for value in path})
        protocol = at_strengths(self.config["protocol"], (each.strength for each in self.points.values()))
        seed = sorted({each.seed for each in self.points.values()})
        return {**self.config, "protocol": protocol, control.name(self.config): values, "seed": seed}


def own_values(config: Mapping[str, Any]) -> dict[str, float]:
    """The values of `REPLICA_AXES` that a configuration has."""
    found = {}
    for key in REPLICA_AXES:
        section, name = key.split(".")
        if name in config.get(section, {}):
            found[key] = config[section][name]
    return found


def with_values(config: Mapping[str, Any], values: Mapping[str, float]) -> dict[str, Any]:
    """A configuration with other values of `REPLICA_AXES`."""
    changed = dict(config)
    for key, value in values.items():
        section, name = key.split(".")
        changed[section] = {**changed[section], name: value}
    return changed


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
    own = is_own(pack.config["protocol"]["name"])
    # From a protocol's name and a path the rest of a trajectory follows, unless the name is that of a function.
    ways = {point: replace(each, seed=0) if own else each.path for point, each in pack.points.items()}
    places = {way: place for place, way in enumerate(dict.fromkeys(ways.values()))}
    content = {
        "pack": pack.name,
        "config": pack.config,
        "paths": [way.path if isinstance(way, Trajectory) else way for way in places],
        **({"trajectories": [asdict(way) for way in places if isinstance(way, Trajectory)]} if own else {}),
        "parts": [
            {
                "curve": part.curve,
                "values": own_values(part.config),
                "points": [
                    [
                        point,
                        each.seed,
                        places[ways[point]],
                        *([] if each.strength is None else [each.strength]),
                    ]
                    for point, each in part.points.items()
                ],
            }
            for part in pack.parts
        ],
    }
    write_atomically(pack_file(campaign, pack.name), json.dumps(content).encode())


def read_pack(path: Path) -> Pack:
    """Read what `write_pack` has written. It may come from elsewhere: nothing that it names is imported.

    Raises:
        UserError: If there is no such pack, or the file is none.
    """
    try:
        content = json.loads(path.read_bytes())
        config, paths = content["config"], [tuple(each) for each in content["paths"]]
        parts = []
        for part in content["parts"]:
            points = {
                point: _own(content["trajectories"][place], paths[place], seed)
                if is_own(config["protocol"]["name"])
                else _trajectory(config["protocol"], paths[place], seed, *strength)
                for point, seed, place, *strength in part["points"]
            }
            parts.append(Part(part["curve"], with_values(config, part["values"]), points))
        return Pack(content["pack"], tuple(parts))
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


def _own(planned: Mapping[str, Any], path: tuple[float, ...], seed: int) -> Trajectory:
    """A trajectory of a user's own function, as it was planned."""
    hold = planned["hold"] and Hold(**planned["hold"])
    return Trajectory(seed, path, tuple(planned["branch"]), bool(planned["unlearned"]), hold)


def _trajectory(
    protocol: Mapping[str, Any], path: Sequence[float], seed: int, strength: float | None = None
) -> Trajectory:
    (trajectory,) = planned(at_strengths(protocol, [strength]), asked(protocol, path), [seed])
    if trajectory.path != path:
        raise ValueError(f"no path of {protocol['name']}")
    return trajectory
