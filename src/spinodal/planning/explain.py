"""Mistakes in one line each: errors of Hydra and OmegaConf, told to the person at the command line."""

from __future__ import annotations

import difflib
import re
import sysconfig
import traceback
from collections.abc import Iterable
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException, MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException, ValidationError
from yaml import YAMLError  # type: ignore[import-untyped]

import spinodal
from spinodal.errors import UserError, in_a_line
from spinodal.planning.foreign import FOREIGN
from spinodal.planning.schema import allowed, slurm_keys

_LITERAL = re.compile(r"[-+.\d]+(e[-+]?\d+)?|true|false|null|[\[{].*", re.IGNORECASE)
"""What would not be text if it had no quotes."""

_TYPES = {"Integer": "an integer", "Float": "a number", "Boolean": "true or false"}
"""OmegaConf's names of types, in words."""

INSTALLED = {"site-packages", "dist-packages"}
"""Folders of libraries."""

LONGEST = 300
"""Characters of an exception's message that a line has room for."""


def shown(value: Any) -> str:
    """A value about as it would be written on the command line, and not longer than a line has room for."""
    match value:
        case None:
            text = "null"
        case bool():
            text = str(value).lower()
        case list() | tuple():
            text = "[" + ",".join(shown(item) for item in value[:20]) + "]"
        case dict():
            text = "{" + ",".join(f"{key}:{shown(item)}" for key, item in list(value.items())[:20]) + "}"
        case _:
            text = " ".join(str(value).split())
            if isinstance(value, str) and _LITERAL.fullmatch(text):
                text = f"'{text}'"
    return text if len(text) <= 60 else text[:57] + "…"


def closest(word: str, words: Iterable[str]) -> str:
    """A suggestion for a misspelt word, or else all there are if they are few; completes a sentence."""
    words = sorted(set(words))
    near = difflib.get_close_matches(word, words, n=1)
    return f"; did you mean {near[0]}?" if near else _all(words)


def _all(words: Iterable[str]) -> str:
    words = sorted(word for word in words if not word.endswith("._target_"))
    return f"; there are {', '.join(words)}" if 0 < len(words) <= 12 else ""


def no_such_key(key: str, known: Iterable[str]) -> str:
    """What is wrong with a key that does not exist, and which key was probably meant; completes "key=value: …".

    Args:
        key: dotted.
        known: keys that exist, dotted.
    """
    known = set(known)
    if key in known:
        return "is chosen by name and has no keys of its own"
    if f"penalties.{key}" in known:
        return f"is not given yet; write +{key}=… for a number at which this penalty is held"
    group, _, name = key.rpartition(".")
    elsewhere = sorted(each for each in known if each.rpartition(".")[2] == name)
    siblings = {each.rpartition(".")[2]: each for each in known if each.rpartition(".")[0] == group}
    if group == "hydra.launcher" and name in slurm_keys():
        return "no such key here; hydra/launcher=slurm has it"
    if key.partition(".")[0] == "hydra":
        elsewhere = []
    elif name.lower() in FOREIGN:
        return f"no such key; {FOREIGN[name.lower()]}"
    if 0 < len(elsewhere) <= 3:
        return f"no such key; did you mean {' or '.join(elsewhere)}?"
    if near := difflib.get_close_matches(name, siblings, n=1):
        return f"no such key; did you mean {siblings[near[0]]}?"
    return f"no such key{_all(siblings.values()) if group and siblings else closest(key, known)}"


def explain(error: BaseException, known: Iterable[str] = ()) -> str:
    """One line about an error of Hydra or OmegaConf: key, value, what is allowed.

    Args:
        error: a HydraException, an OmegaConfBaseException, a ValueError of theirs, or a YAMLError.
        known: keys that exist, to suggest from.
    """
    if isinstance(error.__cause__, UserError):
        return str(error.__cause__)
    if isinstance(error, InstantiationException):
        return _not_built(error)
    if isinstance(error, YAMLError):
        return in_a_line(error)
    if isinstance(error, OverrideParseException):
        return _unreadable(error.override)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        choices = ", ".join(sorted(error.options))
        near = difflib.get_close_matches(choice, error.options, n=1)
        if ":" in choice:
            return f"{group}={choice}: must be one of {choices}; a shell takes braces apart unless in quotes"
        return f"{group}={choice}: must be one of {choices}" + (f"; did you mean {near[0]}?" if near else "")
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__
    text = (str(error) or type(error).__name__).strip()
    line = text.splitlines()[0]
    if match := re.match(r"Could not (?:override|delete from config\.) '([^']*)'", text):
        key = match[1]
        suggested = re.search(r"To append to your .* use \+(.*)", text)
        return f"{suggested[1] if suggested else key}: {no_such_key(key.lstrip('+~'), known)}"
    if match := re.match(r"In '(.*)': \w+ raised while composing config:\n(.*)\n +full_key: (\S+)", text):
        return f"{match[3]} in {match[1]}.yaml: {match[2]}"
    if match := re.match(r"Multiple values for (\S+)\. ", text):
        return f"{match[1]}: chosen twice; write {match[1]}=choice once, without +"
    if match := re.match(r"Ambiguous value for argument '(.*)'|Sweep parameters '(.*)' requires", text):
        return sweep_hint(match[1] or match[2])
    if isinstance(cause, OmegaConfBaseException) and cause.full_key:
        return _value(cause)
    return line


def sweep_hint(override: str) -> str:
    """What to do about a sweep in a command that takes one configuration."""
    return f"{override}: several values are several configurations, and this takes one; a list has brackets"


def _unreadable(override: str) -> str:
    if "=" not in override and not override.startswith("~"):
        return f"{shown(override)}: must be key=value, or group=choice"
    return (
        f"{shown(override)}: cannot be read; brackets must match, and spaces, commas, colons may need quotes"
    )


def _not_built(error: InstantiationException) -> str:
    """A `_target_` that cannot be imported, or does not take its arguments, or raises."""
    text = str(error)
    target, where = re.search("'([^']*)'", text), re.search(r"^full_key: (\S+)", text, re.MULTILINE)
    key, name = where[1] if where else "_target_", target[1] if target else "?"
    cause = error.__cause__
    if cause is None:
        return f"{key}: {'; '.join(line for line in text.splitlines() if not line.startswith('full_key:'))}"
    if text.startswith("Error locating"):
        return not_imported(key, name, cause.__cause__ or cause)
    return raised(key, name, cause)


def not_imported(key: str, target: str, error: BaseException) -> str:
    """A line about a `_target_` that is not there, or whose module raises.

    Args:
        key: of the configuration.
        target: its `_target_`.
        error: what the import has raised.
    """
    kind = "" if isinstance(error, ImportError | AttributeError) else f"{type(error).__name__}: "
    missing = isinstance(error, ModuleNotFoundError) and target.startswith(f"{error.name}.")
    hint = "; modules are looked for in this folder and on PYTHONPATH" if missing else ""
    return f"{key}: {target} cannot be imported: {kind}{_reason(error)}{place(error)}{hint}"


def raised(key: str, target: str, error: BaseException) -> str:
    """A line about a `_target_` that raises: what, and where in the user's code.

    Args:
        key: of the configuration.
        target: its `_target_`.
        error: what it has raised.
    """
    return f"{key}: {target} raised {type(error).__name__}: {_reason(error)}{place(error)}"


def _reason(error: BaseException) -> str:
    """The message of an exception, in a line; of a missing file with its name."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    text = in_a_line(error)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def place(error: BaseException) -> str:
    """Name file and line of the innermost frame in code that is neither ours, nor Python's, nor installed."""
    libraries = [Path(sysconfig.get_path(each)) for each in ("stdlib", "platstdlib")]
    homes = (Path(spinodal.__file__).parents[1], *libraries, *(each.resolve() for each in libraries))
    ours = tuple(map(str, homes))
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_file() and not frame.filename.startswith(ours) and not INSTALLED & set(path.parts):
            near = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
            return f" ({near}, line {frame.lineno})"
    return ""


def _value(error: OmegaConfBaseException) -> str:
    key, schema = str(error.full_key), error.object_type
    name = re.sub(r"\[\d+\]$", "", key).rpartition(".")[2]
    if isinstance(error, ValidationError):
        if is_dataclass(schema) and (words := allowed(schema, name, "")):
            return f"{key}={shown(error.value)}: must be {words}"
        if match := re.search(r"could not be converted to (\w+)", str(error.msg)):
            return f"{key}={shown(error.value)}: must be {_TYPES.get(match[1], match[1])}"
    reason = str(error.msg).splitlines()[0]
    if match := re.fullmatch(r"Interpolation key '(.*)' not found", reason):
        reason = f"takes its value from {match[1]}, which does not exist"
    return f"{key}: {reason}"
