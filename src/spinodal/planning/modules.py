"""Modules of a user's own: which files determine a result, and what they hold. None of them is imported here to know.

A file counts if a `_target_` of data, model, optimizer or a penalty in 𝓛, or the name of the protocol, lies in it, or
if such a file imports it; not if it is installed, part of Python, or ours: of those the version is known.
"""

from __future__ import annotations

import ast
import hashlib
import io
import sys
import sysconfig
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Any

from spinodal.campaign import Pack, control
from spinodal.errors import UserError
from spinodal.protocols import is_own
from spinodal.signatures import located

SECTIONS = ("data", "model", "optimizer")
"""Parts of a configuration whose `_target_`s determine results."""

NOTED = "__spinodal_content__"
"""Name within an imported module of the digest of its file."""


def named(plan: Mapping[str, Any]) -> dict[str, str]:
    """By key, what of a user's own determines the results of a plan, as a dotted path."""
    parts = {section: plan.get(section) for section in SECTIONS}
    parts |= {f"penalties.{name}": each for name, each in control.penalties(plan).items()}
    found = {
        key: target
        for section, part in parts.items()
        for key, target in targets(part, section)
        if not target.startswith("spinodal.")
    }
    name = str(plan.get("protocol", {}).get("name"))
    return {**found, "protocol.name": name} if is_own(name) else found


def targets(node: Any, key: str) -> Iterator[tuple[str, str]]:
    """Yield every `_target_` at or below a part of a configuration, with its key.

    Args:
        node: the part, in plain containers.
        key: of the part.
    """
    if isinstance(node, Mapping):
        target = node.get("_target_")
        if isinstance(target, str):
            yield f"{key}._target_", target
        for name, value in node.items():
            yield from targets(value, f"{key}.{name}")
    elif isinstance(node, list | tuple):
        for place, value in enumerate(node):
            yield from targets(value, f"{key}[{place}]")


def contents(paths: Iterable[str]) -> dict[str, str]:
    """Digests of the files that modules are made of, by the file's name below the folder it is imported from.

    Args:
        paths: of what is used, dotted. What cannot be found is left out: its import raises.
    """
    found: dict[str, str] = {}
    left = list(paths)
    while left:
        for name, spec in _specs(left.pop()):
            package = spec.submodule_search_locations is not None
            if spec.origin is None or not spec.has_location:
                continue  # a folder without __init__.py
            path = Path(spec.origin)
            file = name.replace(".", "/") + (f"/{path.name}" if package else path.suffix)
            if file not in found:
                found[file] = _digest(path)
                left += imported(path, name if package else name.rpartition(".")[0])
    return dict(sorted(found.items()))


def source_of(name: str) -> Path | None:
    """File or folder of a module, if it was neither installed nor is of Python's own, or ours.

    Args:
        name: of the module, without what is within it.
    """
    spec = _found(name)
    if spec is None or name in {"spinodal", "hydra_plugins"}:
        return None
    places = [*(spec.submodule_search_locations or ()), *([spec.origin] if spec.has_location else [])]
    if not places or places[0] is None:
        return None
    path = Path(places[0]).resolve()
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    # Python may be reached through a link.
    homes = [Path(sysconfig.get_path(each)).resolve() for each in ("stdlib", "platstdlib")]
    return None if installed or any(path.is_relative_to(each) for each in homes) else path


def imported(path: Path, package: str | None = None) -> Iterator[str]:
    """What a file imports anywhere, dotted: modules, and names that may be modules.

    Args:
        path: of the file.
        package: that it belongs to, "" for none; by default imports relative to it are left out.
    """
    if path.suffix != ".py":
        return
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return  # its import will raise
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and (package or not node.level):
            try:
                module = resolve_name("." * node.level + (node.module or ""), package)
            except ImportError:
                continue  # beyond the package: this fails, too
            yield from (f"{module}.{each.name}" for each in node.names)


def refuse_stale(digests: Mapping[str, str]) -> None:
    """See that a process which imported modules in an earlier command has them as they are now.

    Args:
        digests: by file, as of `contents`, from before this command has imported anything.

    Raises:
        UserError: Naming the files edited since.
    """
    changed = []
    for file, digest in digests.items():
        module = sys.modules.get(file.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
        if module is not None and vars(module).setdefault(NOTED, digest) != digest:
            changed.append(file)
    if changed:
        raise UserError(
            f"{', '.join(changed)}: edited after this process had imported it; start a new process"
        )


def refuse_edited(pack: Pack) -> None:
    """See that the modules a pack needs are what they were when it was planned; they are imported for it.

    Raises:
        UserError: Naming the files that are not, or what cannot be imported.
    """
    planned = pack.config.get("modules")
    if not planned:
        return
    own = named(pack.config)
    for key, target in own.items():  # first: what is edited between looking and importing would be missed
        try:
            located(target)
        except UserError as error:
            raise UserError(f"{key}={target}: {error}") from error
    now = contents(own.values())
    if changed := [file for file, digest in planned.items() if now.get(file) != digest]:
        raise UserError(
            f"{', '.join(changed)}: has another content than when pack={pack.name} was planned; run the command again"
        )
    refuse_stale(planned)


def _specs(path: str) -> Iterator[tuple[str, ModuleSpec]]:
    """The modules on the way along a dotted path, as far as it names modules."""
    name, *others = path.split(".")
    if source_of(name) is None:
        return
    spec = _found(name)
    while spec is not None:
        yield name, spec
        if not others or spec.submodule_search_locations is None:
            return
        name = f"{name}.{others.pop(0)}"
        spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))


def _found(name: str) -> ModuleSpec | None:
    try:
        return find_spec(name)
    except (ImportError, ValueError):  # __main__ has none
        return None


def _digest(path: Path) -> str:
    """12 hexadecimal digits of a file; of Python's without what no result depends on."""
    content = path.read_bytes()
    if path.suffix == ".py":
        content = code(content).encode()
    return hashlib.sha256(content).hexdigest()[:12]


def code(content: bytes) -> str:
    """The text of a Python file without comments, blank lines and white space at the ends of lines.

    The same for every version of Python, as the syntax tree is not.
    """
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        lines = io.StringIO(content.decode(encoding), newline=None).readlines()
        ends: dict[int, int] = {}
        for token in tokenize.generate_tokens(iter(lines).__next__):
            if token.type in (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE):
                row, column = token.start
                ends[row] = min(column, ends.get(row, column))
    except (SyntaxError, UnicodeDecodeError, tokenize.TokenError):  # its import will raise
        return content.decode("utf-8", "replace").replace("\r\n", "\n")
    kept = []
    for row, line in enumerate(lines, 1):
        text = line[: ends[row]].rstrip() + "\n" if row in ends else line
        if row not in ends or text.strip():
            kept.append(text)
    return "".join(kept)
