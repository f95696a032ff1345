"""What the planner tells: what was asked for, what there is of it, what is going to run, and how it ended."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence, Set

from rich.console import Console
from rich.table import Table

from spinodal.campaign import control
from spinodal.planning.curves import Curve
from spinodal.planning.selection import Selection
from spinodal.planning.survey import Survey

SHOWN = 20
"""Curves, or failures, that are told one by one."""


def console(stderr: bool = True) -> Console:
    """Where tables are told; as wide as the terminal, and wide enough where there is none."""
    # Names and errors may hold brackets, which would be taken for markup.
    made = Console(stderr=stderr, highlight=False, markup=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, markup=False, width=120)


def names_on_the_left(table: Table, console: Console) -> None:
    """Numbers to the right, whole; of long names as much as there is room for."""
    first, *others = table.columns
    first.no_wrap = True
    first.max_width = console.width - sum(len(str(column.header)) + 2 for column in others) - 4
    for column in others:
        column.justify, column.no_wrap = "right", True


def tell(selection: Selection, console: Console, jobs: int) -> None:
    """A row per curve: points asked for, done, running, failed, to run; jobs, and their replicas.

    Args:
        selection: what is going to be done.
        console: to tell it on.
        jobs: that run at the same time.
    """
    asked, found, todo = selection.asked, selection.found, selection.todo
    sizes = defaultdict(list)
    for pack in selection.packs:
        for curve in pack.curves:
            sizes[curve].append(len(pack.points))
    queued = ("queued",) if selection.queued else ()
    columns = ("points", "done", "running", *queued, "failed", "to run", "jobs", "replicas")
    table = Table("", *columns, box=None, pad_edge=False, header_style="bold")
    names_on_the_left(table, console)
    rows = [_row(curve, selection, todo, sizes[curve.name]) for curve in asked]
    names = _names(asked)
    for name, row in list(zip(names, rows, strict=True))[:SHOWN]:
        table.add_row(name, *map(str, row))
    if len(rows) > SHOWN:
        table.add_row(f"and {len(rows) - SHOWN} more")
    if len(rows) > 1:
        total = [sum(column) for column in zip(*(row[:-2] for row in rows), strict=True)]
        packs = [len(pack.points) for pack in selection.packs]
        table.add_row("all", *map(str, (*total, len(packs), _span(packs))), style="bold")
    console.print(table)
    for line in list(dict.fromkeys(filter(None, map(_beyond_l2, asked))))[:SHOWN]:
        console.print(line, soft_wrap=True)
    if seconds := expected(selection, jobs):
        console.print(f"about {spoken(seconds)}, going by what was run here before")
    if any(point in found.failed for point in _points(asked) - todo):
        console.print("retry_failed=true runs again what has failed")


def tell_end(asked: Sequence[Curve], found: Survey, console: Console, queued: Set[str] = frozenset()) -> int:
    """How it ended.

    Args:
        asked: curves of the command.
        found: the campaign afterwards.
        console: to tell it on.
        queued: points that wait in a batch system's queue.

    Returns:
        How many points have failed.
    """
    points = _points(asked)
    failed = [point for point in found.failed if point in points]
    counts = {
        "done": len(points & found.done),
        "running": sum(point in found.running for point in points),
        "queued": len(points & queued - found.done - found.running.keys() - found.failed.keys()),
        "failed": len(failed),
    }
    counts["not run"] = len(points) - sum(counts.values())
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count or name == "done")
    console.print(f"{len(points)} points: {told}")
    if failed:
        where = {point: (curve, each) for curve in asked for point, each in curve.points.items()}
        columns = ("failed", "seed", control.heading(curve.config for curve in asked), "", "attempts", "why")
        table = Table(*columns, box=None, pad_edge=False, header_style="bold")
        names = dict(zip((curve.name for curve in asked), _names(asked), strict=True))
        for point in failed[:SHOWN]:
            curve, each = where[point]
            ends = sorted({each.path[0], each.path[-1]})
            table.add_row(
                point,
                str(each.seed),
                " … ".join(f"{value:.4g}" for value in ends),
                names[curve.name],
                str(found.attempts[point]),
                found.failed[point].error,
            )
        console.print(table)
        if len(failed) > SHOWN:
            console.print(f"and {len(failed) - SHOWN} more")
    return len(failed)


def expected(selection: Selection, jobs: int) -> float | None:
    """Seconds the packs will take, going by attempts before; None without experience.

    Args:
        selection: what is going to be done.
        jobs: that run at the same time.
    """
    seconds: dict[str, float] = defaultdict(float)
    rows: dict[str, int] = defaultdict(int)
    for attempt in selection.found.history:
        for key in (attempt.curve, "") if attempt.rows else ():
            seconds[key] += attempt.seconds
            rows[key] += attempt.rows
    if not rows:
        return None
    total = 0.0
    for pack in selection.packs:
        key = pack.curves[0] if rows[pack.curves[0]] else ""
        stages = sum(
            len(each.path) for point, each in pack.points.items() if point not in selection.found.done
        )
        total += stages * seconds[key] / rows[key]
    return total / min(jobs, max(len(selection.packs), 1)) or None


def spoken(seconds: float) -> str:
    """A time as one says it."""
    for unit, length in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.2g} {unit}"
    return f"{math.ceil(seconds)} s"


def _row(curve: Curve, selection: Selection, todo: set[str], sizes: list[int]) -> tuple[int | str, ...]:
    points, found = curve.points.keys(), selection.found
    return (
        len(points),
        len(points & found.done),
        sum(point in found.running for point in points),
        *([len(points & selection.queued)] if selection.queued else []),
        sum(point in found.failed for point in points),
        len(points & todo),
        len(sizes),
        _span(sizes),
    )


def _beyond_l2(curve: Curve) -> str:
    """What is varied and what is held, if that is not λ alone."""
    if not control.besides(curve.config):
        return ""
    ends = sorted({end for each in curve.points.values() for end in (min(each.path), max(each.path))})
    values = " … ".join(f"{end:.4g}" for end in dict.fromkeys((ends[0], ends[-1])))
    held = " ".join(f"{name}={value:g}" for name, value in control.held(curve.config).items())
    return f"{control.name(curve.config)}: {values}" + (f", with {held}" if held else "")


def _span(sizes: Sequence[int]) -> str:
    ends = sorted({min(sizes), max(sizes)}) if sizes else []
    return "–".join(map(str, ends))


def _points(asked: Sequence[Curve]) -> set[str]:
    return {point for curve in asked for point in curve.points}


def _names(asked: Sequence[Curve]) -> list[str]:
    """What tells curves apart, as it was typed."""
    common = set(asked[0].lines).intersection(*(curve.lines for curve in asked)) if asked else set()
    own = [" ".join(_short(line) for line in curve.lines if line not in common) for curve in asked]
    return [name or curve.name for name, curve in zip(own, asked, strict=True)] if len(asked) > 1 else [""]


def _short(line: str) -> str:
    """An override without the groups its key is in."""
    key, _, value = line.partition("=")
    return f"{key.rpartition('.')[2]}={value}"
