"""What modules of a user's own are given: what their signatures take. The rest is refused by name, or left out.

Left out are defaults: with `model._target_=my.Net` the values of model/mlp.yaml are still there.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from spinodal.campaign import control
from spinodal.errors import UserError, listed
from spinodal.planning.expansion import Cell
from spinodal.planning.explain import not_imported, shown
from spinodal.planning.loading import conf_dir
from spinodal.planning.modules import SECTIONS, contents, named, refuse_stale
from spinodal.planning.schema import CALLBACKS
from spinodal.signatures import Arguments, arguments_of, located

HYDRAS = {"_target_", "_args_", "_convert_", "_partial_", "_recursive_"}
"""Keys beside a `_target_` that are no arguments."""

FROM_TASK = ("input_dim", "output_dim", "input_shape")
"""Arguments that a network gets from its task."""


class Fitted(NamedTuple):
    """Configurations of a grid as they run."""

    cells: list[Cell]
    notes: list[str]
    """A line on each module about defaults that are not passed."""


def fitted(cells: Sequence[Cell], sections: Iterable[str] = (*SECTIONS, "penalties", "callbacks")) -> Fitted:
    """Give modules of a user's own what their signatures take, and note what their files hold.

    A plan that names such modules gets `modules` besides: digests of their files, by name. They are imported, and
    nothing else is: a plan without any stays the same object.

    Args:
        cells: of a command.
        sections: of the plans, to look at.

    Raises:
        UserError: A line for each module that cannot be imported, each value given that it does not take, and each
            argument without a value.
    """
    sections, lines = tuple(sections), {line for cell in cells for line in cell.lines}
    experiments = {line.partition("=")[2] for line in lines if line.lstrip("+").startswith("experiment=")}
    fitting = _Fitting(frozenset(_given(lines)), experiments)
    known: dict[tuple[str, ...], dict[str, Any]] = {}
    found = []
    for cell in cells:
        # Equal parts are mostly the same object, and cells keep them alive.
        parts = [str(id(cell.plan.get(key))) for key in (*sections, "protocol")]
        which = (*parts, *control.used(cell.plan))
        if which not in known:
            known[which] = fitting.changes(cell.plan, sections)
        changes = known[which]
        found.append(cell._replace(plan={**cell.plan, **changes}) if changes else cell)
    if fitting.mistakes:
        raise UserError(listed(fitting.mistakes))
    return Fitted(found, list(dict.fromkeys(fitting.notes)))


class _Fitting:
    """What is found out about all plans of a command.

    Args:
        given: keys that the command gives a value, dotted.
        experiments: that it chooses.

    Attributes:
        mistakes: a line each.
        notes: lines about values that are left out.
    """

    def __init__(self, given: frozenset[str], experiments: Iterable[str]) -> None:
        self.mistakes: list[str] = []
        self.notes: list[str] = []
        self._given, self._experiments = given, experiments
        self._arguments: dict[str, Arguments | None] = {}
        self._ours: dict[str, dict[str, list[Any]]] = {}

    def changes(self, plan: Mapping[str, Any], sections: Iterable[str]) -> dict[str, Any]:
        """The parts of a plan that become others."""
        own, changed = named(plan), {}
        if own:
            # Before anything is imported: what is edited in between does not pass for what was imported.
            changed["modules"] = contents(own.values())
        for section in sections:
            part = plan.get(section)
            fit = self._walked(section, part, section)
            if fit is not part:
                changed[section] = fit
        if "protocol.name" in own:
            self._takes("protocol.name", own["protocol.name"])
        refuse_stale(changed.get("modules", {}))
        return changed

    def _walked(self, key: str, node: Any, section: str) -> Any:
        """A part of a configuration with what the modules in it take; the same object if that is all."""
        if isinstance(node, list):
            parts = [self._walked(f"{key}[{place}]", each, section) for place, each in enumerate(node)]
            return parts if any(new is not old for new, old in zip(parts, node, strict=True)) else node
        if not isinstance(node, dict):
            return node
        inner = {name: self._walked(f"{key}.{name}", each, section) for name, each in node.items()}
        if all(inner[name] is node[name] for name in node):
            inner = node
        target = node.get("_target_")
        if not isinstance(target, str) or _is_checked(key, node):
            return inner
        takes = self._takes(f"{key}._target_", target)
        return inner if takes is None else self._kept(key, inner, takes, section)

    def _kept(self, key: str, node: dict[str, Any], takes: Arguments, section: str) -> dict[str, Any]:
        target = node["_target_"]
        penalty = section == "penalties" and key.count(".") == 1
        theirs = FROM_TASK if key == "model" else takes.names[:2] if penalty else ()
        names = [name for name in takes.names if name not in theirs]
        wrong = [name for name in node if name not in HYDRAS and (name in theirs or not takes.anything)]
        wrong = [name for name in wrong if name not in names]
        left_over = [name for name in wrong if self._is_default(f"{key}.{name}", node[name], section)]
        for name in wrong:
            if name in left_over:
                continue
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.7)
            why = f"{target} takes {', '.join(names) or 'nothing'}"
            if name in theirs:
                why = "each job determines it" if penalty else "the data determine it"
            self.mistakes.append(
                f"{key}.{name}={shown(node[name])}: no such argument, {why}"
                + (f"; did you mean {key}.{near[0]}?" if near else "")
            )
        if penalty and len(takes.names) < 2 and not takes.anything:
            self.mistakes.append(
                f"{key}._target_={target}: takes {', '.join(takes.names) or 'nothing'}: must take objective and theta "
                "first"
            )
        elif not node.get("_partial_"):
            there = {*node, *theirs, *takes.names[: len(node.get("_args_") or ())]}
            self.mistakes += [
                f"{key}.{name} is missing: {target} has no value for it by default"
                for name in takes.names
                if name in takes.needed and name not in there
            ]
        if not left_over:
            return node
        self.notes.append(f"{key}={target}: takes no {', '.join(left_over)}; not passed")
        return {name: value for name, value in node.items() if name not in left_over}

    def _takes(self, key: str, target: str) -> Arguments | None:
        if target not in self._arguments:
            self._arguments[target] = None
            try:
                found = located(target)
            except UserError as error:
                self.mistakes.append(
                    not_imported(key.removesuffix("._target_"), target, error.__cause__ or error)
                )
                return None
            if not callable(found):
                self.mistakes.append(f"{key}={target}: is no class and no function")
                return None
            self._arguments[target] = arguments_of(found)
        return self._arguments[target]

    def _is_default(self, key: str, value: Any, section: str) -> bool:
        """Whether a value is one of conf/, and was not given."""
        if any(each == key or each.startswith(f"{key}.") for each in self._given):
            return False
        group, _, name = key.partition(".")
        if section not in self._ours:
            self._ours[section] = _ours(section, self._experiments)
        return group == section and value in self._ours[section].get(name, ())


def _is_checked(key: str, node: Mapping[str, Any]) -> bool:
    """Whether something is ours, with arguments that `validate` has checked, or none."""
    target = str(node["_target_"])
    alone = key.startswith(("callbacks.", "penalties.")) and node.keys() == {"_target_"}
    return target.startswith("spinodal.") and (key in SECTIONS or target in CALLBACKS or alone)


def _ours(section: str, experiments: Iterable[str]) -> dict[str, list[Any]]:
    """Values that files in conf/ give the keys of a section: its choices, and experiments with those they build on."""
    found: dict[str, list[Any]] = {}
    parts = [_read(section, path.stem) for path in (conf_dir() / section).glob("*.yaml")]
    left = list(experiments)
    while left:
        node = _read("experiment", left.pop())
        parts.append(node.get(section) or {})
        left += [each for each in node.get("defaults", ()) if isinstance(each, str) and each != "_self_"]
    for part in parts:
        for name, value in part.items():
            found.setdefault(name, []).append(value)
    return found


def _read(group: str, choice: str) -> dict[str, Any]:
    path = conf_dir() / group / f"{choice}.yaml"
    return cast(dict[str, Any], OmegaConf.to_container(OmegaConf.load(path))) if path.is_file() else {}


def _given(lines: Iterable[str]) -> Iterator[str]:
    """Keys that overrides give a value, also within braces."""
    for line in lines:
        key, _, value = line.lstrip("+~").partition("=")
        yield key
        if value.startswith("{"):
            yield from _within(key, OverridesParser.create().parse_override(line).value())


def _within(key: str, value: Any) -> Iterator[str]:
    for name, each in value.items() if isinstance(value, Mapping) else ():
        yield f"{key}.{name}"
        yield from _within(f"{key}.{name}", each)
