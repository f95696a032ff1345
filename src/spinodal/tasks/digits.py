"""Real images: scikit-learn's handwritten digits (8 × 8 pixels), as many classes as complexity asks for."""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor

from spinodal.errors import UserError
from spinodal.tasks.checking import ERRORS
from spinodal.tasks.task import Task


def digits(
    complexity: int = 3,
    error: str = "squared",
    samples: int | None = None,
    test_fraction: float = 0.25,
    seed: int = 0,
) -> Task:
    """The classes 0…K of handwritten digits, with C = K + 1 classes and K features.

    Inputs are centred pixel by pixel with the training mean and divided by **one** number, the root mean
    square of all centred training pixels: the mean squared pixel is 1 and tr Σ_xx = 64. So scaled, all 720
    images of the classes 0–3 have strengths 1.849, 1.332, 1.080, and training sets of 400 to 540 of them the
    same within 7 %. Targets are one-hot vectors minus the training set's class frequencies. The test set gets
    the training set's mean, scale and frequencies.

    The split is stratified. Which images are tested on depends on `complexity`, `test_fraction` and `seed`,
    not on `samples`.

    Args:
        complexity: K = C − 1, from 1 to 9.
        error: "squared" (on the centred one-hot targets) or "cross_entropy" (on the labels).
        samples: how many of the training samples to keep, at least one a class and as equally many of each as
            there are. All by default.
        test_fraction: the share of each class that is tested on, in (0, 1).
        seed: determines the split.

    Raises:
        UserError: If an argument is out of its range.
    """
    if not 1 <= complexity <= 9:
        raise UserError(
            f"data.complexity = {complexity}: must be from 1 to 9 (ten digits have nine features)."
        )
    if error not in ERRORS:
        raise UserError(f"data.error = {error}: must be one of {', '.join(ERRORS)}.")
    if not 0 < test_fraction < 1:
        raise UserError(f"data.test_fraction = {test_fraction}: must be between 0 and 1, both excluded.")

    from sklearn.datasets import load_digits  # takes half a second, which other tasks need not wait

    pixels, labels = (torch.as_tensor(array) for array in load_digits(return_X_y=True))
    classes = complexity + 1
    training, test = _split(labels, classes, test_fraction, torch.Generator().manual_seed(seed))
    if samples is not None and not classes <= samples <= len(training):
        raise UserError(
            f"data.samples = {samples}: must be from {classes} (one a class) to {len(training)} (all)."
        )
    training = training[:samples]

    mean = pixels[training].mean(0)
    scale = (pixels[training] - mean).square().mean().sqrt()
    one_hot = (labels.unsqueeze(-1) == torch.arange(classes)).double()
    frequencies = one_hot[training].mean(0)
    return Task(
        name="digits",
        inputs=(pixels[training] - mean) / scale,
        targets=one_hot[training] - frequencies,
        test_inputs=(pixels[test] - mean) / scale,
        test_targets=one_hot[test] - frequencies,
        error_name=cast(Literal["squared", "cross_entropy"], error),
        classification=True,
        complexity=complexity,
    )


def _split(
    labels: Tensor, classes: int, test_fraction: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Indices of training and test samples, the former dealt round the classes: any cut is balanced."""
    training, test, turns = [], [], []
    for label in range(classes):
        members = (labels == label).nonzero().squeeze(-1)
        members = members[torch.randperm(len(members), generator=generator)]
        tested = min(max(round(test_fraction * len(members)), 1), len(members) - 1)
        test.append(members[:tested])
        training.append(members[tested:])
        turns.append(torch.arange(len(members) - tested))
    dealt = torch.cat(turns).argsort(stable=True)
    return torch.cat(training)[dealt], torch.cat(test)
