"""From a command line to every configuration it asks for, checked: Hydra's own grid, without composing each."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import product
from typing import Any, NamedTuple, cast

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from spinodal.campaign import control
from spinodal.errors import UserError, listed
from spinodal.planning.axes import Axis, read_axes
from spinodal.planning.composition import (
    apply,
    composed,
    known_to_hydra,
    partition,
    unresolved_of_hydra,
)
from spinodal.planning.explain import explain, shown
from spinodal.planning.identity import SCIENTIFIC
from spinodal.planning.interpolation import impure, interpolated, moving, overlap, unresolved
from spinodal.planning.penalties import PenaltyKeys
from spinodal.planning.schema import CASE, OPTIONAL
from spinodal.planning.validate import check, missing


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

    Groups are composed once for each combination of choices. Dictionaries, and keys that are given twice, are applied
    in order to copies of the result; other values are put into it, and each part is checked once for each different
    content.

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
    ordered = [place for place in keys if _order_matters(axes[place], values)]
    bases: dict[tuple[int, ...], tuple[DictConfig, Mapping[str, Any]]] = {}
    for chosen in product(*(range(len(axes[place])) for place in groups)):
        written = [axes[place].lines[pick] for place, pick in zip(groups, chosen, strict=True)]
        try:
            cfg = composed(written, loader, config_name)
            bases[chosen] = cfg, _defaults(cfg)
        except UserError as error:
            mistakes += str(error).splitlines()
    combinations: dict[tuple[int, ...], Combination] = {}
    cells = []
    with ExitStack() as stack:
        for cfg, _ in list(bases.values())[:1]:  # Hydra's own part is the same in all
            stack.enter_context(known_to_hydra(copy.deepcopy(cfg)))  # which it makes read-only
        for picks in product(*(range(len(each)) for each in axes)):
            chosen = tuple([picks[place] for place in groups])
            if chosen not in bases:
                continue
            cfg, defaults = bases[chosen]
            which = (*chosen, *[picks[place] for place in ordered])
            if which not in combinations:
                applied = [
                    axes[place].at(picks[place]) if place in ordered else axes[place] for place in keys
                ]
                combinations[which] = Combination(copy.deepcopy(cfg), applied, mistakes)
            plan = combinations[which].plan([picks[place] for place in keys], mistakes)
            lines = [axis.lines[pick] for axis, pick in zip(axes, picks, strict=True)]
            cells.append(Cell(plan, tuple(lines), defaults))
    if mistakes:
        raise UserError(listed(mistakes))
    return cells


class Combination:
    """All cells with the same choices of groups, and the same values of what is applied in order.

    Args:
        cfg: what the choices make, as known to Hydra; is changed.
        values: axes of the grid that are no choices; those that are swept are independent of each other.
        mistakes: gets a line for each value that cannot be applied.
    """

    def __init__(self, cfg: DictConfig, values: Sequence[Axis], mistakes: list[str]) -> None:
        self._values, self._cfg, sweeps = values, cfg, []
        for place, axis in enumerate(values):
            before = len(mistakes)
            apply(axis.at(0).override, cfg, mistakes)
            if len(axis) > 1 and len(mistakes) == before:
                sweeps.append(place)
        self._plain = _plain(cfg)
        if any(axis.override.is_hydra_override() for axis in values):
            mistakes += unresolved_of_hydra(cfg)
        self._penalties = PenaltyKeys.of(self._plain)
        self._scientific = {*SCIENTIFIC, *control.DEFAULTS, *self._penalties.names, "seed"}
        mistakes += [*missing(self._plain, self._penalties), *_unread(self._plain)]
        moved = {place: moving(self._plain, values[place].key) for place in sweeps}
        self._places = {
            key: [place for place in sweeps if any(path[0] == key for path in moved[place])]
            for key in self._plain
            if key != CASE
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
        plan = self._fixed.copy()
        for key, places in self._varied:
            which = (key, *[picks[place] for place in places])
            if which not in self._checked:
                self._checked[which], wrong = self._check(key, picks)
                mistakes += wrong
            plan[key] = self._checked[which]
        return plan

    def _check(self, key: str, picks: Sequence[int]) -> tuple[Any, list[str]]:
        value = self._plain[key]
        for place in self._places[key]:
            root, _, rest = self._values[place].key.partition(".")
            if root == key:
                value = _put(value, rest, self._values[place].values[picks[place]])
        mistakes = _impure(key, value, self._plain) if key in self._scientific else []
        if unresolved(value):
            try:
                value = self._resolved(key, picks)
            except OmegaConfBaseException as error:
                return None, [*mistakes, explain(error)]
        if mistakes:
            return value, mistakes
        return check(key, value, self._penalties)

    def _resolved(self, key: str, picks: Sequence[int]) -> Any:
        for place in self._places[key]:
            axis = self._values[place]
            OmegaConf.update(self._cfg, axis.key, axis.values[picks[place]], force_add=True)
        node = self._cfg[key]
        if not OmegaConf.is_config(node):
            return node
        return OmegaConf.to_container(node, resolve=True, throw_on_missing=True)


def _order_matters(axis: Axis, values: Sequence[Axis]) -> bool:
    """Whether a swept value has to be applied in its turn, and cannot simply be put in its place."""
    return len(axis) > 1 and (
        axis.override.is_delete()
        or "[" in axis.key
        or axis.merges
        or any(overlap(axis.key, other.key) for other in values if other is not axis)
    )


def _plain(cfg: DictConfig) -> dict[str, Any]:
    """All but Hydra's own part."""
    plain = cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=False))
    return {key: value for key, value in plain.items() if key != "hydra"}


def _defaults(cfg: DictConfig) -> dict[str, Any]:
    """Of every scientific section, by what was chosen for it."""
    plain, choices = _plain(cfg), cfg.hydra.runtime.choices
    experiment = choices.get("experiment")
    penalties = PenaltyKeys.of(plain)
    constants = {name: plain[name] for name in penalties.names if name in plain and name != penalties.control}
    parts = {section: {section: plain[section]} for section in SCIENTIFIC if section in plain}
    parts["control"] = {"penalties": plain.get("penalties"), **constants}
    chosen = {section: f"{section}={choices.get(section, '')}" for section in parts}
    return {
        f"{name} experiment={experiment}" if experiment else name: parts[section]
        for section, name in chosen.items()
    }


def _put(value: Any, rest: str, new: Any) -> Any:
    """A copy of nested dictionaries with another value under a dotted key."""
    if not rest:
        return new
    name, _, rest = rest.partition(".")
    return {**value, name: _put(value.get(name, {}), rest, new)}


def _impure(key: str, value: Any, plain: Mapping[str, Any]) -> list[str]:
    """Mistakes of a part that determines results: it must be the same tomorrow, and in another folder."""
    return [
        f"{'.'.join((key, *path))}={text}: must not depend on the time, or on where the job runs"
        for path, text in interpolated(value)
        if impure(text, plain)
    ]


def _unread(plain: Mapping[str, Any]) -> list[str]:
    """Mistakes of a case: a value that no other key takes."""
    case = plain.get(CASE)
    if case is None:
        return []
    if not isinstance(case, Mapping):
        return [f"{CASE}={shown(case)}: must be a dictionary, as in {CASE}={{K:1,l2:0.1}}, or null"]
    texts = [text for key, value in plain.items() if key != CASE for _, text in interpolated(value)]
    return [
        f"{CASE}.{name}={shown(value)}: is taken by no key, as data.complexity='${{{CASE}.{name}}}' would"
        for name, value in case.items()
        if not any(re.search(rf"\b{CASE}\.{re.escape(str(name))}\b", text) for text in texts)
    ]
