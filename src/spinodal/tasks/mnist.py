"""Real images: MNIST's handwritten digits (28 × 28 pixels), as many classes as complexity asks for."""

from __future__ import annotations

from typing import Literal, NamedTuple, cast

import torch
from jaxtyping import Float64, Int64, UInt8
from torch import Tensor

from spinodal.errors import UserError
from spinodal.tasks.checking import ERRORS
from spinodal.tasks.mnist_files import MIRROR, read_mnist
from spinodal.tasks.task import Task

SIDE = 28
"""Pixels along a side."""


class _Set(NamedTuple):
    """Images that were chosen."""

    pixels: Float64[Tensor, "N d"]
    one_hot: Float64[Tensor, "N c"]


def mnist(
    path: str | None = None,
    mirror: str = MIRROR,
    complexity: int = 9,
    error: str = "squared",
    samples: int | None = 2000,
    test_samples: int | None = 2000,
    axes: int | None = None,
    images: bool = False,
    seed: int = 0,
) -> Task:
    """The classes 0…K of MNIST (LeCun, Cortes & Burges), with C = K + 1 classes and K features.

    Inputs are centred pixel by pixel with the training mean and divided by **one** number, the root mean square of all
    centred training pixels, so that the mean squared pixel is 1 and tr Σ_xx = 784. Principal axes are those of the
    training images; they are divided by the same number, so that λ means the same with them, and each points to where
    its largest component is positive. Targets are one-hot vectors minus the training set's class frequencies. The test
    set gets the training set's mean, scale, axes and frequencies.

    A subset has as many images of each class as of any other, as far as there are: images are drawn at random within
    their class, and dealt round the classes. Those of a smaller set are the first of a larger one.

    Args:
        path: folder with the four IDX files; without, they are downloaded once, into a cache of the user's.
        mirror: address that they are downloaded from, there compressed (.gz).
        complexity: K = C − 1, from 1 to 9.
        error: "squared" (on the centred one-hot targets) or "cross_entropy" (on the labels).
        samples: N, at least one a class; None for all there are of the classes.
        test_samples: the same of the test set, at least 1.
        axes: so many coordinates along the principal axes of the pixels, largest variance first, are the inputs;
            None for the pixels themselves.
        images: whether a sample has the shape [1, 28, 28], and not [784].
        seed: determines the choice of images.

    Raises:
        UserError: If an argument is out of its range, or there are no files with the right contents.
    """
    if not 1 <= complexity <= 9:
        raise UserError(
            f"data.complexity = {complexity}: must be from 1 to 9 (ten digits have nine features)."
        )
    if error not in ERRORS:
        raise UserError(f"data.error = {error}: must be one of {', '.join(ERRORS)}.")
    if axes is not None and not 1 <= axes <= SIDE**2:
        raise UserError(
            f"data.axes = {axes}: must be from 1 to {SIDE**2}, or null for the pixels themselves."
        )
    if axes is not None and images:
        raise UserError(
            f"data.images = {images}: must be false with data.axes = {axes}, which are no pixels."
        )
    files = read_mnist(path, mirror)
    classes, generator = complexity + 1, torch.Generator().manual_seed(seed)
    train = _chosen(files.images, files.labels, classes, samples, classes, "samples", generator)
    test = _chosen(files.test_images, files.test_labels, classes, test_samples, 1, "test_samples", generator)

    mean, frequencies = train.pixels.mean(0), train.one_hot.mean(0)
    inputs, test_inputs = train.pixels - mean, test.pixels - mean
    scale = inputs.norm() / inputs.numel() ** 0.5
    inputs, test_inputs = inputs / scale, test_inputs / scale
    if axes is not None:
        directions = _principal(inputs, axes)
        inputs, test_inputs = inputs @ directions, test_inputs @ directions
    shape = (1, SIDE, SIDE) if images else inputs.shape[1:]
    return Task(
        name="mnist",
        inputs=inputs.view(-1, *shape),
        targets=train.one_hot - frequencies,
        test_inputs=test_inputs.view(-1, *shape),
        test_targets=test.one_hot - frequencies,
        error_name=cast(Literal["squared", "cross_entropy"], error),
        classification=True,
        complexity=complexity,
    )


def _chosen(
    images: UInt8[Tensor, "M d"],
    labels: Int64[Tensor, " M"],
    classes: int,
    samples: int | None,
    fewest: int,
    key: str,
    generator: torch.Generator,
) -> _Set:
    """Images of the first classes, dealt round them."""
    dealt = _dealt(labels, classes, generator)
    if samples is not None and not fewest <= samples <= len(dealt):
        raise UserError(f"data.{key} = {samples}: must be from {fewest} to {len(dealt)} (null: all).")
    chosen = dealt[:samples]
    one_hot = (labels[chosen].unsqueeze(-1) == torch.arange(classes)).double()
    return _Set(images[chosen].double(), one_hot)


def _dealt(labels: Int64[Tensor, " M"], classes: int, generator: torch.Generator) -> Int64[Tensor, " m"]:
    """Places of the images of the first classes: the first of each, the second of each, and so on."""
    members = [(labels == label).nonzero().squeeze(-1) for label in range(classes)]
    shuffled = [each[torch.randperm(len(each), generator=generator)] for each in members]
    turns = torch.cat([torch.arange(len(each)) for each in members])
    return torch.cat(shuffled)[turns.argsort(stable=True)]


def _principal(inputs: Float64[Tensor, "N d"], axes: int) -> Float64[Tensor, "d a"]:
    """Directions of largest variance, each with the sign that makes its largest component positive."""
    _, vectors = torch.linalg.eigh(inputs.T @ inputs / len(inputs))
    directions = vectors.flip(1)[:, :axes]
    largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
    principal: Tensor = directions * largest.sign()
    return principal
