"""What is predicted of a claim, what was measured, and what follows: the rules that all claims share.

A measurement agrees with its prediction within `AGREE` stated errors, and contradicts it beyond `CONTRADICT`; in
between nothing is decided, nor where the error is too large for a contradiction. What is claimed to be there must be
`SEEN` errors from zero, what is claimed not to be there within `NONE`; what an error of this size would hide is not
decided. A verdict on several things is that on the worst of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import polars as pl

from spinodal.analysis.deviation import deviation
from spinodal.analysis.seeds import APART

if TYPE_CHECKING:
    from spinodal.analysis.findings import Findings

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

NARROW = 0.05
"""Part of the area below the way up; where a loop of so much would not be seen, none is refuted."""

PLACED = APART / AGREE
"""The same for λ of a transition: what counts as the predicted one at all is never further off than so many errors."""

FINER = "a finer grid of λ, or protocol.refine=4, decides"
"""What to run where a grid is too coarse."""

Decision = Literal["confirmed", "not confirmed", "not decided"]


class Quantity(NamedTuple):
    """A number that is predicted, or measured."""

    name: str
    """What it is, with its sign of equality or unit where it has one."""
    value: float
    error: float | None = None
    unit: str = ""


def quantities(rows: pl.DataFrame, column: str) -> list[Quantity]:
    """Return what is known of a column, with its errors."""
    known = rows.select(column, f"{column}_error").drop_nulls(column)
    return [Quantity("", value, error) for value, error in known.iter_rows()]


class Ruling(NamedTuple):
    """What follows from a measurement, and why."""

    decision: Decision
    reason: str


def confirmed(reason: str) -> Ruling:
    """Return the ruling on what is as claimed."""
    return Ruling("confirmed", reason)


def undecided(reason: str) -> Ruling:
    """Return the ruling on what was not measured well enough."""
    return Ruling("not decided", reason)


def refuted(reason: str, unless: str = "") -> Ruling:
    """Return the ruling on what is not as claimed.

    Args:
        reason: In what it is not.
        unless: Why that decides nothing, to go on with after the reason; empty if it does.
    """
    return undecided(reason + unless) if unless else Ruling("not confirmed", reason)


class Verdict(NamedTuple):
    """What the records of a campaign come to in one part of a claim."""

    claim: str
    """A key of `CLAIMS`."""
    case: str
    """What it is about, in a few words."""
    predicted: Sequence[Quantity]
    measured: Sequence[Quantity]
    decision: Decision
    reason: str
    section: str = ""
    """Of the page, in whose figures it is seen."""
    curve: tuple[object, ...] = ()
    """The columns of `CURVE` of what the figure must show."""


class Claim(NamedTuple):
    """A claim, and what judges it."""

    sentence: str
    place: float
    judges: list[Judge]


Judge = Callable[["Findings"], Iterable[Verdict]]
"""From what was found to the verdicts on one claim; none where no records speak of it."""

CLAIMS: dict[str, Claim] = {}
"""By name. Ours are those of Ersoy & Wiesner (arXiv 2505.06597, 2606.17120), in the order of their argument."""


def claim(name: str, sentence: str = "", place: float = math.inf) -> Callable[[Judge], Judge]:
    """Register the decorated function as a judge of a claim.

    Args:
        name: Of the claim; a second judge of a claim needs no more than this.
        sentence: What is claimed.
        place: Among the claims; they stand in rising order, and those without a place at the end.
    """

    def register(judge: Judge) -> Judge:
        known = CLAIMS.setdefault(name, Claim(sentence, place, []))
        CLAIMS[name] = known._replace(sentence=sentence or known.sentence, place=min(place, known.place))
        same = judge.__module__, judge.__qualname__  # as of a file that is read again
        known.judges[:] = [each for each in known.judges if (each.__module__, each.__qualname__) != same]
        known.judges.append(judge)
        return judge

    return register


def settled(
    measured: float,
    error: float,
    predicted: float,
    what: str,
    predicted_error: float = 0.0,
    precise: float = PRECISE,
    advice: str = FINER,
) -> Ruling:
    """Set a measurement against its prediction, both with their stated errors.

    Args:
        measured: Value.
        error: Of it.
        predicted: Value.
        what: Name, for the reason.
        predicted_error: Of the prediction, where that has one.
        precise: Part of the prediction that the error of measurement may be, for an agreement to be one.
        advice: What to run where it is larger.
    """
    off = abs(deviation(measured, error, predicted, predicted_error))
    by = f"{what} {off:.1f} errors from the prediction"
    if off > CONTRADICT:
        return refuted(by)
    if error > precise * abs(predicted):
        return undecided(f"{what} is known to {100 * error / abs(predicted):.0f} % only: {advice}")
    return undecided(by) if off > AGREE else confirmed(f"{what} within {AGREE:g} errors of the prediction")


def there(value: float, error: float, what: str, size: float | None = None) -> Ruling:
    """Return whether something that is claimed to be there is: above zero.

    Args:
        value: As measured.
        error: Its stated error.
        what: Name, for the reason.
        size: The least that it must be, if it is there; None if that is not known, and nothing can be missed.
    """
    errors = deviation(value, error, 0.0)
    told = f"{what} {errors:.1f} errors from zero"
    if errors >= SEEN:
        return confirmed(told)
    if errors > NONE:
        return undecided(told)
    seen = size is not None and size >= SEEN * error
    return refuted(told, "" if seen else f", too large ones to see it: {FINER}")


def worst(rulings: Iterable[Ruling], reason: str = "") -> Ruling:
    """Return the ruling on all of several things: not confirmed if one is not, else not decided if one is not.

    Args:
        rulings: On each. Reasons of the same decision are given together, each once.
        reason: If all are confirmed, in place of theirs.
    """
    rulings = list(rulings)
    decisions: tuple[Decision, ...] = ("not confirmed", "not decided", "confirmed")
    for decision in decisions:
        if reasons := dict.fromkeys(each.reason for each in rulings if each.decision == decision):
            return Ruling(decision, (decision == "confirmed" and reason) or "; ".join(reasons))
    return undecided("nothing was measured")
