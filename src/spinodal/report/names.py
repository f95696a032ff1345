"""What people and files call a curve."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import polars as pl

from spinodal.analysis import network_name
from spinodal.report.numbers import number


class CurveName(NamedTuple):
    """The names of one curve."""

    data: str
    """As in "linear teacher, K = 3"."""
    model: str
    """As in "deep linear, depth 3, width 16"."""
    branch: str
    file: str
    """Without suffix; no two curves of a table share it."""

    def __str__(self) -> str:
        return f"{self.data}; {self.model}; {self.branch}"


BRANCHES = ("up", "down", "quench")
"""In the order in which they are told."""


def curve_names(identities: pl.DataFrame) -> list[CurveName]:
    """Name curves, a row of `CURVE` each, by what they are, and by the rest only where that leaves two alike."""
    rows = identities.rows(named=True)
    names = [_name(row) for row in rows]
    for column, sign in (("temperature", "T = "), ("samples", "N = "), ("curve", "")):
        counts = Counter(names)
        for place, (name, row) in enumerate(zip(names, rows, strict=True)):
            if counts[name] > 1 and (value := row[column]) is not None:
                data, file = f"{name.data}, {_printable(f'{sign}{value}')}", _file(f"{sign[:1]}{value}")
                names[place] = name._replace(data=data, file=f"{name.file}-{file}")
    return names


def together(names: Sequence[CurveName]) -> CurveName:
    """Return the name of the branches of one network, in their order, that are drawn in one figure."""
    first = names[0]
    if len(names) == 1:
        return first
    branches = [name.branch for name in names]
    file = re.sub(rf"-{first.branch}(?=-|$)", "-" + "-".join(branches), first.file, count=1)
    return first._replace(branch=" and ".join(branches), file=file)


def _name(row: dict[str, Any]) -> CurveName:
    task, branch = _printable(row["task"] or "data"), _printable(row["branch"] or "")
    kind = [_printable(row[name]) for name in ("network", "activation") if row[name]] or ["network"]
    features, depth, width = (row[name] for name in ("complexity", "depth", "width"))
    data = [task.replace("_", " "), _labelled("K = ", features)]
    model = [_printable(network_name(row)), _labelled("depth ", depth), _labelled("width ", width)]
    model.append("with biases" if row["bias"] else "")
    sizes = [_labelled("L", depth), _labelled("w", width), "bias" if row["bias"] else ""]
    file = "-".join(map(_file, filter(None, [task, _labelled("K", features), *kind, *sizes, branch])))
    return CurveName(", ".join(filter(None, data)), ", ".join(filter(None, model)), branch, file)


def _labelled(label: str, value: int | None) -> str:
    return "" if value is None else f"{label}{value}"


def _printable(text: str) -> str:
    """Return a text of the records, from wherever it is, without the signs of formulae, markup and terminals."""
    return re.sub(r"[$\\\[\]\x00-\x1f\x7f]", " ", text)


def _file(text: str) -> str:
    return re.sub(r"[^\w.]+", "_", text)


def capitalised(text: str) -> str:
    """Return a text with a capital first letter; E and R stay as they are."""
    return text[:1].upper() + text[1:]


def places(transitions: pl.DataFrame) -> str:
    """Return λ of the transitions that were found, rising."""
    return ", ".join(number(at) for at in transitions["location"].drop_nulls().sort())
