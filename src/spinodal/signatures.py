"""What a class or function that a configuration names takes, read off its signature; importing it is part of that."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

from spinodal.errors import UserError, in_a_line


class Arguments(NamedTuple):
    """What a call takes by name."""

    names: tuple[str, ...]
    """In the order of the signature."""
    needed: frozenset[str]
    """Those without a default value."""
    anything: bool
    """Whether there is a **kwargs, or no signature to read."""


def located(target: str) -> Any:
    """Import what a dotted path names.

    Args:
        target: module and name, as in "my_package.nets.Net".

    Raises:
        UserError: With the reason in one line, without the path: the module is not there, fails, or has no such name.
    """
    first, *others = target.split(".")
    module = first
    try:
        found: Any = import_module(first)
        for name in others:
            if not hasattr(found, name) and isinstance(found, ModuleType) and hasattr(found, "__path__"):
                import_module(f"{module}.{name}")
            found = getattr(found, name)
            module = f"{module}.{name}"
    except (Exception, SystemExit) as error:  # whatever a module raises while it is imported
        kind = "" if isinstance(error, ImportError | AttributeError) else f"{type(error).__name__}: "
        raise UserError(f"cannot be imported: {kind}{in_a_line(error)}") from error
    return found


def arguments_of(found: Any) -> Arguments:
    """The arguments of a class or function."""
    try:
        parameters = inspect.signature(found).parameters.values()
    except (TypeError, ValueError):  # some that are written in C have none
        return Arguments((), frozenset(), True)
    named = [each for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    return Arguments(
        tuple(each.name for each in named),
        frozenset(each.name for each in named if each.default is each.empty),
        any(each.kind is each.VAR_KEYWORD for each in parameters),
    )


def names(found: Any, argument: str) -> bool:
    """Whether a class or function has an argument of a name: itself, or a class whose **kwargs it goes on to."""
    for each in inspect.getmro(found) if inspect.isclass(found) else (found,):
        takes = arguments_of(each)
        if argument in takes.names or not takes.anything:
            return argument in takes.names
    return False


def accepted(target: str, offered: Mapping[str, Any]) -> dict[str, Any]:
    """Those of some arguments that a class or function takes.

    Args:
        target: its dotted path.
        offered: arguments by name.

    Raises:
        UserError: If it cannot be imported.
    """
    try:
        takes = arguments_of(located(target))
    except UserError as error:
        raise UserError(f"_target_={target}: {error}") from error
    return {name: value for name, value in offered.items() if takes.anything or name in takes.names}
