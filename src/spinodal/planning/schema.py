"""Types and ranges of what can be asked for: one dataclass for each thing of ours a configuration can name.

Each serves twice: OmegaConf takes its types (under the name `schema_…`, which the files in conf/ build on),
pydantic its ranges. Default values are in conf/. Descriptions complete the sentence "must be …".
"""

from dataclasses import dataclass, field, fields
from typing import Annotated, Any, get_type_hints

from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf
from pydantic import BeforeValidator, Field
from pydantic.fields import FieldInfo

from spinodal.campaign import control
from spinodal.planning import grid
from spinodal.planning.modules_schema import CNN, MLP, Digits, LinearTeacher, Mnist, ModularAddition
from spinodal.planning.ranges import (
    Checked,
    Count,
    Decay,
    Fraction,
    NonNegative,
    OptionalCount,
    OptionalText,
    Phase,
    Positive,
    Switch,
    Target,
    digits,
    folder_name,
    one_of,
)


@dataclass
class GradientDescent(Checked):
    """Arguments of `spinodal.training.descent.GradientDescent`."""

    _target_: Target
    lr: Positive


@dataclass
class Adam(Checked):
    """Arguments of `spinodal.training.descent.Adam`."""

    _target_: Target
    lr: Positive
    betas: Annotated[
        list[Decay],
        Field(min_length=2, max_length=2, description="a list of two numbers from 0 to below 1"),
    ]


@dataclass
class SGD(Checked):
    """Arguments of `spinodal.training.descent.SGD`."""

    _target_: Target
    lr: Positive
    momentum: Decay


@dataclass
class Protocol(Checked):
    """The path of λ."""

    name: Annotated[str, one_of("quench", "up", "down", "loop", or_dotted=True)]
    perturbation: NonNegative
    refine: Annotated[Any, BeforeValidator(digits)]


@dataclass
class Escape(Checked):
    """λ held under noise, until replicas leave or at every stage of a loop."""

    name: Annotated[str, one_of("escape", "noisy_loop")]
    perturbation: NonNegative
    refine: Annotated[int, Field(strict=True, ge=0, le=0, description="0: nothing is bisected")]
    phase: Phase
    start_l2: Annotated[NonNegative | None, Field(description="a finite number ≥ 0, or null")]
    noise: Annotated[str, one_of("langevin", "minibatch")]
    temperature: Annotated[Any, BeforeValidator(grid.l2_values)]
    batch: Annotated[Any, BeforeValidator(grid.batch_values)]
    longest: Positive
    time_step: Positive
    check: Count


@dataclass
class Train(Checked):
    """λ as it is, for a number of steps, with noise or without."""

    name: Annotated[str, one_of("train")]
    perturbation: Annotated[float, Field(strict=True, ge=0, le=0, description="0: training is not disturbed")]
    refine: Annotated[int, Field(strict=True, ge=0, le=0, description="0: nothing is bisected")]
    steps: Annotated[int, Field(strict=True, ge=2, description="an integer ≥ 2")]
    records: Annotated[int, Field(strict=True, ge=2, description="an integer ≥ 2")]
    noise: Annotated[str, one_of("none", "langevin", "minibatch")]
    temperature: Annotated[Any, BeforeValidator(grid.l2_values)]
    batch: Annotated[Any, BeforeValidator(grid.batch_values)]


@dataclass
class Relaxation(Checked):
    """When a replica counts as relaxed, and what that may cost."""

    tolerance: Positive
    handoff: Positive
    max_steps: Count
    polish: Switch
    descent_dtype: Annotated[str, one_of("float64", "float32")]
    block: Count
    flatness: NonNegative
    smooth: Annotated[bool | None, Field(strict=True, description="true, false or null")]
    fall: NonNegative
    patience: Count
    flow: Annotated[Fraction | None, Field(description="a number between 0 and 1, both excluded, or null")]


@dataclass
class Checkpoint(Checked):
    """How often a job saves where it is, besides at the end of every stage."""

    every_seconds: Positive
    keep: Switch


@dataclass
class Curvature(Checked):
    """Arguments of `spinodal.observables.Curvature`."""

    _target_: Target
    surface: Annotated[str, one_of("error", "loss")]
    method: Annotated[str, one_of("auto", "exact", "stochastic")]
    probes: Annotated[int, Field(strict=True, ge=5, description="an integer ≥ 5")]
    relative_error: NonNegative
    every: Count


@dataclass
class Spectrum(Checked):
    """Arguments of `spinodal.observables.Spectrum`."""

    _target_: Target
    full_up_to: Annotated[int, Field(strict=True, ge=0, description="an integer ≥ 0")]
    every: Count


@dataclass
class Packing(Checked):
    """How points become ensembles."""

    max_replicas: OptionalCount = None
    memory_gb: Annotated[
        Positive | None, Field(description="a finite number above 0, or null for what this machine has")
    ] = None


@dataclass
class Mirror(Checked):
    """What a job is mirrored with on W&B, most of it as Lightning's WandbLogger has it."""

    _target_: Target
    project: Annotated[str, Field(strict=True, min_length=1, description="a name")]
    entity: OptionalText
    mode: Annotated[str, one_of("offline", "online", "disabled")]
    unit: Annotated[str, one_of("replica", "job")]
    name: OptionalText = None
    group: OptionalText = None
    tags: Annotated[list[str], Field(strict=True, description="a list of words")] = field(
        default_factory=list
    )
    notes: OptionalText = None
    log_model: Switch = False
    console: Switch = False
    system_metrics: Switch = False


@dataclass
class Job(Checked):
    """The keys outside any group; that they are there at all is asked elsewhere."""

    campaign: Annotated[Any, BeforeValidator(folder_name)] = None
    seed: Annotated[Any, BeforeValidator(grid.seed_values)] = None
    dry_run: Switch = False
    preflight: Switch = True
    retry_failed: Switch = False
    mix_modules: Switch = False
    pack: Annotated[
        str | None, Field(pattern="^[0-9a-f]{12}$", description="null: it is the planner's own")
    ] = None


BY_TARGET: dict[str, dict[str, type]] = {
    "data": {
        "spinodal.tasks.linear_teacher": LinearTeacher,
        "spinodal.tasks.digits": Digits,
        "spinodal.tasks.mnist": Mnist,
        "spinodal.tasks.modular_addition": ModularAddition,
    },
    "model": {"spinodal.networks.MLP": MLP, "spinodal.networks.CNN": CNN},
    "optimizer": {
        "spinodal.training.descent.GradientDescent": GradientDescent,
        "spinodal.training.descent.Adam": Adam,
        "spinodal.training.descent.SGD": SGD,
    },
    "logger": {"spinodal.tracking.mirror.Mirror": Mirror},
}
"""Groups whose `_target_` may be one of ours, or anybody's with arguments of its own."""

BY_NAME: dict[str, dict[str, type]] = {"protocol": {"escape": Escape, "noisy_loop": Escape, "train": Train}}
"""Groups that have other keys under some names."""

FIXED: dict[str, type] = {
    "protocol": Protocol,
    "relaxation": Relaxation,
    "checkpoint": Checkpoint,
    "packing": Packing,
}
"""Groups with the same keys whatever is chosen."""

CALLBACKS: dict[str, type] = {
    "spinodal.observables.Curvature": Curvature,
    "spinodal.observables.Spectrum": Spectrum,
}
"""Callbacks of ours with arguments, by `_target_`."""

GROUPS = (*BY_TARGET, *FIXED, "callbacks", "trainer", "paths")
LAUNCH = ("campaign", "paths", "packing", "dry_run", "preflight", "retry_failed", "mix_modules", "pack")
"""What a command has one value of, for all its points."""

CASE = "case"
"""Values that go together, as {K: 1, l2: 0.1}: other keys take them by ${case.K}, and nothing else reads them."""

OPTIONAL: dict[str, Any] = {
    **control.DEFAULTS,
    "callbacks": None,
    "logger": None,
    "packing": {"max_replicas": None, "memory_gb": None},
    "dry_run": False,
    "preflight": True,
    "retry_failed": False,
    "mix_modules": False,
    "pack": None,
}
"""What may be left out, and what it is then."""

KEYS = (*(field.name for field in fields(Job)), *GROUPS, *control.DEFAULTS)
"""All keys a configuration has, besides those of penalties."""

RESERVED = {*KEYS, CASE, "experiment", "hydra", "modules"}
"""Names that no penalty can have."""


def having(group: str, name: str) -> list[str]:
    """Choices of a group whose own keys have a name, as in optimizer=sgd for momentum."""
    schemas = (*BY_TARGET.get(group, {}).values(), *BY_NAME.get(group, {}).values())
    return [
        f"{group}={choice}"
        for choice, schema in CHOICES.items()
        if schema in schemas and name in {field.name for field in fields(schema)}
    ]


def slurm_keys() -> set[str]:
    """Keys of hydra/launcher=slurm, once Hydra has found the launcher."""
    stored: Any = ConfigStore.instance().repo.get("schema_slurm.yaml")
    return {str(key) for key in stored.node} if stored else set()


def allowed(schema: type, name: str, otherwise: str = "a word") -> str:
    """What a key of a schema may be, in words; completes "must be …"."""
    hint = get_type_hints(schema, include_extras=True).get(name)
    described = [m.description for m in getattr(hint, "__metadata__", ()) if isinstance(m, FieldInfo)]
    return next((text for text in reversed(described) if text), otherwise)


CHOICES: dict[str, type] = {
    "linear_teacher": LinearTeacher,
    "digits": Digits,
    "mnist": Mnist,
    "modular_addition": ModularAddition,
    "mlp": MLP,
    "cnn": CNN,
    "gradient_descent": GradientDescent,
    "adam": Adam,
    "sgd": SGD,
    "protocol": Protocol,
    "escape": Escape,
    "train": Train,
    "relaxation": Relaxation,
    "checkpoint": Checkpoint,
}
"""Schemas by the choice that has their keys, or by the group if all of its choices have."""


def _store_schemas() -> None:
    for name, schema in CHOICES.items():
        # Plain values, open to unknown keys: a module of a user's own may come instead, with arguments of other types,
        # and `validate` checks what is ours. Stored outside the groups, or it would be offered as a choice.
        node = OmegaConf.create(OmegaConf.to_container(OmegaConf.structured(schema)), flags={"struct": False})
        ConfigStore.instance().store(name=f"schema_{name}", node=node, provider="spinodal")


_store_schemas()
