"""Random numbers that depend on what they are for and on nothing else."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor


def generator(purpose: str, *key: int) -> torch.Generator:
    """A generator that is the same for the same purpose and key, whoever else asks for one and in what order.

    So there is none whose state a checkpoint would have to keep, or that neighbours could advance.

    Args:
        purpose: keeps draws for different ends apart.
        key: of the replica's seed, the stage, …
    """
    (word,) = _sequence(purpose, *key).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(word >> np.uint64(1)))


def stream(purpose: str, *key: int) -> np.random.Generator:
    """The same for thousands of replicas: a generator of NumPy's takes a tenth of the time to make."""
    return np.random.Generator(np.random.SFC64(_sequence(purpose, *key)))


def standard_normal(size: int, purpose: str, *key: int) -> Float64[Tensor, " n"]:
    """Standard normal numbers from the `generator` of a purpose and key."""
    return torch.randn(size, generator=generator(purpose, *key), dtype=torch.float64)


def _sequence(purpose: str, *key: int) -> np.random.SeedSequence:
    label = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:4], "little")
    return np.random.SeedSequence((label, *key))
