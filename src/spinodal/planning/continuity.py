"""A campaign stays one thing: what defaults or code have changed since it was begun is told, not mixed in."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

from spinodal.campaign import Pack, read_launches, read_packs
from spinodal.errors import UserError
from spinodal.planning.curves import Curve
from spinodal.planning.expansion import Cell
from spinodal.planning.explain import shown
from spinodal.planning.identity import SCHEMA, former_ids
from spinodal.planning.interpolation import overlap
from spinodal.planning.modules import named
from spinodal.planning.survey import Survey

Defaults = dict[str, Any]


def defaults(cells: Iterable[Cell]) -> dict[str, Defaults]:
    """By what is chosen for a section: what that makes of its keys, as long as nobody says otherwise.

    Args:
        cells: of a command.
    """
    # The same object for all cells of a combination of choices.
    distinct = {id(cell.defaults): cell.defaults for cell in cells}.values()
    return {chosen: dict(_leaves(section)) for each in distinct for chosen, section in each.items()}


def refuse_mixture(campaign: Path, now: Mapping[str, Defaults], keys: Sequence[str]) -> None:
    """Compare with how the campaign was begun.

    Args:
        campaign: its folder.
        now: what `defaults` says.
        keys: dotted, whose values the command gives itself.

    Raises:
        UserError: Naming each default that is another one now, or the schema of the code if that is.
    """
    changed: dict[str, str] = {}
    for launch in read_launches(campaign):
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(launch["when"]))
        if launch["schema"] != SCHEMA:
            raise UserError(
                f"campaign={campaign.name}: was begun ({when}) with code whose results have schema {launch['schema']}; "
                f"those of this version have schema {SCHEMA} and do not compare: choose another campaign"
            )
        for choice, then in launch["defaults"].items():
            for key, value in now.get(choice, {}).items():
                given = any(overlap(key, other) for other in (*keys, *launch["keys"]))
                if not given and key in then and then[key] != value:
                    before = shown(then[key])
                    changed.setdefault(
                        key,
                        f"{key}: is {shown(value)} by default, and was {before} when campaign={campaign.name} was "
                        f"begun ({when}); write {key}={before} to go on, or choose another campaign",
                    )
    if changed:
        raise UserError("\n".join(changed.values()))


def settled(
    campaign: Path, asked: Sequence[Curve], found: Survey, queued: Set[str] = frozenset(), mix: bool = False
) -> list[Curve]:
    """Points as the campaign has them: of modules of a user's own it may not know what they held then.

    Args:
        campaign: its folder.
        asked: points, by curve.
        found: what the campaign has.
        queued: points that wait in a batch system's queue.
        mix: whether points of another, or of an unknown, content may stand beside those asked for.

    Returns:
        The curves. Points computed before the content was noted keep their identity, so that they are not computed
        again.

    Raises:
        UserError: If there are points to compute, and others that another content of the same files has computed.
    """
    if mix or not any(curve.config.get("modules") for curve in asked):
        return list(asked)
    there = {*found.done, *found.running, *queued}
    asked = [_with_former(curve, there) if curve.config.get("modules") else curve for curve in asked]
    if any(curve.points.keys() - there for curve in asked):
        _refuse_other_content(campaign, asked, found, there)
    return list(asked)


def _refuse_other_content(
    campaign: Path, asked: Iterable[Curve], found: Survey, there: Iterable[str]
) -> None:
    now = {file: digest for curve in asked for file, digest in curve.config.get("modules", {}).items()}
    begun = {*there, *(point for each in found.history if each.rows for point in each.points)}
    changed = {
        file
        for pack in read_packs(campaign)
        for file, digest in (pack.config.get("modules") or {}).items()
        if now.get(file, digest) != digest and not begun.isdisjoint(pack.points)
    }
    if changed:
        files = ", ".join(sorted(changed))
        times = [each["when"] for each in read_launches(campaign)] + [each.began for each in found.history]
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(min(times, default=time.time())))
        raise UserError(
            f"{files}: has another content than when points of campaign={campaign.name} were computed (begun {when})\n"
            f"choose another campaign, restore {files}, or add mix_modules=true for points of both"
        )


def _with_former(curve: Curve, there: Set[str]) -> Curve:
    former = former_ids(curve.config, curve.points)
    kept = {point: old for point, old in former.items() if old in there and point not in there}
    return replace(curve, points={kept.get(point, point): each for point, each in curve.points.items()})


def replaced(last: Mapping[str, Pack], found: Survey, living: Set[str]) -> set[str]:
    """Find points that will not be finished: modules of a user's own were edited, and others took their place.

    Args:
        last: points of a campaign, and the last pack of each.
        found: what the campaign has.
        living: points that are done, running or queued.
    """
    latest = {point: each.number for each in found.history for point in each.points}
    alike: dict[str, set[str]] = {}
    for pack in {id(each): each for each in last.values()}.values():
        for part in pack.parts:
            if named(part.config):
                for point, former in former_ids(part.config, part.points).items():
                    alike.setdefault(former, set()).add(point)
    gone: set[str] = set()
    for points in alike.values():
        newest = max(points, key=lambda point: latest.get(point, math.inf if point in living else 0))
        gone |= points - living - {newest}
    return gone


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _leaves(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node
