"""Checkpoints that survive a kill at any moment, and how a job finds its own."""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import CheckpointIO
from torch import Tensor
from torch.serialization import safe_globals

from spinodal.files import delete_strays, write_atomically
from spinodal.protocols import PICKLED
from spinodal.training.interruption import Interruption
from spinodal.training.module import EnsembleModule
from spinodal.training.plain import refuse_objects

_MAGIC, _BEFORE = b"spinodal checkpoint 2\n", b"spinodal checkpoint 1\n"
_Path = str | os.PathLike[str]


class BrokenError(Exception):
    """A file is not the whole checkpoint it once was."""


class ForeignError(Exception):
    """A file holds more than tensors and plain values, whose loading could run code in it."""


class OlderError(Exception):
    """A checkpoint is of the version before."""


class AtomicCheckpointIO(CheckpointIO):
    """Lightning's checkpoints in files with a checksum, whole at every moment; the one before is kept.

    A checkpoint holds tensors and plain values only, and its loading runs no code that a file may hold.

    Args:
        older: whether those of the version before are read, too.
    """

    def __init__(self, older: bool = False) -> None:
        super().__init__()
        self.older = older

    def save_checkpoint(self, checkpoint: dict[str, Any], path: _Path, storage_options: Any = None) -> None:
        """Writes a checkpoint in the place of the last one, which becomes the previous one.

        Raises:
            UserError: if it holds more than tensors and plain values, or cannot be written; then the last one is
                unchanged.
        """
        refuse_objects(checkpoint)
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        content = buffer.getvalue()
        signed = _MAGIC + hashlib.sha256(content).digest() + content
        write_atomically(Path(path), signed, previous=_previous(Path(path)))

    def load_checkpoint(
        self, path: _Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Reads a checkpoint.

        Raises:
            BrokenError: if the file is not what was written.
            ForeignError: if it holds more than tensors and plain values.
            OlderError: if it is of the version before, and these are not read.
        """
        signed = Path(path).read_bytes()
        start = len(_MAGIC) + hashlib.sha256().digest_size
        magic, digest, content = signed[: len(_MAGIC)], signed[len(_MAGIC) : start], signed[start:]
        if magic not in (_MAGIC, _BEFORE) or digest != hashlib.sha256(content).digest():
            raise BrokenError
        if magic == _BEFORE and not self.older:
            raise OlderError
        allowed = safe_globals([*PICKLED, bytes]) if magic == _BEFORE else nullcontext()
        try:
            with allowed:
                # Whatever Lightning asks for: the checksum has no key, so that any file can carry a right one.
                checkpoint = torch.load(
                    io.BytesIO(content), map_location=map_location or "cpu", weights_only=True
                )
            return _converted(checkpoint) if magic == _BEFORE else dict(checkpoint)
        except Exception as error:  # a file from elsewhere may raise anything
            raise ForeignError from error

    def remove_checkpoint(self, path: _Path) -> None:
        """Deletes a checkpoint and the one before it."""
        for each in (Path(path), _previous(Path(path))):
            each.unlink(missing_ok=True)
        delete_strays(Path(path))


class Checkpoint(pl.Callback):
    """Saves at the end of every stage, now and then within one, and before a signal ends the run.

    Comes after the callback that records, so that what a checkpoint has behind it is in the records.

    Args:
        path: of the job's checkpoint.
        every_seconds: how often within a stage; at the end of a block.
        interruption: tells of signals.
    """

    def __init__(self, path: Path, every_seconds: float, interruption: Interruption) -> None:
        self.path = path
        self.every_seconds = every_seconds
        self.interruption = interruption
        self._saved = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Lets signals interrupt blocks."""
        assert isinstance(pl_module, EnsembleModule)
        pl_module.relaxation.watch = self.interruption.check
        # Lightning has put a handler of its own in place, with which a SIGTERM ends in exit code 0.
        self.interruption.listen()
        self._saved = time.monotonic()
        # Before any work, and not when the first checkpoint is written.
        callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        refuse_objects({"callbacks": {each.state_key: each.state_dict() for each in callbacks}})

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Saves if it is time to, or the last opportunity."""
        if self.interruption.wanted or time.monotonic() - self._saved >= self.every_seconds:
            self._save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Saves."""
        self._save(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        trainer.save_checkpoint(self.path, weights_only=False)
        self._saved = time.monotonic()
        self.interruption.check()


def find_checkpoint(path: Path, module: EnsembleModule, say: Callable[[str], None]) -> Path | None:
    """The newest checkpoint of a job that is whole, if it fits the job's module.

    Args:
        path: where the newest would be.
        module: as it is before the start.
        say: gets a line about whatever cannot be used, and about a checkpoint of the version before.
    """
    for candidate in (path, _previous(path)):
        try:
            try:
                found, older = AtomicCheckpointIO().load_checkpoint(candidate), False
            except OlderError:
                found, older = AtomicCheckpointIO(older=True).load_checkpoint(candidate), True
            fits = _layout(found) == _layout(_blank(module))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            say(f"{candidate} cannot be read ({error.strerror}) and is left out")
            continue
        except BrokenError:
            say(f"{candidate} is broken and left out")
            continue
        except ForeignError:
            say(
                f"{candidate} holds more than tensors and plain values: not loaded, since that could run code in it"
            )
            continue
        except (AttributeError, KeyError, TypeError, ValueError):  # other entries than now
            fits = False
        if fits:
            if older:
                say(f"{candidate} is of the version before, and the next checkpoint will be of this one")
            return candidate
        say(f"{candidate} does not fit this version of spinodal: starting from the beginning")
        break
    return None


def _previous(path: Path) -> Path:
    return path.with_suffix(f".previous{path.suffix}")


def _blank(module: EnsembleModule) -> dict[str, Any]:
    """What a checkpoint of the module would hold before the start."""
    optimizer = module.configure_optimizers()
    blank = {"state_dict": module.state_dict(), "optimizer_states": [optimizer.state_dict()]}
    module.on_save_checkpoint(blank)
    return blank


def _layout(checkpoint: dict[str, Any]) -> Any:
    """Whatever must agree for a state to fit: the names, shapes and types in it, and the trajectories."""
    (optimizer,) = checkpoint["optimizer_states"]
    progress = checkpoint["progress"]
    return (
        [
            {
                name: (each.dtype, each.shape) if isinstance(each, Tensor) else type(each)
                for name, each in state.items()
            }
            for state in (checkpoint["state_dict"], *optimizer["state"].values())
        ],
        set(progress),
        [(each["trajectory"], set(each)) for each in progress["itineraries"]],
    )


def _converted(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint of the version before, as it would be now."""
    progress = dict(checkpoint["progress"])
    progress["itineraries"] = [each.state_dict() for each in progress["itineraries"]]
    progress["visits"] = [each and each.state_dict() for each in progress["visits"]]
    return {**checkpoint, "progress": progress}
