"""What the commands of a campaign sweep: the keys in which its points differ by intent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SEVERAL = re.compile(r"(range|choice|glob|interval)\(|.*\$\{case\.|.*,")
"""Values that stand for several, once what is in brackets or quotes is left out."""


@dataclass(frozen=True)
class Sweeps:
    """What commands sweep.

    Attributes:
        keys: With dots, in the order of the commands.
        choices: By group and choice, the values of keys that no command gives.
    """

    keys: Sequence[str] = ()
    choices: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)

    def values(self, config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Return what a configuration has of the swept keys: values, and of a group the name of the choice.

        Args:
            config: Resolved, in plain containers.
        """
        for key in self.keys:
            value = _at(config, key)
            if isinstance(value, dict):
                choices = self.choices.get(key, {}).items()
                fits = (name for name, given in choices if all(_at(config, at) == given[at] for at in given))
                yield key, next(fits, str(value.get("_target_", "")).rpartition(".")[2])
            elif value is not None:
                yield key, value


def sweeps_of(launches: Iterable[Mapping[str, Any]]) -> Sweeps:
    """Find what commands sweep.

    Args:
        launches: As `read_launches` returns them.
    """
    keys: dict[str, None] = {}
    choices: dict[str, dict[str, Mapping[str, Any]]] = {}
    for launch in launches:
        sweeper = launch.get("config", {}).get("hydra", {}).get("sweeper", {})
        typed = [line.partition("=")[::2] for line in launch.get("overrides", ())]
        for key, value in [*(sweeper.get("params") or {}).items(), *typed]:
            key, value = key.lstrip("+~"), str(value)
            if SEVERAL.match(_outside(value)):
                inside = re.findall(r"[{,]\s*(\w+)\s*:", value) if value.startswith("{") else []
                keys |= dict.fromkeys([f"{key}.{each}" for each in inside] or [key])
        for choice, defaults in launch["defaults"].items():
            group, _, name = choice.partition("=")
            left = {key: value for key, value in defaults.items() if key not in launch["keys"]}
            choices.setdefault(group, {})[name] = left
    return Sweeps(tuple(keys), choices)


def _at(config: Mapping[str, Any], key: str) -> Any:
    found: Any = config
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _outside(value: str) -> str:
    """Leave out what is in brackets or quotes, but not what is interpolated."""
    value = re.sub(r"'[^']*'|\"[^\"]*\"", "", value)
    while (inner := re.sub(r"(?<!\$)[\[({][^\[\](){}]*[\])}]", "", value)) != value:
        value = inner
    return value
