"""Names of runs and curves, which tell apart what the commands of a campaign sweep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from spinodal.analysis import network_name
from spinodal.campaign import Sweeps, control

TAGS = ("task", "network", "activation", "branch")
"""Columns that are tags; besides K, L and the width."""

SHOWN = {"data.complexity", "model.depth", "seed", "protocol.temperature", "protocol.batch"}
"""Keys whose values are in every name anyhow."""


def curve_name(row: Mapping[str, Any], config: Mapping[str, Any], sweeps: Sweeps) -> str:
    """Name a curve: its data, its network, and what is swept.

    Args:
        row: Of its records.
        config: Of a job that computed it.
        sweeps: Of the campaign.
    """
    kind = [
        row["task"] or "data",
        network_name(row),
        *_labelled(row, complexity="K=", depth="L=", width="width="),
    ]
    return _joined([*kind, *_swept(row, config, sweeps), *strength(row), row["branch"]])


def run_name(
    row: Mapping[str, Any], config: Mapping[str, Any], sweeps: Sweeps, values: Sequence[float], last: str
) -> str:
    """Name a run, as in K=3 L=3 λ=0.05 up seed 0.

    Args:
        row: Of its records.
        config: Of its job.
        sweeps: Of the campaign.
        values: Of the control parameter, rising.
        last: Comes last.
    """
    grid = "…".join(dict.fromkeys(f"{each:.4g}" for each in (values[0], values[-1])))
    kind = [(config.get("logger") or {}).get("name"), *_labelled(row, complexity="K=", depth="L=")]
    at = [f"{control.symbol(row)}={grid}", *strength(row), row["branch"], last]
    return _joined([*kind, *_swept(row, config, sweeps), *at])[:128]


def strength(row: Mapping[str, Any]) -> list[str]:
    """Write the strength of the noise of a row, if there is any."""
    return _labelled(row, temperature="T=", batch="B=")


def tags_of(row: Mapping[str, Any], own: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the tags of a run: what it is, and those of a user's own."""
    known = [
        *(row[name] for name in TAGS if row[name]),
        *_labelled(row, complexity="K=", depth="L=", width="width "),
    ]
    return tuple(each[:64] for each in (*known, *own))


def _swept(row: Mapping[str, Any], config: Mapping[str, Any], sweeps: Sweeps) -> Iterator[str]:
    for key, value in sweeps.values(config):
        if "." not in key and isinstance(value, str):  # a choice; that of a protocol may be the branch
            yield value if value != row["branch"] else ""
        elif key not in SHOWN and key != control.name(config):
            yield (
                f"{key.rpartition('.')[2]}={value:.6g}"
                if isinstance(value, float)
                else f"{key.rpartition('.')[2]}={value}"
            )


def _labelled(row: Mapping[str, Any], **labels: str) -> list[str]:
    values = ((label, row[name]) for name, label in labels.items() if row[name] is not None)
    return [f"{label}{value:g}" if isinstance(value, float) else f"{label}{value}" for label, value in values]


def _joined(parts: Iterable[str | None]) -> str:
    return " ".join(dict.fromkeys(filter(None, parts)))
