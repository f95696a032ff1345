"""What is predicted of a claim, what was measured, and what follows: the rules that all claims share.

A measurement agrees with its prediction within `AGREE` stated errors, and contradicts it beyond `CONTRADICT`; in
between nothing is decided, nor where the error is too large for a contradiction. What is claimed to be there must be
`SEEN` errors from zero, what is claimed not to be there within `NONE`; what an error of this size would hide is not
decided. A verdict on several things is that on the worst of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from spinodal.analysis.deviation import deviation
from spinodal.analysis.seeds import APART

AGREE = 3.0
"""Standard errors within which a measurement agrees with its prediction."""

CONTRADICT = 5.0
"""Standard errors beyond which it contradicts it."""

SEEN = 5.0
"""Standard errors from zero of what is there."""

NONE = 2.0
"""Standard errors from zero within which nothing is there."""

PRECISE = 1 / SEEN
"""Error, as a fraction of what is predicted, above which nothing is decided: the value is as good as zero."""

PLACED = APART / AGREE
"""The same for λ of a transition: what counts as the predicted one at all is never further off than so many errors."""

FINER = "a finer grid of λ, or protocol.refine=4, decides"
"""What to run where a grid is too coarse."""

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


def settled(
    measured: float,
    error: float,
    predicted: float,
    what: str,
    predicted_error: float = 0.0,
    precise: float = PRECISE,
    advice: str = FINER,
) -> Ruling:
    """Set a measurement against its prediction.

    Args:
        measured: Value.
        error: Its stated error.
        predicted: Value.
        what: Name, for the reason.
        predicted_error: Of the prediction, where that has one.
        precise: Part of the prediction that the error of measurement may be, for an agreement to be one.
        advice: What to run where it is larger.
    """
    off = abs(deviation(measured, error, predicted, predicted_error))
    by = f"{what} {off:.1f} errors from the prediction"
    if off > CONTRADICT:
        return Ruling("not confirmed", by)
    if error > precise * abs(predicted):
        return Ruling(
            "not decided", f"{what} is known to {100 * error / abs(predicted):.0f} % only: {advice}"
        )
    if off > AGREE:
        return Ruling("not decided", by)
    return Ruling("confirmed", f"{what} within {AGREE:g} errors of the prediction")


def there(value: float, error: float, what: str, size: float | None = None) -> Ruling:
    """Whether something that is claimed to be there is: above zero.

    Args:
        value: As measured.
        error: Its stated error.
        what: Name, for the reason.
        size: The least that it must be, if it is there; None if that is not known, and nothing can be missed.
    """
    errors = deviation(value, error, 0.0)
    told = f"{what} {errors:.1f} errors from zero"
    if errors >= SEEN:
        return Ruling("confirmed", told)
    if errors > NONE:
        return Ruling("not decided", told)
    if size is None or size < SEEN * error:
        return Ruling("not decided", f"{told}, too large ones to see it: {FINER}")
    return Ruling("not confirmed", told)


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
