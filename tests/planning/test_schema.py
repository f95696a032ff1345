"""Schemas, conf/ and what they describe say the same."""

import dataclasses
import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest
from hydra.utils import get_object
from omegaconf import OmegaConf

from spinodal.networks.mlp import ACTIVATIONS
from spinodal.planning import plan
from spinodal.planning.modules_schema import CNN, MLP, Digits, Mnist
from spinodal.planning.schema import BY_TARGET, Protocol, allowed
from spinodal.protocols import PROTOCOLS
from spinodal.tasks.digits import ERRORS
from spinodal.training.relaxation import RelaxationSettings

CHOICES = [("data", "linear_teacher"), ("data", "digits"), ("data", "mnist")]
CHOICES += [("model", "mlp"), ("model", "cnn")]
CHOICES += [("optimizer", name) for name in ("gradient_descent", "adam", "sgd")]


def plain(value: Any) -> Any:
    return tuple(value) if OmegaConf.is_list(value) else value


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_configured_arguments_are_those_of_the_target(group: str, choice: str) -> None:
    section = plan([f"{group}={choice}"])[group]
    target: Callable[..., Any] = get_object(section._target_)
    taken = inspect.signature(target).parameters
    schema = BY_TARGET[group][section._target_]
    assert {field.name for field in dataclasses.fields(schema)} == set(section)
    for name in set(section) - {"_target_"}:
        assert plain(section[name]) == taken[name].default, name


def test_relaxation_is_configured_by_names_it_has() -> None:
    settings = {field.name for field in dataclasses.fields(RelaxationSettings)}
    assert set(plan().relaxation) == settings


@pytest.mark.parametrize(
    ("schema", "key", "words"),
    [
        (MLP, "activation", ACTIVATIONS),
        (CNN, "activation", ACTIVATIONS),
        (Digits, "error", ERRORS),
        (Mnist, "error", ERRORS),
        (Protocol, "name", PROTOCOLS),
    ],
)
def test_allowed_words_are_those_there_are(schema: type, key: str, words: Any) -> None:
    assert re.findall(r"\w+", allowed(schema, key).removeprefix("one of ")) == list(words)
