"""Grids of λ and lists of seeds, as people write them."""

from __future__ import annotations

import math
import re
from typing import Any, TypeVar

from omegaconf import OmegaConf

LARGEST = 10_000
"""How many values one key may ask for: more is a typing error."""

LARGEST_SEED = 2**32 - 1

L2_FORMS = "a number ≥ 0, a list of them, geom:first:last:count or lin:first:last:count"
SEED_FORMS = f"an integer from 0 to {LARGEST_SEED}, a list of them, or lin:first:last:count"
BATCH_FORMS = "an integer ≥ 1 or a list of them"

Number = TypeVar("Number", int, float)

_GRID = re.compile(r"(geom|lin):([^:]*):([^:]*):([^:]*)")


def geomspace(first: float, last: float, count: int) -> list[float]:
    """`count` values in geometric progression, both ends included and exact.

    The values between are rounded to 12 significant digits: the same on every machine, so that a point keeps
    its identity, and shared by grids that meet (geom:0.01:1:3 and geom:0.001:10:5 both hold 0.1).

    Raises:
        ValueError: If the ends are equal, not positive or not finite, or `count` is not from 2 to `LARGEST`.
    """
    _check_ends(first, last, count)
    if min(first, last) <= 0:
        raise ValueError("must start and end above 0, being geometric")
    return _between(first, last, [first * (last / first) ** (i / (count - 1)) for i in range(1, count - 1)])


def linspace(first: float, last: float, count: int) -> list[float]:
    """`count` values in arithmetic progression, ends and rounding as in `geomspace`.

    Raises:
        ValueError: If the ends are equal or not finite, or `count` is not from 2 to `LARGEST`.
    """
    _check_ends(first, last, count)
    return _between(first, last, [first + (last - first) * (i / (count - 1)) for i in range(1, count - 1)])


def l2_values(value: object) -> list[float]:
    """Read the values of a control parameter: a number, a list of numbers, `geom:a:b:n` or `lin:a:b:n`.

    Raises:
        ValueError: Saying what would be right, if a value is negative, infinite, given twice or no number.
    """
    values = _grid(value, L2_FORMS) if isinstance(value, str) else _listed(value, L2_FORMS)
    for item in values:
        if isinstance(item, bool) or not isinstance(item, int | float):
            raise ValueError(f"must be {L2_FORMS}")
        if not (math.isfinite(item) and item >= 0):
            raise ValueError("must be finite and not negative")
    return _distinct([float(item) + 0.0 for item in values])  # + 0.0 makes a plain zero of -0.0


def held_value(value: object, control: str) -> float:
    """The coefficient of a penalty that is held.

    Args:
        value: as written.
        control: the penalty whose coefficient is varied instead.

    Raises:
        ValueError: Saying what would be right, if it is not one number, or is negative or infinite.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be one number ≥ 0 with control={control}, whose key alone takes a grid")
    return l2_values(value)[0]


def seed_values(value: object) -> list[int]:
    """The seeds somebody wrote: an integer, a list of them, or `lin:a:b:n`.

    Raises:
        ValueError: Saying what would be right, if a seed is negative, given twice or not an integer.
    """
    if isinstance(value, str):
        value = [int(seed) if seed.is_integer() else seed for seed in _grid(value, SEED_FORMS)]
    seeds = _listed(value, SEED_FORMS)
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= LARGEST_SEED:
            raise ValueError(f"must be {SEED_FORMS}")
    return _distinct(seeds)


def batch_values(value: object) -> list[int]:
    """The batch sizes somebody wrote: an integer or a list of them.

    Raises:
        ValueError: Saying what would be right, if one is below 1, given twice or not an integer.
    """
    sizes = _listed(value, BATCH_FORMS)
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ValueError(f"must be {BATCH_FORMS}")
    return _distinct(sizes)


def _grid(text: str, forms: str) -> list[float]:
    if not text.strip():
        raise ValueError("is empty: quote it for the shell, which takes ${…} for a variable of its own")
    match = _GRID.fullmatch(text.strip())
    try:
        kind, first, last, count = match.groups() if match else ("", "", "", "")
        ends = float(first), float(last)
        size = int(count)
    except ValueError:
        raise ValueError(f"must be {forms}") from None
    return geomspace(*ends, size) if kind == "geom" else linspace(*ends, size)


def _check_ends(first: float, last: float, count: int) -> None:
    if not (math.isfinite(first) and math.isfinite(last)) or first == last:
        raise ValueError("must start and end at two different finite numbers")
    if isinstance(count, bool) or not isinstance(count, int) or not 2 <= count <= LARGEST:
        raise ValueError(f"must have from 2 to {LARGEST} values")


def _between(first: float, last: float, inner: list[float]) -> list[float]:
    return [float(first), *(float(f"{value:.12g}") for value in inner), float(last)]


def _listed(value: Any, forms: str) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    if not values:
        raise ValueError(f"must be {forms}")
    if len(values) > LARGEST:
        raise ValueError(f"must have at most {LARGEST} values")
    return values


def _distinct(values: list[Number]) -> list[Number]:
    seen: set[Number] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"must not repeat {value}")
        seen.add(value)
    return values


OmegaConf.register_new_resolver("geomspace", geomspace, replace=True)
OmegaConf.register_new_resolver("linspace", linspace, replace=True)
