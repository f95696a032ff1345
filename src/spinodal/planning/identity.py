"""What makes two points the same: a short hash of what determines their result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spinodal.campaign import Pack, control
from spinodal.errors import UserError
from spinodal.protocols import Trajectory

SCHEMA = 1
"""Raised when a change of the code changes results, so that old points are computed anew."""

SCIENTIFIC = ("data", "model", "optimizer", "protocol", "relaxation")
"""The parts of a configuration that determine results, besides seed and path."""

PLACED = ("spinodal.tasks.mnist",)
"""Tasks that read files whose contents they check: where these are changes no result."""

LATER: dict[str, dict[str, Any]] = {
    "relaxation": {"block": 50, "flatness": 1e-6, "smooth": None, "fall": 1e-6, "patience": 20, "flow": None}
}
"""Keys younger than schema 1, each with the value it has always had: that one is part of no identity."""


def scientific(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a plan that determines results: no device, logger, paths, callbacks or names.

    Args:
        plan: as `validate` returns it. Its values have their types, so that 1 and 1.0 are not told apart. What files
            of a user's own hold is part of it, where the plan has `modules`.
    """
    parts = {section: _plain(plan[section]) for section in SCIENTIFIC}
    for section, former in LATER.items():
        for key, value in former.items():
            if key in parts[section] and parts[section][key] == value:
                del parts[section][key]
    # Axes, like seed and λ.
    for axis in ("temperature", "batch"):
        parts["protocol"].pop(axis, None)
    if parts["data"].get("_target_") in PLACED:
        for place in ("path", "mirror"):
            parts["data"].pop(place, None)
    if plan.get("modules"):
        parts["modules"] = _plain(plan["modules"])
    if control.besides(plan):  # 𝓛 = E + λ‖θ‖² is what schema 1 began with
        parts["control"], parts["held"] = control.name(plan), control.held(plan)
        parts["penalties"] = _plain(control.penalties(plan))
    return parts


def point_id(
    scientific: Mapping[str, Any], seed: int, path: Sequence[float], strength: float | None = None
) -> str:
    """The identity of one trajectory: 12 hexadecimal digits, the same on every machine.

    Args:
        scientific: as the function of that name returns it.
        seed: of the replica.
        path: values of the control parameter, of each stage.
        strength: of the noise under which it is held, if it is: T or B.

    Raises:
        ValueError: If a number is not finite.
    """
    return point_of(
        canonical(scientific), int(seed), canonical([float(value) for value in path]), strength=strength
    )


def point_of(science: str, seed: int, path: str, strength: float | None = None) -> str:
    """The same from what is written out already, since thousands of points share it.

    Args:
        science: the scientific part, `canonical`.
        seed: of the replica.
        path: values of the control parameter, of each stage, `canonical`.
        strength: as of `point_id`.
    """
    noise = "" if strength is None else f',"strength":{canonical(float(strength))}'
    return _digest(f'{{"path":{path},"schema":{SCHEMA},"science":{science},"seed":{seed}{noise}}}')


def curve_id(scientific: Mapping[str, Any]) -> str:
    """The identity of a curve: all points that differ only in seed, λ and strength of noise."""
    return curve_of(canonical(scientific))


def curve_of(science: str) -> str:
    """The same from the scientific part, `canonical`."""
    return _digest(f'{{"schema":{SCHEMA},"science":{science}}}')


def former_ids(config: Mapping[str, Any], points: Mapping[str, Trajectory]) -> dict[str, str]:
    """By identity, the one that points had before the content of a user's own modules was part of it.

    Args:
        config: of their curve.
        points: identities, and trajectories.
    """
    science = canonical(scientific({**config, "modules": None}))
    paths = {each.path: canonical(list(each.path)) for each in points.values()}
    return {
        point: point_of(science, each.seed, paths[each.path], each.strength) for point, each in points.items()
    }


def job_id(points: Iterable[str]) -> str:
    """The identity of a job: 12 hexadecimal digits of the points in it, in whatever order."""
    return _digest(canonical(sorted(points)))


def check_identities(pack: Pack) -> None:
    """See that the points of a pack still are what they were called.

    Raises:
        UserError: If it was planned by another version, for which the same configuration gave other results.
    """
    paths: dict[tuple[float, ...], str] = {}
    for part in pack.parts:
        science = canonical(scientific(part.config))
        for point, each in part.points.items():
            path = paths.setdefault(each.path, canonical(list(each.path)))
            if point_of(science, each.seed, path, each.strength) != point:
                raise UserError(
                    f"pack={pack.name}: was planned by a version of spinodal with other results; run the command again"
                )


def canonical(value: Any) -> str:
    """The one text for equal values: keys in order, -0.0 is 0.0.

    Floats print as the shortest text that reads back the same: one text for one number, everywhere.

    Raises:
        ValueError: If a number is not finite.
    """
    return json.dumps(
        _plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def _plain(value: Any) -> Any:
    """Dictionaries, lists and scalars only; -0.0 is 0.0."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value + 0.0 if isinstance(value, float) else value


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
