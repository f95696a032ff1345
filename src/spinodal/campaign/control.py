"""The control parameter of a configuration, and penalties that are held: 𝓛 = E + c·P + Σ cᵢ·Pᵢ.

A penalty's key is its name. The key of the one that `control` names has the values of c, every other one a number. A
row of the records has `control`, too, so that `name` and `symbol` are those of a row as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

L2 = "l2"
"""The penalty ‖θ‖², which configurations have unless they take it away: its coefficient is λ."""

L2_PENALTY = {"_target_": "spinodal.penalties.l2"}
"""What that name stands for."""

DEFAULTS: dict[str, Any] = {"control": L2, "penalties": {L2: L2_PENALTY}}
"""What configurations mean that were written before there was a choice."""


def name(config: Mapping[str, Any]) -> str:
    """Return the name of the penalty whose coefficient is the control parameter, and whose key has its values."""
    return str(config.get("control", L2))


def values(plan: Mapping[str, Any]) -> list[float]:
    """Return the values of the control parameter that a plan asks for, as written."""
    return list(plan[name(plan)])


def held(config: Mapping[str, Any]) -> dict[str, float]:
    """Return the coefficients of the penalties that are held, by name and in the order of names; none of them is 0."""
    others = sorted(str(each) for each in config.get("penalties", ()) if each != name(config))
    return {each: float(config[each]) for each in others if config.get(each)}


def stated(config: Mapping[str, Any]) -> str | None:
    """Write the penalties that are held, as name=number; None where there are none."""
    return " ".join(f"{each}={value:.12g}" for each, value in held(config).items()) or None


def used(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the penalties in 𝓛, that of the control parameter first."""
    return (name(config), *held(config))


def penalties(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the penalties in 𝓛 are, by name and as configured."""
    configured = config.get("penalties", DEFAULTS["penalties"])
    return {each: configured[each] for each in used(config)}


def besides(config: Mapping[str, Any]) -> str:
    """Name what makes 𝓛 another function than E + λ‖θ‖², as it is written; empty if nothing does."""
    own = [] if name(config) == L2 else [f"control={name(config)}"]
    return " ".join([*own, *filter(None, [stated(config)])])


def symbol(config: Mapping[str, Any]) -> str:
    """Return what tables call the control parameter: λ, or the name of its penalty."""
    return "λ" if name(config) == L2 else name(config)


def heading(configs: Iterable[Mapping[str, Any]]) -> str:
    """Return what heads a column with values of the control parameter of several configurations."""
    symbols = {symbol(config) for config in configs}
    return symbols.pop() if len(symbols) == 1 else "control" if symbols else "λ"
