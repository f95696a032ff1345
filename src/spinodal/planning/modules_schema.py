"""Types and ranges of the arguments of our own tasks and networks."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from spinodal.planning.ranges import (
    Checked,
    Count,
    Fraction,
    NonNegative,
    OptionalCount,
    Positive,
    Seed,
    Switch,
    Target,
    one_of,
)

Classes = Annotated[
    int, Field(strict=True, ge=1, le=9, description="an integer from 1 to 9 (ten digits have nine features)")
]
Activation = Annotated[str, one_of("tanh", "gelu", "silu", "softplus", "linear", "relu")]


@dataclass
class LinearTeacher(Checked):
    """Arguments of `spinodal.tasks.linear_teacher`."""

    _target_: Target
    complexity: Count
    strengths: Annotated[
        list[Positive] | None, Field(description="a list of finite numbers above 0, strongest first, or null")
    ]
    ratio: Fraction
    input_dim: OptionalCount
    output_dim: OptionalCount
    samples: Count
    test_samples: Count
    noise: NonNegative
    seed: Seed


@dataclass
class Digits(Checked):
    """Arguments of `spinodal.tasks.digits`."""

    _target_: Target
    complexity: Classes
    error: Annotated[str, one_of("squared", "cross_entropy")]
    samples: OptionalCount
    test_fraction: Fraction
    seed: Seed


@dataclass
class Mnist(Checked):
    """Arguments of `spinodal.tasks.mnist`."""

    _target_: Target
    path: Annotated[str | None, Field(description="a folder, or null")]
    mirror: Annotated[
        str, Field(strict=True, pattern="^https?://", description="an address that begins with http")
    ]
    complexity: Classes
    error: Annotated[str, one_of("squared", "cross_entropy")]
    samples: OptionalCount
    test_samples: OptionalCount
    axes: Annotated[
        Annotated[int, Field(strict=True, ge=1, le=784)] | None,
        Field(description="an integer from 1 to 784, or null"),
    ]
    images: Switch
    seed: Seed


@dataclass
class ModularAddition(Checked):
    """Arguments of `spinodal.tasks.modular_addition`."""

    _target_: Target
    modulus: Annotated[int, Field(strict=True, ge=3, description="an integer ≥ 3")]
    fraction: Fraction
    error: Annotated[str, one_of("squared", "cross_entropy")]
    seed: Seed


@dataclass
class MLP(Checked):
    """Arguments of `spinodal.networks.MLP`, which get the task's dimensions besides."""

    _target_: Target
    depth: Count
    width: Annotated[
        int,
        Field(
            strict=True, ge=1, description="an integer ≥ 1 (≥ data.complexity for the exact phase diagram)"
        ),
    ]
    activation: Activation
    bias: Switch
    init_scale: Positive


@dataclass
class CNN(Checked):
    """Arguments of `spinodal.networks.CNN`, which get the task's dimensions and the shape of a sample besides."""

    _target_: Target
    channels: Annotated[list[Count], Field(min_length=1, description="a list of integers ≥ 1")]
    kernel: Annotated[int, Field(strict=True, ge=1, description="an odd integer ≥ 1")]
    activation: Activation
    bias: Switch
    init_scale: Positive
