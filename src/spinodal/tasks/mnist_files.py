"""MNIST's four IDX files, from a folder or a mirror; what is not what it should be is refused."""

from __future__ import annotations

import gzip
import hashlib
import logging
import sys
import zlib
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from spinodal.errors import UserError, in_a_line

MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist"

SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""Of each file's content once it is uncompressed: mirrors compress it differently."""

IMAGES_AT, LABELS_AT = 16, 8
"""Bytes of an IDX file before its numbers."""


class MnistFiles(NamedTuple):
    """All images, as rows of bytes, and their labels."""

    images: UInt8[Tensor, "M d"]
    labels: Int64[Tensor, " M"]
    test_images: UInt8[Tensor, "m d"]
    test_labels: Int64[Tensor, " m"]


def read_mnist(path: str | None = None, mirror: str = MIRROR) -> MnistFiles:
    """Read the four files, each compressed (.gz) or not.

    Args:
        path: folder that they are in. Without, they are in a cache of the user's, and what is not there is downloaded,
            with a line on the standard error.
        mirror: address that they are downloaded from.

    Raises:
        UserError: If one is not there, cannot be downloaded, or has another content than MNIST's.
    """
    images, labels, test_images, test_labels = (_content(name, path, mirror) for name in SHA256)
    return MnistFiles(
        _bytes(images, IMAGES_AT).view(-1, 28 * 28),
        _bytes(labels, LABELS_AT).long(),
        _bytes(test_images, IMAGES_AT).view(-1, 28 * 28),
        _bytes(test_labels, LABELS_AT).long(),
    )


def _bytes(content: bytes, start: int) -> UInt8[Tensor, " n"]:
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=start)


def _content(name: str, path: str | None, mirror: str) -> bytes:
    if path is not None:
        there = [each for each in (Path(path, name), Path(path, f"{name}.gz")) if each.is_file()]
        if not there:
            raise UserError(f"data.path = {path}: there is no {name} or {name}.gz; null downloads them")
        return _checked(there[0], name, f"data.path = {path}")
    file = _downloaded(f"{name}.gz", mirror)
    try:
        return _checked(file, name, f"data.mirror = {mirror}")
    except UserError:
        file.unlink(missing_ok=True)  # the next attempt downloads it again
        raise


def _checked(file: Path, name: str, given: str) -> bytes:
    try:
        content = file.read_bytes()
        content = gzip.decompress(content) if file.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{given}: {file.name} cannot be read ({in_a_line(error)})") from error
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256[name]:
        raise UserError(
            f"{given}: {file.name} is not MNIST's: SHA-256 of its content is {found[:12]}…, must be "
            f"{SHA256[name][:12]}…"
        )
    return content


def _downloaded(name: str, mirror: str) -> Path:
    """The file in the cache, where it is put whole or not at all."""
    import pooch  # and requests, for which only a download need wait

    folder = Path(pooch.os_cache("spinodal")) / "mnist"
    if (folder / name).is_file():
        return folder / name
    address = f"{mirror.rstrip('/')}/{name}"
    print(f"data mnist: downloading {address} into {folder}", file=sys.stderr, flush=True)
    pooch.get_logger().setLevel(logging.WARNING)  # it would say so in three lines
    try:
        return Path(pooch.retrieve(address, known_hash=None, fname=name, path=folder))
    except Exception as error:  # whatever a network does
        raise UserError(
            f"data.mirror = {mirror}: {name} cannot be downloaded ({in_a_line(error)}); data.path=FOLDER reads it "
            "from there"
        ) from error
