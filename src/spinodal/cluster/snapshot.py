"""A copy of the code as it is when jobs are submitted: what is edited later, they do not see."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import shutil
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import hydra_plugins.spinodal as plugins
import spinodal
from spinodal.campaign import commit, write_atomically
from spinodal.errors import UserError
from spinodal.planning import conf_dir

WHOLE = "whole"
"""The file that is written last."""


def take(campaign: Path, configs: Iterable[Mapping[str, Any]]) -> Path:
    """Copy spinodal, its configuration, and modules that are not installed but named by packs; once per content.

    Args:
        campaign: its folder.
        configs: those of the packs.

    Returns:
        The folder with the copy: first of a job's `PYTHONPATH`.

    Raises:
        UserError: If it cannot be written.
    """
    files = dict(_ours())
    for name in _names(configs):
        files |= dict(_theirs(name, set()))
    digest = hashlib.sha256()
    for path, source in sorted(files.items()):
        content = source if isinstance(source, bytes) else source.read_bytes()
        digest.update(f"{path} {len(content)} ".encode() + content)
    place = campaign / "code" / digest.hexdigest()[:16]
    if (place / WHOLE).is_file():
        return place
    temporary = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    try:
        for path, source in files.items():
            (temporary / path).parent.mkdir(parents=True, exist_ok=True)
            (temporary / path).write_bytes(source if isinstance(source, bytes) else source.read_bytes())
        if place.exists():  # of somebody who was killed before the last file was there
            shutil.rmtree(place)
        temporary.rename(place)
    except OSError as error:
        if not place.is_dir():  # somebody else has been faster
            raise UserError(f"{place}: cannot be written ({error.strerror})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    write_atomically(place / WHOLE, b"")
    return place


def _ours() -> Iterator[tuple[str, Path | bytes]]:
    package = Path(spinodal.__file__).parent
    for top, source in (
        ("spinodal", package),
        ("spinodal/conf", conf_dir()),
        ("hydra_plugins/spinodal", Path(next(iter(plugins.__path__)))),
    ):
        for path in _files(source):
            yield f"{top}/{path.relative_to(source)}", path
    yield "spinodal/commit", (commit() or "").encode()


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".pyc")


def _names(configs: Iterable[Any]) -> set[str]:
    """Modules that any `_target_` names, without what is within them."""
    found = set()
    for config in configs:
        if isinstance(config, Mapping):
            if isinstance(target := config.get("_target_"), str):
                found.add(target.partition(".")[0])
            found |= _names(config.values())
        elif isinstance(config, list | tuple):
            found |= _names(config)
    return found


def _theirs(name: str, seen: set[str]) -> Iterator[tuple[str, Path]]:
    """A module that somebody may be working on, and those it imports."""
    source = None if name in seen else _source(name)
    seen.add(name)
    if source is None:
        return
    for path in [source] if source.is_file() else _files(source):
        yield str(path.relative_to(source.parent)), path
        if path.suffix == ".py":
            for imported in _imported(path):
                yield from _theirs(imported, seen)


def _source(name: str) -> Path | None:
    """File or folder of a module, if it was neither installed nor is of Python's own, or ours."""
    spec = importlib.util.find_spec(name)
    if spec is None or name in {"spinodal", "hydra_plugins"}:
        return None
    places = [*(spec.submodule_search_locations or ()), *([spec.origin] if spec.has_location else [])]
    if not places or places[0] is None:
        return None
    source = Path(places[0]).resolve()
    installed = {"site-packages", "dist-packages"} & set(source.parts)
    return None if installed or source.is_relative_to(sysconfig.get_path("stdlib")) else source


def _imported(path: Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return  # its import will fail, and say why
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name.partition(".")[0] for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
