"""What is typed, read: constants and sweeps, in the order and with the values Hydra's own sweeper gives them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import FloatRange, Override, RangeSweep
from hydra.errors import HydraException

from spinodal.planning.explain import explain
from spinodal.planning.grid import LARGEST
from spinodal.planning.schema import LAUNCH

MOST = 200_000
"""How many configurations a sweep may ask for: more is a typing error."""


@dataclass(frozen=True)
class Axis:
    """One override: what it may be in turn, or the one thing that it is.

    Attributes:
        override: as it was typed.
        lines: an override for each value, as Hydra's own sweeper would write it.
        values: plain.
    """

    override: Override
    lines: Sequence[str]
    values: Sequence[Any]

    @property
    def key(self) -> str:
        """Dotted, or a group."""
        key: str = self.override.key_or_group
        return key

    def __len__(self) -> int:
        return len(self.lines)


def read_axes(lines: Sequence[str], loader: ConfigLoaderImpl, mistakes: list[str]) -> list[Axis]:
    """Axes in the order of Hydra's own sweeper, a later one in the place of an earlier one of the same key.

    Args:
        lines: overrides, as on the command line.
        loader: knows the choices of a glob.
        mistakes: gets a line for each that cannot be read.
    """
    parser = OverridesParser.create(config_loader=loader)
    axes: dict[str, Axis] = {}
    for line in lines:
        try:
            override = parser.parse_overrides([line])[0]
            axis = _swept(override, mistakes) if override.is_sweep_override() else _constant(override)
        except HydraException as error:
            mistakes.append(explain(error))
            continue
        if axis is not None:
            axes[override.get_key_element()] = axis
    if math.prod(map(len, axes.values())) > MOST:
        sizes = " × ".join(f"{len(each)} ({each.key})" for each in axes.values() if len(each) > 1)
        mistakes.append(f"a sweep of {sizes}: must have at most {MOST} configurations")
        return [_constant(parser.parse_overrides([each.lines[0]])[0]) for each in axes.values()]
    return list(axes.values())


def _constant(override: Override) -> Axis:
    return Axis(override, [str(override.input_line)], [override.value()])


def _swept(override: Override, mistakes: list[str]) -> Axis | None:
    line, key = str(override.input_line), override.get_key_element()
    if reason := _unsweepable(override):
        mistakes.append(f"{line}: {reason}")
        return None
    elements = list(override.sweep_iterator())
    if not elements:
        mistakes.append(f"{line}: nothing to choose from")
        return None
    written = [f"{key}={Override._get_value_element_as_str(each)}" for each in elements]
    return Axis(override, written, [Override._convert_value(each) for each in elements])


def _unsweepable(override: Override) -> str:
    if override.is_hydra_override():
        return "keys of Hydra's own cannot be swept over"
    if override.key_or_group.partition(".")[0] in LAUNCH:
        return "has one value for all points of a command"
    if not override.is_discrete_sweep():
        return "must be values or a range"
    if isinstance(override._value, RangeSweep):
        return _endless(override._value)
    return ""


def _endless(sweep: RangeSweep) -> str:
    try:
        steps = sweep.range()
        if isinstance(steps, FloatRange):
            count = (float(steps.stop) - float(steps.start)) / float(steps.step)
        else:
            count = len(steps)
    except (ArithmeticError, ValueError, OverflowError):
        return "must have finite ends, and a step other than 0"
    if not count <= LARGEST:
        return f"must have at most {LARGEST} values"
    return ""
