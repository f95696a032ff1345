"""A campaign stays one thing: what defaults or code have changed since it was begun is told, not mixed in."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from spinodal.campaign import read_launches
from spinodal.errors import UserError
from spinodal.planning.expansion import Cell
from spinodal.planning.explain import shown
from spinodal.planning.identity import SCHEMA
from spinodal.planning.interpolation import overlap

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


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _leaves(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node
