"""What is typed, read: constants and sweeps, in the order and with the values Hydra's own sweeper gives them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    FloatRange,
    Glob,
    IntervalSweep,
    Override,
    RangeSweep,
    ValueType,
)
from hydra.errors import HydraException

from spinodal.planning.explain import explain, shown
from spinodal.planning.grid import LARGEST
from spinodal.planning.schema import LAUNCH

MOST = 200_000
"""How many configurations a sweep may ask for: more is a typing error."""


@dataclass(frozen=True, eq=False)
class Axis:
    """One override: what it may be in turn, or the one thing that it is. The same typed twice is two of them.

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

    @property
    def merges(self) -> bool:
        """Whether a value is a dictionary, which joins what is there instead of taking its place."""
        return any(isinstance(value, dict) for value in self.values)

    def at(self, pick: int) -> Axis:
        """The axis with one of its values only."""
        line, value = self.lines[pick], self.values[pick]
        if len(self) == 1:
            return self
        override = replace(self.override, value_type=ValueType.ELEMENT, _value=value, input_line=line)
        return Axis(override, [line], [value])

    def replaces(self, other: Axis) -> bool:
        """Whether a sweep of the same key, or a value before a sweep, is without effect once this is applied."""
        one, two = self.override, other.override
        same = one.get_key_element() == two.get_key_element() and max(len(self), len(other)) > 1
        return same and not (self.merges or other.merges or one.is_add() or one.is_delete())

    def __len__(self) -> int:
        return len(self.lines)


def read_axes(lines: Sequence[str], loader: ConfigLoaderImpl, mistakes: list[str]) -> list[Axis]:
    """Axes in the order in which they were typed, all that have an effect.

    Hydra composes a single configuration from choices of groups first, and applies all values in this order: to a
    group of the same name, or to what an earlier dictionary made of it.

    Args:
        lines: overrides, as on the command line.
        loader: knows the choices of a glob.
        mistakes: gets a line for each that cannot be read.
    """
    parser = OverridesParser.create(config_loader=loader)
    axes: list[Axis] = []
    for line in lines:
        try:
            override = parser.parse_overrides([line])[0]
            if nested := _nested(override._value, override.get_key_element()):
                mistakes.append(f"{line}: {nested}")
                continue
            axis = _swept(override, mistakes) if override.is_sweep_override() else _constant(override)
        except HydraException as error:
            mistakes.append(explain(error))
            continue
        if axis is not None:
            axes = [*(each for each in axes if not axis.replaces(each)), axis]
    if math.prod(map(len, axes)) > MOST:
        sizes = " × ".join(f"{len(each)} ({each.key})" for each in axes if len(each) > 1)
        mistakes.append(f"a sweep of {sizes}: must have at most {MOST} configurations")
        return [each.at(0) for each in axes]
    return axes


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


def _nested(value: Any, key: str, inside: bool = False) -> str:
    """What is wrong with a sweep within a list or a dictionary, which Hydra would take for a value."""
    if isinstance(value, ChoiceSweep) and not inside:
        return next(filter(None, (_nested(each, key, True) for each in value.list)), "")
    if isinstance(value, RangeSweep | ChoiceSweep | IntervalSweep | Glob):
        if not inside:
            return ""
        name = {RangeSweep: "range", IntervalSweep: "interval", Glob: "glob"}.get(type(value), "choice")
        ends = f"{shown(value.start)},{shown(value.stop)}" if isinstance(value, RangeSweep) else "…"
        return (
            f"{name}({ends}) is a sweep and stands alone, as in {key}={name}({ends}); a list has its values"
        )
    if isinstance(value, Mapping):
        return next(filter(None, (_nested(each, f"{key}.{name}", True) for name, each in value.items())), "")
    return (
        next(filter(None, (_nested(each, key, True) for each in value)), "")
        if isinstance(value, list)
        else ""
    )
