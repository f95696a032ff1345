"""Interpolations in a configuration: where they are, and what they depend on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Path = tuple[str, ...]

_REFERENCE = re.compile(r"\$\{\s*([\w.@/\[\]-]+)\s*\}")
"""A node named by its full key."""

_RESOLVER = re.compile(r"\$\{\s*([\w.]+)\s*:")

OF_ITS_ARGUMENTS = {"oc.env", "geomspace", "linspace", "oc.decode"}
"""Resolvers that look at their arguments only."""

_IMPURE = {"now", "hydra"}
"""Resolvers whose answer belongs to a moment or a folder, not to a result."""


def interpolated(node: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Where a plain, unresolved configuration has interpolations; a list with some in it counts as one place."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from interpolated(value, (*path, str(key)))
    elif "${" in (text := str(node) if isinstance(node, str | list) else ""):
        yield path, text


def unresolved(node: Any) -> bool:
    """Whether there is an interpolation in a plain value, or something that still has to be given."""
    if isinstance(node, Mapping):
        return any(unresolved(value) for value in node.values())
    return isinstance(node, str | list) and ("${" in str(node) or "???" in str(node))


def resolvers(text: str) -> set[str]:
    """Names of the resolvers in an interpolation."""
    return set(_RESOLVER.findall(text))


def impure(text: str, config: Mapping[str, Any]) -> bool:
    """Whether an interpolation depends on a moment or a folder, itself or through what it names.

    Args:
        text: the interpolation.
        config: plain and unresolved, in which it stands.
    """
    seen: set[str] = set()
    texts = [text]
    while texts:
        if resolvers(text := texts.pop()) & _IMPURE:
            return True
        for name in set(_REFERENCE.findall(text)) - seen:
            seen.add(name)
            texts += [each for path, each in interpolated(config) if overlap(name, ".".join(path))]
    return False


def moving(config: Mapping[str, Any], key: str) -> set[Path]:
    """What may change when a key does: itself, and whatever interpolates it, directly or not.

    Args:
        config: plain and unresolved.
        key: dotted.
    """
    texts = dict(interpolated(config))
    found: set[Path] = {tuple(key.split("."))}
    while new := {path for path, text in texts.items() if path not in found and _depends(text, found)}:
        found |= new
    return found


def overlap(one: str, other: str) -> bool:
    """Whether two dotted keys are the same, or one is within the other."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _depends(text: str, changing: Iterable[Path]) -> bool:
    names = _REFERENCE.findall(text)
    # Relative references and strangers' resolvers may look at anything.
    if text.count("${") > len(names) + len(_RESOLVER.findall(text)) or resolvers(text) - OF_ITS_ARGUMENTS:
        return True
    return any(name.startswith(".") or overlap(name, ".".join(key)) for name in names for key in changing)
