"""Files that are whole at every moment: the old one or the new one, whatever happens in between."""

from __future__ import annotations

import os
from pathlib import Path

from spinodal.errors import UserError


def write_atomically(path: Path, content: bytes, previous: Path | None = None) -> None:
    """Put a file in the place of the old one, if there is one; its folder is made.

    Args:
        path: of the file.
        content: all of it.
        previous: where the old one goes, instead of away.

    Raises:
        UserError: If it cannot be written; then what was there is unchanged.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if previous is not None and path.exists():
                os.replace(path, previous)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror}); what was there is unchanged"
        ) from error


def delete_strays(path: Path) -> None:
    """Delete what killed writers of a file have left beside it."""
    for stray in path.parent.glob(f".{path.name}.*.tmp"):
        stray.unlink(missing_ok=True)
