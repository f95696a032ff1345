"""What is predicted of a claim, what was measured, and what follows: the rules that all claims share.

A measurement agrees with its prediction within `AGREE` standard errors, and contradicts it beyond `CONTRADICT`; in
between nothing is decided. What is claimed to be there must be `SEEN` errors from zero, what is claimed not to be there
within `NONE`. A verdict on several things is that on the worst of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

AGREE = 3.0
"""Standard errors within which a measurement agrees with its prediction."""

CONTRADICT = 5.0
"""Standard errors beyond which it contradicts it."""

SEEN = 5.0
"""Standard errors from zero of what is there."""

NONE = 2.0
"""Standard errors from zero within which nothing is there."""

ROUNDING = 1e-6
"""Of a value: minima are stationary up to max |∇𝓛| = 1e-8, and nothing is told apart below this."""

CLAIMS = {
    "order": "The onset of learning is first-order for deep networks (L ≥ 3), second-order with one hidden layer",
    "curvature": "The curvature of the error landscape marks it",
    "complexity": "More complex data has more transitions, where predicted",
    "hysteresis": "First-order transitions have hysteresis",
    "grokking": "Grokking is being stuck in a lower-accuracy phase",
}
"""Of Ersoy & Wiesner (arXiv 2505.06597, 2606.17120), in the order of their argument."""

Decision = Literal["confirmed", "not confirmed", "not decided"]
Figure = Literal["branches", "phases", "curvature", "foresight", "hysteresis", "escape", "grokking", ""]


class Quantity(NamedTuple):
    """A number that is predicted, or measured."""

    name: str
    """What it is, with its sign of equality or unit where it has one."""
    value: float
    error: float | None = None
    unit: str = ""


class Ruling(NamedTuple):
    """What follows from a measurement, and why."""

    decision: Decision
    reason: str


@dataclass(frozen=True)
class Verdict:
    """What the records of a campaign say of one part of a claim."""

    claim: str
    """A key of `CLAIMS`."""
    case: str
    """What it is about, in a few words."""
    predicted: tuple[Quantity, ...]
    measured: tuple[Quantity, ...]
    decision: Decision
    reason: str
    figure: Figure = ""
    """In which kind of figure it is seen."""
    curve: tuple[object, ...] = ()
    """The columns of `CURVE` of what the figure must show."""


def settled(measured: float, error: float, predicted: float, what: str) -> Ruling:
    """Set a measurement against its prediction.

    Args:
        measured: Value.
        error: Its standard error.
        predicted: Value.
        what: Name, for the reason.
    """
    off = abs(measured - predicted) / math.hypot(error, ROUNDING * abs(predicted))
    if off <= AGREE:
        return Ruling("confirmed", f"{what} within {AGREE:g} errors of the prediction")
    by = f"{what} {off:.1f} errors from the prediction"
    return Ruling("not confirmed" if off > CONTRADICT else "not decided", by)


def there(value: float, error: float, what: str) -> Ruling:
    """Whether something that is claimed to be there is: above zero.

    Args:
        value: As measured.
        error: Its standard error.
        what: Name, for the reason.
    """
    errors = value / error if error > 0 else math.copysign(math.inf, value) if value else 0.0
    told = f"{what} {errors:.1f} errors from zero"
    if errors >= SEEN:
        return Ruling("confirmed", told)
    return Ruling("not confirmed" if errors <= NONE else "not decided", told)


def worst(rulings: Iterable[Ruling]) -> Ruling:
    """The ruling on all of several things: not confirmed if one is not, else not decided if one is not.

    Reasons of the same decision are told together, each once.
    """
    rulings = list(rulings)
    decisions: tuple[Decision, ...] = ("not confirmed", "not decided", "confirmed")
    for decision in decisions:
        reasons = dict.fromkeys(each.reason for each in rulings if each.decision == decision)
        if reasons:
            return Ruling(decision, "; ".join(reasons))
    return Ruling("not decided", "nothing was measured")
