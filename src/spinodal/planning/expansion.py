"""From a command line to every configuration it asks for, checked: Hydra's own grid, without composing each."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple, cast

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from spinodal.errors import UserError
from spinodal.planning.axes import Axis, read_axes
from spinodal.planning.composition import apply, composed, known_to_hydra, partition, scope
from spinodal.planning.explain import explain
from spinodal.planning.identity import SCIENTIFIC
from spinodal.planning.interpolation import IMPURE, interpolated, moving, overlap, resolvers, unresolved
from spinodal.planning.schema import OPTIONAL
from spinodal.planning.validate import check, missing, validate

SHOWN = 20
"""How many mistakes are told; who makes more has made one of them often."""


class Cell(NamedTuple):
    """One configuration of a grid."""

    plan: Mapping[str, Any]
    """As of `validate`, in plain containers; parts that cells have in common are mostly the same objects."""
    lines: tuple[str, ...]
    """The overrides that make it, as Hydra's own sweeper would hand them to a launcher."""
    defaults: Mapping[str, Any] = {}
    """By section of its scientific part and what was chosen for it: what that makes of it, unresolved."""


def expand(lines: Sequence[str], loader: ConfigLoaderImpl, config_name: str = "config") -> list[Cell]:
    """Every configuration that a command line asks for, in the order of Hydra's own sweeper.

    Groups are composed once for each combination of choices; values are put into the result, and each part of it is
    checked once for each different content.

    Args:
        lines: overrides, as on the command line, sweeps among them.
        loader: of the configuration.
        config_name: of the primary one.

    Raises:
        UserError: With every mistake of every configuration, a line each.
    """
    mistakes: list[str] = []
    axes = read_axes(lines, loader, mistakes)
    choices, values = partition(axes, loader, config_name, mistakes)
    axes = [each for each in axes if each in choices or each in values]
    groups, keys = ([axes.index(each) for each in some] for some in (choices, values))
    combinations: dict[tuple[int, ...], Combination | None] = {}
    cells = []
    for picks in product(*(range(len(each)) for each in axes)):
        chosen = tuple([picks[place] for place in groups])
        if chosen not in combinations:
            try:
                cfg = composed([axes[place].lines[picks[place]] for place in groups], loader, config_name)
                combinations[chosen] = Combination(cfg, values, mistakes)
            except UserError as error:
                mistakes += str(error).splitlines()
                combinations[chosen] = None
        if combination := combinations[chosen]:
            plan = combination.plan([picks[place] for place in keys], mistakes)
            written = tuple([axis.lines[pick] for axis, pick in zip(axes, picks, strict=True)])
            cells.append(Cell(plan, written, combination.defaults))
    if mistakes:
        told = list(dict.fromkeys(mistakes))
        more = [f"and {len(told) - SHOWN} more like these"] if len(told) > SHOWN else []
        raise UserError("\n".join([*told[:SHOWN], *more]))
    return cells


class Combination:
    """All cells with the same choices of groups.

    Args:
        cfg: what the choices make.
        values: axes of the grid that are no choices.
        mistakes: gets a line for each value that cannot be applied.

    Attributes:
        defaults: as of a cell.
    """

    def __init__(self, cfg: DictConfig, values: Sequence[Axis], mistakes: list[str]) -> None:
        self.defaults = _defaults(cfg)
        self._values = values
        self._composed = copy.deepcopy(cfg)
        self._order_matters = not _independent(values)
        if self._order_matters:
            return
        self._cfg, self._sweeps = cfg, []
        for place, axis in enumerate(values):
            before = len(mistakes)
            apply(_override(axis, 0), cfg, mistakes)
            if len(axis) > 1 and len(mistakes) == before:
                self._sweeps.append(place)
        self._plain = _plain(cfg)
        mistakes += missing(self._plain)
        moved = {place: moving(self._plain, values[place].key) for place in self._sweeps}
        self._places = {
            key: [place for place in self._sweeps if any(path[0] == key for path in moved[place])]
            for key in self._plain
        }
        self._fixed = dict(OPTIONAL)
        for key in [key for key, places in self._places.items() if not places]:
            self._fixed[key], wrong = self._check(key, [])
            mistakes += wrong
        self._varied = [(key, places) for key, places in self._places.items() if places]
        self._checked: dict[tuple[Any, ...], Any] = {}

    def plan(self, picks: Sequence[int], mistakes: list[str]) -> dict[str, Any]:
        """The plan of a cell.

        Args:
            picks: which of its values each axis has.
            mistakes: gets those of what was not seen before.
        """
        if self._order_matters:
            return self._value_by_value(picks, mistakes)
        plan = self._fixed.copy()
        for key, places in self._varied:
            which = (key, *[picks[place] for place in places])
            if which not in self._checked:
                self._checked[which], wrong = self._check(key, picks)
                mistakes += wrong
            plan[key] = self._checked[which]
        return plan

    def _check(self, key: str, picks: Sequence[int]) -> tuple[Any, list[str]]:
        value, mistakes = self._plain[key], _impure(key, self._plain[key])
        for place in self._places[key]:
            root, _, rest = self._values[place].key.partition(".")
            if root == key:
                value = _put(value, rest, self._values[place].values[picks[place]])
        if unresolved(value):
            try:
                value = self._resolved(key, picks)
            except OmegaConfBaseException as error:
                return None, [*mistakes, explain(error)]
        if mistakes:
            return value, mistakes
        return check(key, value)

    def _resolved(self, key: str, picks: Sequence[int]) -> Any:
        for place in self._places[key]:
            axis = self._values[place]
            OmegaConf.update(self._cfg, axis.key, axis.values[picks[place]], force_add=True)
        with known_to_hydra(self._cfg):
            node = self._cfg[key]
            if not OmegaConf.is_config(node):
                return node
            return OmegaConf.to_container(node, resolve=True, throw_on_missing=True)

    def _value_by_value(self, picks: Sequence[int], mistakes: list[str]) -> dict[str, Any]:
        """The slow way, where one value is put into another, or the order of two matters."""
        cfg = copy.deepcopy(self._composed)
        for axis, pick in zip(self._values, picks, strict=True):
            apply(_override(axis, pick), cfg, mistakes)
        for key, value in _plain(cfg).items():
            mistakes += _impure(key, value)
        try:
            with known_to_hydra(cfg):
                return cast(dict[str, Any], OmegaConf.to_container(validate(scope(cfg))))
        except UserError as error:
            mistakes += str(error).splitlines()
            return {}


def _independent(values: Sequence[Axis]) -> bool:
    """Whether each swept value can simply be put in its place."""
    for axis in values:
        if len(axis) > 1 and (
            axis.override.is_delete()
            or "[" in axis.key
            or any(isinstance(value, dict) for value in axis.values)
            or any(overlap(axis.key, other.key) for other in values if other is not axis)
        ):
            return False
    return True


def _override(axis: Axis, pick: int) -> Override:
    if len(axis) == 1:
        return axis.override
    return OverridesParser.create().parse_overrides([axis.lines[pick]])[0]


def _plain(cfg: DictConfig) -> dict[str, Any]:
    return cast(dict[str, Any], OmegaConf.to_container(scope(cfg), resolve=False))


def _defaults(cfg: DictConfig) -> dict[str, Any]:
    """Of every scientific section, by what was chosen for it."""
    plain, choices = _plain(cfg), cfg.hydra.runtime.choices
    experiment = choices.get("experiment")
    chosen = {section: f"{section}={choices.get(section, '')}" for section in SCIENTIFIC if section in plain}
    return {
        f"{name} experiment={experiment}" if experiment else name: {section: plain[section]}
        for section, name in chosen.items()
    }


def _put(value: Any, rest: str, new: Any) -> Any:
    """A copy of nested dictionaries with another value under a dotted key."""
    if not rest:
        return new
    name, _, rest = rest.partition(".")
    return {**value, name: _put(value.get(name, {}), rest, new)}


def _impure(key: str, value: Any) -> list[str]:
    """Mistakes of a part that determines results: it must be the same tomorrow, and in another folder."""
    if key not in (*SCIENTIFIC, "l2", "seed"):
        return []
    return [
        f"{'.'.join((key, *path))}={text}: must not depend on the time, or on where the job runs"
        for path, text in interpolated(value)
        if resolvers(text) & IMPURE
    ]
