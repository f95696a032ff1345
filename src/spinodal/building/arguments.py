"""Arguments of Lightning's Trainer, checked by name and type alone: the machine that submits need not have a GPU."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any, get_type_hints

from omegaconf import DictConfig, OmegaConf
from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter, ValidationError

from spinodal.building.made import BuildError
from spinodal.errors import UserError
from spinodal.planning.explain import closest, not_imported, shown
from spinodal.signatures import located

OF_THE_JOB = {
    "callbacks": "callbacks are a group of their own",
    "default_root_dir": "paths.campaign is where a job writes",
    "logger": "loggers are a group of their own",
    "max_epochs": "a job ends when every point has gone through its path of λ",
    "plugins": "a job brings its own",
}
"""Arguments that a job sets itself, and what there is instead."""


def refuse_arguments(plan: DictConfig) -> None:
    """Check the names and types of what a plan's Trainer is given.

    Raises:
        BuildError: With every mistake, a line each.
    """
    target = str(plan.trainer.get("_target_"))
    try:
        takes = located(target)
        known = inspect.signature(takes).parameters
    except (UserError, TypeError, ValueError) as error:  # of some callables there is no signature
        raise BuildError(not_imported("trainer", target, error.__cause__ or error)) from error
    given = OmegaConf.to_container(plan.trainer, resolve=True)
    assert isinstance(given, dict)
    values = {str(name): value for name, value in given.items() if not str(name).startswith("_")}
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in known.values()):
        values = {name: value for name, value in values.items() if name in known or name in OF_THE_JOB}
    if mistakes := list(_mistakes(target, values, known, _types(takes))):
        raise BuildError("\n".join(mistakes))


def _mistakes(target: str, values: dict[str, Any], known: Any, types: dict[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        told = f"trainer.{name}={shown(value)}: "
        if name in OF_THE_JOB:
            yield f"{told}is not the trainer's to say; {OF_THE_JOB[name]}"
        elif name not in known:
            yield f"{told}{target} takes no such argument{closest(name, known)}"
        elif name in types and not _fits(value, types[name]):
            kind = re.sub(r"(?:[a-z_]+[.])+", "", inspect.formatannotation(types[name]))
            yield f"{told}must be {kind}, as {target} has it"


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(value, dict) and "_target_" in value:
        return True  # becomes an object first
    try:
        TypeAdapter(kind, config=ConfigDict(arbitrary_types_allowed=True)).validate_python(value, strict=True)
    except PydanticSchemaGenerationError:
        return True  # a type that only its library can check
    except ValidationError:
        return False
    return True


def _types(takes: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(takes.__init__ if inspect.isclass(takes) else takes)
    except Exception:  # a user's annotations may name what is not there
        return {}
