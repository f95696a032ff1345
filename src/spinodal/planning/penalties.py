"""Keys that penalties bring with them: a grid for the one that is the control parameter, a number for every other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from spinodal.campaign import control
from spinodal.planning.explain import closest, shown
from spinodal.planning.grid import held_value, l2_values
from spinodal.planning.schema import KEYS, RESERVED

OURS = (control.L2_PENALTY["_target_"],)
"""Penalties of ours, none of which takes arguments."""

_NAME = re.compile(r"[a-z_]\w*", re.ASCII | re.IGNORECASE)
_DOTTED_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


class PenaltyKeys(NamedTuple):
    """Which keys of a configuration belong to penalties, and what each takes.

    Attributes:
        control: what the configuration has there.
        names: of the penalties, as far as they are names that a key can have.
    """

    control: str
    names: tuple[str, ...]

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> PenaltyKeys:
        """Return those of a configuration, which need not be checked or resolved."""
        config = {**control.DEFAULTS, **config}
        penalties = config["penalties"]
        names = [str(name) for name in penalties] if isinstance(penalties, Mapping) else []
        return cls(control.name(config), tuple(name for name in names if not _misnamed(name)))

    @property
    def known(self) -> tuple[str, ...]:
        """All keys of the configuration that have a meaning."""
        return (*KEYS, *self.names)

    def check(self, key: str, value: Any) -> tuple[Any, list[str]]:
        """Return what stands under the key of a penalty in its type, and its mistakes."""
        if self.control not in self.names:
            return value, []  # which is a mistake of its own, and leaves open what this one must be
        try:
            return (l2_values(value) if key == self.control else held_value(value, self.control)), []
        except ValueError as error:
            return value, [f"{key}={shown(value)}: {error}"]

    def missing(self, keys: set[str]) -> list[str]:
        """A mistake if the control parameter has no values."""
        if self.control not in self.names or self.control in keys:
            return []
        return [f"{self.control} is missing: control={self.control} takes its values from there"]

    def mistakes(self, key: str, value: Any) -> Iterator[str]:
        """Mistakes of what stands under `control` and `penalties`, apart from the arguments of penalties."""
        if key == "control":
            if not isinstance(value, str) or value not in self.names:
                names = ", ".join(self.names) or "none"
                yield f"control={shown(value)}: must be the name of a penalty; in penalties there is {names}"
        elif not isinstance(value, Mapping):
            yield f"penalties={shown(value)}: must be names of penalties, each with its _target_"
        else:
            for name, penalty in value.items():
                yield from _penalty(str(name), penalty)


def _misnamed(name: str) -> str:
    """Why a penalty cannot have a name; empty if it can."""
    if not _NAME.fullmatch(name):
        return "must be named by letters, digits and _, as in smooth_l1, since its name is its key"
    return (
        "must have another name, since its name is its key, and this key is another's"
        if name in RESERVED
        else ""
    )


def _penalty(name: str, penalty: Any) -> Iterator[str]:
    key = f"penalties.{name}"
    if reason := _misnamed(name):
        yield f"{key}={shown(penalty)}: {reason}"
        return
    if not isinstance(penalty, Mapping):
        yield f"{key}={shown(penalty)}: must have a _target_, as in {key}._target_=my_package.{name}"
        return
    target = penalty.get("_target_")
    if name == control.L2 and penalty != control.L2_PENALTY:
        yield f"{key}={shown(dict(penalty))}: must be {OURS[0]}; a penalty of your own has a name of its own"
    elif not isinstance(target, str) or not _DOTTED_PATH.fullmatch(target):
        yield f"{key}._target_={shown(target)}: must be a dotted path, as in my_package.{name}"
    elif target.startswith("spinodal.") and target not in OURS:
        yield f"{key}._target_={target}: not one of ours{closest(target, OURS)}"
    elif target in OURS and (others := sorted(map(str, penalty.keys() - {"_target_"}))):
        yield f"{key}.{others[0]}={shown(penalty[others[0]])}: no such argument, {target} takes none"
