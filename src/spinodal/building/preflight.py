"""Each distinct configuration is built once before anything is run, without its training.

What cannot be built is refused by the command, and not by the first job that starts on some node tomorrow.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from spinodal.campaign import Pack, Part, control
from spinodal.errors import UserError, listed
from spinodal.planning.explain import shown
from spinodal.planning.identity import canonical
from spinodal.planning.memory import bytes_per_replica, bytes_with
from spinodal.planning.parallelism import GB, here
from spinodal.protocols import EXACT
from spinodal.waiting import waiting

if TYPE_CHECKING:
    from spinodal.ensemble import DerivativeBytes, Ensemble
    from spinodal.tasks import Task

SECTIONS = ("trainer", "callbacks", "optimizer", "data", "model")
"""The parts of a configuration that name what is built, the cheapest first."""

PATIENCE = 60.0
"""Seconds after which tasks and networks that are left are left to their jobs."""

LARGE = 10_000_000
"""Parameters of a network, from which on it is built on the meta device: with shapes, and without numbers."""


def preflight(packs: Sequence[Pack], launcher: Mapping[str, Any]) -> dict[str, float]:
    """Build each distinct configuration of packs once, and forget it.

    Sections are built once for each different content, tasks one after the other. Where jobs run on other machines,
    the Trainer's arguments are checked by name and type alone.

    Args:
        packs: that are about to be run.
        launcher: its configuration, `hydra.launcher`.

    Returns:
        By curve, bytes that each of its replicas adds, measured where a formula does not know them all.

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
    with waiting(doing) as name:
        check = _Check(parts, here(launcher), name)
        check.run()
    if check.late:
        terminal.print(
            f"{check.tasks} of {check.tasks_in_all} tasks were built within {PATIENCE:g} s; jobs build the others",
            soft_wrap=True,
        )
    if mistakes := check.mistakes():
        raise UserError(listed(mistakes)) from check.first
    return check.measured


class _Check:
    """Everything that parts need, each once.

    Args:
        parts: points of a curve each.
        local: whether their jobs run on this machine.
        show: takes the name of what is being built.
    """

    def __init__(self, parts: Sequence[Part], local: bool, show: Callable[[str], None]) -> None:
        self.parts, self.local, self.show = parts, local, show
        self.distinct = {name: _distinct(parts, name) for name in SECTIONS}
        self.tasks, self.tasks_in_all, self.late = 0, len(self.distinct["data"]), False
        self.first: UserError | None = None
        self.networks: dict[tuple[Any, ...], _Size | None] = {}
        self.measured: dict[str, float] = {}
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
            self.show(name)
            for members in self.distinct[name].values():
                self._tried(name, members[0], build)
        training.use_one_thread()
        deadline = time.monotonic() + PATIENCE
        for members in self.distinct["data"].values():
            self._task(members, deadline)
            if self.late:
                return
            self.tasks += 1

    def _task(self, members: Sequence[Part], deadline: float) -> None:
        """Build a task, and the networks that are to learn it, unless it is late."""
        from spinodal.building.networks import build_task

        self.show(f"task {self.tasks + 1} of {self.tasks_in_all}")
        self.late = time.monotonic() > deadline
        task = None if self.late else self._tried("data", members[0], build_task)
        if task is None:
            return
        for model, alike in _distinct(members, "model").items():
            self.late = time.monotonic() > deadline
            if self.late:
                return
            which = model, task.inputs.shape[1:], task.targets.shape[1:]
            if which not in self.networks:
                self.networks[which] = self._tried("model", alike[0], partial(_size, alike[0], task))
            if size := self.networks[which]:
                self._tried("model", alike[0], partial(_phases, alike, task))
                self._tried("model", alike[0], partial(_followed, alike, task))
                self._measure(alike, task, size)
                for same in _distinct_penalties(alike).values():
                    derivatives = self._tried("penalties", same[0], partial(_penalties, same, task))
                    self._measure(same, task, size._replace(derivatives=derivatives))

    def _measure(self, parts: Sequence[Part], task: Task, size: _Size) -> None:
        """Keep what each replica of these parts takes, unless a formula knows."""
        if size.derivatives is not None:
            needed = size.derivatives.on(task.samples)
            for part in parts:
                self.measured[part.curve] = bytes_with(part.config, size.parameters, task.samples, needed)

    def _tried(self, name: str, part: Part, build: Callable[[Any], Any]) -> Any:
        try:
            keys = (name, "paths") if name != "penalties" else part.config
            return build(OmegaConf.create({key: part.config[key] for key in keys}))
        except UserError as error:
            self.first = self.first or error
            for line in str(error).splitlines():
                self.wrong.setdefault(line, (name, []))[1].append(part.config)
            return None

    def mistakes(self) -> list[str]:
        """A line for each mistake; with the values that make it, where others of the same kind are right."""
        return [line + self._only(name, configs) for line, (name, configs) in self.wrong.items()]

    def _only(self, name: str, configs: Sequence[Mapping[str, Any]]) -> str:
        every = [members[0].config[name] for members in _distinct(self.parts, name).values()]
        if len(configs) >= len(every):
            return ""
        varied = [
            f"{name}.{key}={shown(value)}"
            for key, value in configs[0][name].items()
            if any(each.get(key) != value for each in every)
        ]
        more = f", and {len(configs) - 1} more" if len(configs) > 1 else ""
        return f" (with {' '.join(varied)}{more})"


class _Size(NamedTuple):
    """What is known of a network that was built."""

    parameters: int
    derivatives: DerivativeBytes | None
    """None where a formula knows them."""


def _size(part: Part, task: Task, plan: DictConfig) -> _Size:
    """Build an ensemble of one, and measure it where no formula knows its memory."""
    from spinodal.ensemble import Objective, derivative_bytes

    ensemble = _network(part, task, plan)
    known = bytes_per_replica(part.config) is not None
    return _Size(ensemble.theta.shape[-1], None if known else derivative_bytes(Objective(ensemble, task)))


def _network(part: Part, task: Task, plan: DictConfig) -> Ensemble:
    """Build an ensemble of one; on the meta device if its network is large, and does not need its numbers."""
    from spinodal.building.networks import build_ensemble

    return _without_numbers(part, task, plan) or build_ensemble(plan, task, [0])


def _phases(parts: Sequence[Part], task: Task, plan: DictConfig) -> None:
    """Make the phases in which replicas are to start, if any are."""
    from spinodal.training.start import phase_parameters

    holds = [(each.hold, each.path[-1]) for part in parts for each in part.points.values()]
    phases = {(hold.phase, l2) for hold, l2 in holds if hold and hold.phase is not None}
    if phases:
        ensemble = _network(parts[0], task, plan)
        for phase, l2 in sorted(phases):
            phase_parameters(ensemble, task, phase, l2)


def _followed(parts: Sequence[Part], task: Task, plan: DictConfig) -> None:
    """Look for kinks, if minima are to be followed."""
    from spinodal.building.networks import refuse_kinks
    from spinodal.ensemble import Objective

    given = {
        part.config["relaxation"].get("smooth")
        for part in parts
        if part.config["protocol"].get("refine") == EXACT
    }
    for smooth in given:
        refuse_kinks(Objective(_network(parts[0], task, plan), task).smooth if smooth is None else smooth)


def _penalties(parts: Sequence[Part], task: Task, plan: DictConfig) -> DerivativeBytes:
    """Evaluate penalties where replicas start, and measure the memory of 𝓛 with them."""
    from spinodal.building.penalties import check_penalties, penalties_of
    from spinodal.ensemble import Objective, derivative_bytes

    unlearned = any(each.unlearned for part in parts for each in part.points.values())
    ensemble = _network(parts[0], task, plan)
    check_penalties(plan, ensemble, task, unlearned)
    return derivative_bytes(Objective(ensemble, task, **penalties_of(plan)._asdict()))


def _without_numbers(part: Part, task: Task, plan: DictConfig) -> Ensemble | None:
    import torch

    from spinodal.building.networks import build_ensemble, network_maker

    known = bytes_per_replica(part.config)
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


def _distinct_penalties(parts: Iterable[Part]) -> dict[str, list[Part]]:
    """Parts by the penalties in their 𝓛, unless it is E + λ‖θ‖²."""
    found: dict[str, list[Part]] = {}
    for part in parts:
        if control.besides(part.config):
            which = canonical([control.penalties(part.config), part.config["relaxation"]])
            found.setdefault(which, []).append(part)
    return found


def _key(part: Part, name: str) -> str:
    return canonical(part.config.get(name))
