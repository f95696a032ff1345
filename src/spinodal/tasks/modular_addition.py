"""Modular addition: the task on which grokking was found."""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch.nn.functional import one_hot

from spinodal.errors import UserError
from spinodal.tasks.checking import ERRORS
from spinodal.tasks.task import Task


def modular_addition(
    modulus: int = 23, fraction: float = 0.7, error: str = "cross_entropy", seed: int = 0
) -> Task:
    """All pairs (a, b) of residues, one-hot side by side, with the class (a + b) mod p; some are trained on.

    Power et al., arXiv 2201.02177. Inputs are centred and divided by one number, so that the mean squared input over
    all pairs is 1; targets are one-hot vectors minus the training set's class frequencies. Nothing of the sum is linear
    in the inputs: the features measured on the data are those of a finite sample, and `complexity` is p − 1.

    Args:
        modulus: p, from 3 on.
        fraction: the share of the p² pairs that is trained on, in (0, 1); the others are tested on.
        error: "squared" (on the centred one-hot targets) or "cross_entropy" (on the labels).
        seed: determines which pairs.

    Raises:
        UserError: If an argument is out of its range.
    """
    if modulus < 3:
        raise UserError(f"data.modulus = {modulus}: must be at least 3.")
    pairs = modulus**2
    training = round(fraction * pairs)
    if not 0 < fraction < 1 or not modulus <= training < pairs:
        raise UserError(
            f"data.fraction = {fraction}: must be between 0 and 1, with at least {modulus} of the {pairs} pairs to "
            "train on and one to test on."
        )
    if error not in ERRORS:
        raise UserError(f"data.error = {error}: must be one of {', '.join(ERRORS)}.")
    a, b = torch.cartesian_prod(torch.arange(modulus), torch.arange(modulus)).unbind(1)
    inputs = torch.cat([one_hot(a, modulus), one_hot(b, modulus)], 1).double() - 1 / modulus
    inputs = inputs / inputs.square().mean().sqrt()
    labels = one_hot((a + b) % modulus, modulus).double()
    order = torch.randperm(pairs, generator=torch.Generator().manual_seed(seed))
    train, test = order[:training], order[training:]
    mean, frequencies = inputs[train].mean(0), labels[train].mean(0)
    return Task(
        name="modular_addition",
        inputs=inputs[train] - mean,
        targets=labels[train] - frequencies,
        test_inputs=inputs[test] - mean,
        test_targets=labels[test] - frequencies,
        error_name=cast(Literal["squared", "cross_entropy"], error),
        classification=True,
        complexity=modulus - 1,
    )
