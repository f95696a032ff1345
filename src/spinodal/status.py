"""`spinodal status`: how far a campaign is, from any machine that sees its folder."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table

from spinodal.campaign import Pack, control
from spinodal.planning import Survey, console, names_on_the_left, scientific, spoken
from spinodal.points import STATES, Point, Status, is_unknown, look

WHY_STOPPED = {"running": "killed without a trace", "stopped": "ended by a signal", "refused": "refused"}
"""By the last that a stopped attempt has written down."""

FAILED = "left by an attempt that failed"

SHOWN = 20
"""Rows of a kind that are shown, unless all are asked for."""

EVERY = 1.5
"""Seconds between two looks of `--watch`."""


def main(campaign: Path, failed: bool = False, points: bool = False, watch: bool = False) -> int:
    """Tell how far a campaign is.

    Args:
        campaign: its folder.
        failed: whether to show tracebacks.
        points: whether to show every point.
        watch: whether to go on looking, until nothing is running any more.

    Returns:
        Exit code 0.

    Raises:
        UserError: As `look`.
    """
    terminal = console(stderr=False)
    if watch:
        _follow(campaign, terminal)
    else:
        for each in _told(look(campaign), terminal, failed, points):
            terminal.print(each, soft_wrap=isinstance(each, str), markup=False)
    return 0


def _follow(campaign: Path, terminal: Console) -> None:
    with Live(console=terminal, auto_refresh=False) as live:
        while True:
            status = look(campaign)
            live.update(Group(*_told(status, terminal)), refresh=True)
            if not {point.state for point in status.points} & {"running", "starting", "queued"}:
                return
            time.sleep(EVERY)


def _told(
    status: Status, terminal: Console, failed: bool = False, points: bool = False
) -> Iterator[RenderableType]:
    counts = Counter(point.state for point in status.points)
    counts["done"] += status.unplanned
    told = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    yield f"{status.campaign}: {sum(counts.values())} points: {told}"
    if unknown := sum(point.unknown for point in status.points):
        yield f"{unknown} of them: module content unknown (not noted then); mix_modules=true computes them anew"
    if status.unread:
        packs = f"{status.unread} pack{'s' * (status.unread > 1)}"
        yield f"{packs} of another version cannot be read: only those of their points are counted that are done"
        yield "the command that planned them writes them anew, if it has points left"
    names = _names([point.pack for point in status.points])
    if len(names) > 1:
        yield _curves(status.points, names, terminal)
    if status.running:
        yield _running(status)
    if status.queued:
        yield _queue(status)
    if status.ended:
        yield _ended(status)
    if counts["stopped"]:
        yield _stopped(status)
    if points:
        yield _each(status, names)
    elif counts["failed"]:
        yield _failed(status, names)
    if failed:
        yield from _tracebacks(status.found)
    elif counts["failed"]:
        yield "--failed shows tracebacks; spinodal run … retry_failed=true tries again"


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, pad_edge=False, header_style="bold", title_justify="left")


def _heading(points: Sequence[Point]) -> str:
    """Of a column with their values of the control parameter."""
    return control.heading(point.pack.config for point in points)


def _curves(points: Sequence[Point], names: Mapping[str, str], terminal: Console) -> Table:
    counts = Counter((point.curve, point.state) for point in points)
    there = {point.state for point in points}
    states = [state for state in STATES if state in there or state not in ("starting", "queued")]
    table = _table("", "points", *states)
    names_on_the_left(table, terminal)
    for curve, name in list(names.items())[:SHOWN]:
        row = [counts[curve, state] for state in states]
        table.add_row(name, *map(str, (sum(row), *row)))
    if len(names) > SHOWN:
        table.add_row(f"and {len(names) - SHOWN} more")
    return table


def _running(status: Status) -> Table:
    longest = {
        point.pack.name: max(len(each.path) for each in point.pack.points.values()) for point in status.points
    }
    table = _table("running", "points", "stage", _heading(status.points), "since", "process")
    for each in status.running[:SHOWN]:
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(each.began))
        stages = f"{each.stage} of {longest.get(each.pack, '?')} done"
        values = " … ".join(f"{value:.4g}" for value in each.control)
        since = f"{began} ({spoken(time.time() - each.began)})"
        process = f"{each.process.host} {each.process.pid} {each.where}".rstrip()
        table.add_row(each.pack, str(len(each.points)), stages, values, since, process)
    if len(status.running) > SHOWN:
        table.add_row(f"and {len(status.running) - SHOWN} more")
    return table


def _failed(status: Status, names: Mapping[str, str]) -> Table:
    points = [point for point in status.points if point.state == "failed"]
    table = _table("failed", "seed", _heading(points), "", "attempts", "why")
    for point in points[:SHOWN]:
        found = status.found
        why, attempts = found.failed[point.name].error, found.attempts[point.name]
        table.add_row(point.name, str(point.seed), point.control, names[point.curve], str(attempts), why)
    if len(points) > SHOWN:
        table.add_row(f"and {len(points) - SHOWN} more")
    return table


def _queue(status: Status) -> Table:
    """Jobs that have not begun with their points, by array."""
    busy = {attempt.pack for attempt in status.running}
    jobs = {each.job: each for pack, each in status.queued.items() if pack not in busy}
    counts = Counter((each.array, each.state.lower(), each.reason) for each in jobs.values())
    table = _table("SLURM array", "jobs", "state", "why")
    for (array, state, reason), count in list(counts.items())[:SHOWN]:
        table.add_row(array, str(count), state, "" if reason == "None" else reason)
    return table


def _ended(status: Status) -> Table:
    jobs = {each.job: each for each in status.ended.values()}
    table = _table("ended by SLURM", "state", "log")
    table.columns[-1].overflow, table.columns[-1].no_wrap = "fold", False  # no part of a path may be missing
    for each in list(jobs.values())[:SHOWN]:
        table.add_row(each.job, each.state.lower(), str(each.log))
    return table


def _stopped(status: Status) -> str:
    reasons = Counter(_why_stopped(status, point.name) for point in status.points if point.state == "stopped")
    why = ", ".join(
        f"{reasons[reason]} {reason}" for reason in (*WHY_STOPPED.values(), FAILED) if reasons[reason]
    )
    return f"stopped: {why}; the same command continues"


def _why_stopped(status: Status, point: str) -> str:
    return WHY_STOPPED.get(status.found.stopped[point].state, FAILED)


def _each(status: Status, names: Mapping[str, str]) -> Table:
    table = _table("point", "seed", _heading(status.points), "", "attempts", "state", "")
    for point in status.points:
        attempts = str(status.found.attempts.get(point.name, 0))
        about = names[point.curve]
        table.add_row(
            point.name, str(point.seed), point.control, about, attempts, point.state, _detail(point, status)
        )
    return table


def _detail(point: Point, status: Status) -> str:
    match point.state:
        case "running":
            return f"{status.found.running[point.name].stage} stages done"
        case "failed":
            return status.found.failed[point.name].error
        case "stopped":
            return _why_stopped(status, point.name)
    return "module content unknown" if point.unknown else ""


def _tracebacks(found: Survey) -> Iterator[str]:
    """Of every attempt at what has failed, the last one last."""
    told: dict[str, dict[str, None]] = {}
    noted = [failed for attempt in found.history for failed in attempt.failed.items()]
    for point, failure in (*noted, *found.failed.items()):
        if point in found.failed:
            told.setdefault(failure.traceback.rstrip(), {})[point] = None
    for traceback, points in told.items():
        yield f"\n{', '.join(points)}\n{traceback}"


def _names(packs: Sequence[Pack]) -> dict[str, str]:
    """By curve, in what it differs from the others."""
    configs = {
        part.curve: dict(
            _leaves(scientific(part.config) | ({"modules": "unknown"} if is_unknown(part.config) else {}))
        )
        for pack in packs
        for part in pack.parts
    }
    keys = dict.fromkeys(key for config in configs.values() for key in config)
    missing = object()
    varied = [key for key in keys if len({repr(each.get(key, missing)) for each in configs.values()}) > 1]
    named = {
        curve: " ".join(f"{_short(key)}={config[key]}" for key in varied if key in config)
        for curve, config in configs.items()
    }
    return dict(sorted(named.items(), key=lambda item: item[1]))


def _short(key: str) -> str:
    """A key without its groups; a file has a dot in its own name."""
    return key.removeprefix("modules.") if key.startswith("modules.") else key.rpartition(".")[2]


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
