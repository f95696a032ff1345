"""From a composed configuration to a plan: resolved, typed, checked, or refused with all its mistakes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import TypeAdapter, ValidationError

from spinodal.campaign import control
from spinodal.errors import UserError
from spinodal.planning.explain import closest, explain, no_such_key, shown
from spinodal.planning.penalties import PenaltyKeys
from spinodal.planning.rules import RULES, trainer
from spinodal.planning.schema import (
    BY_NAME,
    BY_TARGET,
    CALLBACKS,
    CASE,
    CHOICES,
    FIXED,
    GROUPS,
    KEYS,
    OPTIONAL,
    Job,
    allowed,
    having,
)

_DOTTED_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


def validate(cfg: DictConfig) -> DictConfig:
    """The plan of one job: the same keys with plain values in their types, interpolations and grids resolved.

    The values of the control parameter (`l2`, unless `control` names another) become a list of floats, and `seed` a
    list of integers, as written. Arguments of a module that is not ours stay as they are: only its `_target_` is looked
    at. Imports nothing that the configuration names.

    Raises:
        UserError: With every mistake, a line each.
    """
    values, mistakes = _resolved(cfg)
    plan, penalties = dict(OPTIONAL), PenaltyKeys.of(values)
    for key, value in values.items():
        plan[key], wrong = check(key, value, penalties)
        mistakes += wrong
    mistakes += missing((str(key) for key in cfg), penalties)
    if mistakes:
        raise UserError("\n".join(mistakes))
    return OmegaConf.create(plan)


def check(key: str, value: Any, penalties: PenaltyKeys) -> tuple[Any, list[str]]:
    """What stands under one key of a configuration, in its types.

    Args:
        key: outermost.
        value: plain and resolved.
        penalties: of the configuration.

    Returns:
        The value, and its mistakes, each naming key, value and what is allowed.
    """
    if key in penalties.names:
        return penalties.check(key, value)
    if key not in KEYS:
        reason = no_such_key(key, penalties.known)
        hint = "" if ";" in reason else f"; the key of a penalty needs penalties.{key}._target_"
        return value, [f"{key}={shown(value)}: {reason}{hint}"]
    if key in control.DEFAULTS:
        return value, [*penalties.mistakes(key, value), *_unwritable(key, value)]
    if key in GROUPS or key in FIXED:
        value, mistakes = _group(key, value)
        return value, mistakes or list(_unwritable(key, value))
    typed, mistakes = _typed(Job, {key: value})
    return typed[key], mistakes


def _unwritable(key: str, value: Any) -> Iterator[str]:
    """Mistakes of what JSON has no one text for: a pack could not keep it, nor a point be named after it."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _unwritable(f"{key}.{name}", each)
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from _unwritable(f"{key}[{place}]", each)
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{key}={shown(value)}: must be a finite number"
    elif not isinstance(value, str | int | float | None):
        yield f"{key}={shown(value)}: must be a number, text, true, false, null, or a list or dictionary of them"


def missing(keys: Iterable[str], penalties: PenaltyKeys) -> list[str]:
    """A mistake for each key that should be among these."""
    there = set(keys)
    lacking = [f"{key} is missing" for key in KEYS if key not in there and key not in OPTIONAL]
    return [*lacking, *penalties.missing(there)]


def _resolved(cfg: DictConfig) -> tuple[dict[str, Any], list[str]]:
    """Plain values, and a mistake for every key that cannot be resolved."""
    plan: dict[str, Any] = {}
    mistakes = []
    for key in (each for each in cfg if each != CASE):
        try:
            value = cfg[key]
            if OmegaConf.is_config(value):
                value = OmegaConf.to_container(value, resolve=True, throw_on_missing=True)
            plan[str(key)] = value
        except OmegaConfBaseException as error:
            mistakes.append(explain(error))
    return plan, mistakes


def _group(group: str, values: Any) -> tuple[Any, list[str]]:
    """The values of a group in their types."""
    if not isinstance(values, dict):
        if values is None and OPTIONAL.get(group, group) is None:
            return values, []
        return values, [
            f"{group}={shown(values)}: must be one of the choices of the group, or keys and values"
        ]
    if group in FIXED:
        schema = BY_NAME.get(group, {}).get(str(values.get("name")), FIXED[group])
        return _typed(schema, values, group)
    if group == "callbacks":
        return _callbacks(values)
    if group == "trainer":
        return values, list(trainer(values))
    if group not in BY_TARGET:
        return values, []
    target = values.get("_target_")
    if target in BY_TARGET[group]:
        return _typed(BY_TARGET[group][target], values, group)
    if not isinstance(target, str) or not _DOTTED_PATH.fullmatch(target):
        return values, [f"{group}._target_={shown(target)}: must be a dotted path, as in my_package.MyNet"]
    if target.startswith("spinodal."):
        return values, [f"{group}._target_={target}: not one of ours{closest(target, BY_TARGET[group])}"]
    return values, []


def _callbacks(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Callbacks of ours with their arguments in their types; null is none, and others are anybody's."""
    typed, mistakes = dict(values), []
    for name, each in values.items():
        if isinstance(each, dict) and "_target_" not in each:
            mistakes.append(
                f"callbacks.{name}={shown(each)}: has no _target_, so that nothing takes these values; choose "
                f"callbacks that have {name}, or write ~callbacks.{name}"
            )
        schema = CALLBACKS.get(str(each.get("_target_"))) if isinstance(each, dict) else None
        if schema is not None:
            typed[name], wrong = _typed(schema, each, f"callbacks.{name}")
            mistakes += wrong
    return typed, mistakes


_adapter = cache(TypeAdapter)


def _typed(schema: type, values: Mapping[str, Any], group: str = "") -> tuple[dict[str, Any], list[str]]:
    """The values in a schema's types, checked against its ranges and rules."""
    try:
        typed = _adapter(schema).dump_python(_adapter(schema).validate_python(values))
    except ValidationError as error:
        lines = [_mistake(schema, values, group, detail) for detail in error.errors(include_url=False)]
        return dict(values), list(dict.fromkeys(lines))
    return typed, list(RULES[schema](typed)) if schema in RULES else []


def _mistake(schema: type, values: Mapping[str, Any], group: str, detail: Any) -> str:
    name = str(detail["loc"][0])
    key = f"{group}.{name}" if group else name
    if detail["type"] == "missing":
        return f"{key} is missing: must be {allowed(schema, name)}"
    given = f"{key}={shown(values[name])}"
    if detail["type"] == "unexpected_keyword_argument":
        if others := having(group, name):
            chosen = values.get("name") or next(each for each in CHOICES if CHOICES[each] is schema)
            return f"{given}: no such key in {group}={chosen}, only in {', '.join(others)}"
        return f"{given}: {no_such_key(key, (f'{group}.{field.name}' for field in fields(schema)))}"
    if detail["type"] == "value_error":
        return f"{given}: {detail['ctx']['error']}"
    words = allowed(schema, name)
    near = closest(str(values[name]), words.removeprefix("one of ").split(", ")) if "one of" in words else ""
    return f"{given}: must be {words}" + (near if "mean" in near else "")
