"""A copy of the code as it is when jobs are submitted: what is edited later, they do not see."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import hydra_plugins.spinodal as plugins
import spinodal
from spinodal.campaign import commit
from spinodal.errors import UserError
from spinodal.files import write_atomically
from spinodal.planning import conf_dir, imported, named, source_of, targets

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
    configs = list(configs)
    paths = [
        path for config in configs for path in (*dict(targets(config, "")).values(), *named(config).values())
    ]
    for name in {path.partition(".")[0] for path in paths}:
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


def _theirs(name: str, seen: set[str]) -> Iterator[tuple[str, Path]]:
    """A module that somebody may be working on, and those it imports."""
    place = None if name in seen else source_of(name)
    seen.add(name)
    if place is None:
        return
    for path in [place] if place.is_file() else _files(place):
        yield str(path.relative_to(place.parent)), path
        for other in imported(path):
            yield from _theirs(other.partition(".")[0], seen)
