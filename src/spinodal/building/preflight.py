"""Each distinct configuration is built once before anything is run, without its training.

What cannot be built is refused where somebody sees it, and not by the first job that starts on some node tomorrow.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf
from rich.console import Console

from spinodal.campaign import Pack, Part
from spinodal.errors import UserError
from spinodal.planning.explain import shown
from spinodal.planning.identity import canonical
from spinodal.planning.memory import bytes_per_replica
from spinodal.planning.parallelism import GB, here

if TYPE_CHECKING:
    from spinodal.tasks import Task

SECTIONS = ("trainer", "callbacks", "optimizer", "data", "model")
"""The parts of a configuration that name what is built, the cheapest first."""

PATIENCE = 60.0
"""Seconds after which tasks and networks that are left are left to their jobs."""

LARGE = 10_000_000
"""Parameters of a network, from which on it is built on the meta device: with shapes, and without numbers."""

SHOWN = 20
"""Mistakes that are told."""


def preflight(packs: Sequence[Pack], launcher: Mapping[str, Any]) -> None:
    """Build each distinct configuration of packs once, and forget it.

    Sections are built once for each different content, tasks one after the other. Where jobs run on other machines,
    the Trainer's arguments are checked by name and type alone.

    Args:
        packs: that are about to be run.
        launcher: its configuration, `hydra.launcher`.

    Raises:
        UserError: With every mistake, a line each.
    """
    parts = [part for pack in packs for part in pack.parts]
    distinct = {tuple(_key(part, name) for name in SECTIONS): part for part in parts}
    count = len(distinct)
    terminal = Console(stderr=True, highlight=False)
    doing = f"building {count} configuration{'s' if count > 1 else ''}"
    if not terminal.is_terminal:
        terminal.print(doing, soft_wrap=True)
    with terminal.status(doing) as status:
        check = _Check(parts, here(launcher), lambda what: status.update(f"{doing}: {what}"))
        check.run()
    if check.late:
        terminal.print(
            f"{check.tasks} of {check.tasks_in_all} tasks were built within {PATIENCE:g} s; jobs build the others",
            soft_wrap=True,
        )
    if mistakes := check.mistakes():
        more = [f"and {len(mistakes) - SHOWN} more like these"] if len(mistakes) > SHOWN else []
        raise UserError("\n".join([*mistakes[:SHOWN], *more]))


class _Check:
    """Everything that parts need, each once.

    Args:
        parts: points of a curve each.
        local: whether their jobs run on this machine.
        tell: gets what is being built.
    """

    def __init__(self, parts: Sequence[Part], local: bool, tell: Callable[[str], None]) -> None:
        self.parts, self.local, self.tell = parts, local, tell
        self.distinct = {name: _distinct(parts, name) for name in SECTIONS}
        self.tasks, self.tasks_in_all, self.late = 0, len(self.distinct["data"]), False
        self.wrong: dict[str, tuple[str, list[Mapping[str, Any]]]] = {}

    def run(self) -> None:
        """Build."""
        from spinodal.building import training
        from spinodal.building.arguments import refuse_arguments

        check_trainer = training.build_trainer if self.local else refuse_arguments
        for name, build in (
            ("trainer", check_trainer),
            ("callbacks", training.build_callbacks),
            ("optimizer", training.build_optimizer),
        ):
            self.tell(name)
            for members in self.distinct[name].values():
                self._tried(name, members[0], build)
        began = time.monotonic()
        for members in self.distinct["data"].values():
            if self.late:
                return
            self._task(members, began)

    def _task(self, members: Sequence[Part], began: float) -> None:
        """Build a task, and every network that learns it."""
        from spinodal.building.networks import build_task

        self.tell(f"task {self.tasks + 1} of {self.tasks_in_all}")
        task = self._tried("data", members[0], build_task)
        self.tasks += 1
        for alike in _distinct(members, "model").values() if task is not None else ():
            self._tried("model", alike[0], lambda plan, alike=alike: _networks(plan, task, alike))
            self.late = time.monotonic() - began > PATIENCE
            if self.late:
                return

    def _tried(self, name: str, part: Part, build: Callable[[Any], Any]) -> Any:
        try:
            return build(OmegaConf.create(dict(part.config)))
        except UserError as error:
            for line in str(error).splitlines():
                self.wrong.setdefault(line, (name, []))[1].append(part.config)
            return None

    def mistakes(self) -> list[str]:
        """A line for each mistake; with the values that make it, where others of the same kind are right."""
        return [line + self._only(name, configs) for line, (name, configs) in self.wrong.items()]

    def _only(self, name: str, configs: Sequence[Mapping[str, Any]]) -> str:
        every = [members[0].config[name] for members in self.distinct[name].values()]
        if len(configs) >= len(every):
            return ""
        varied = [
            f"{name}.{key}={shown(value)}"
            for key, value in configs[0][name].items()
            if any(each.get(key) != value for each in every)
        ]
        more = f", and {len(configs) - 1} more" if len(configs) > 1 else ""
        return f" (with {' '.join(varied)}{more})"


def _networks(plan: Any, task: Task, parts: Sequence[Part]) -> None:
    """Build one replica, and put it into the phases in which replicas are to start."""
    from spinodal.building.networks import build_ensemble
    from spinodal.training.start import phase_parameters

    ensemble = _without_numbers(plan, task) or build_ensemble(plan, task, [0])
    holds = {
        (each.hold.phase, each.path[-1]) for part in parts for each in part.points.values() if each.hold
    }
    for phase, l2 in sorted((phase, l2) for phase, l2 in holds if phase is not None):
        phase_parameters(ensemble, task, phase, l2)


def _without_numbers(plan: Any, task: Task) -> Any:
    """An ensemble of one on the meta device, if its network is large; None if not, or if it needs its numbers."""
    import torch

    from spinodal.building.networks import build_ensemble, network_maker

    known = bytes_per_replica(OmegaConf.to_container(plan))  # type: ignore[arg-type]
    if known is not None and known < GB:
        return None
    try:
        with torch.device("meta"):
            parameters = network_maker(plan, task)().parameters()
            if sum(each.numel() for each in parameters) < LARGE:
                return None
            return build_ensemble(plan, task.to("meta"), [0])
    except Exception:  # what is wrong with it shows where it is built with numbers
        return None


def _distinct(parts: Iterable[Part], name: str) -> dict[str, list[Part]]:
    """Parts by what their configuration has in a section."""
    found: dict[str, list[Part]] = {}
    for part in parts:
        found.setdefault(_key(part, name), []).append(part)
    return found


def _key(part: Part, name: str) -> str:
    return canonical(part.config.get(name))
