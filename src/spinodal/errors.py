"""The one exception that means: the person asked for something that cannot be."""

from __future__ import annotations

from collections.abc import Iterable

SHOWN = 20
"""Mistakes that are listed: who makes more has made one of them often."""


class UserError(ValueError):
    """A mistake in what was asked for, told in one or two lines that name the key, the value and what is allowed.

    The command line prints it without a traceback and exits with code 2.
    """


def listed(mistakes: Iterable[str]) -> str:
    """List mistakes in a line each, equal ones once; beyond `SHOWN` their number stands for the rest."""
    lines = list(dict.fromkeys(mistakes))
    more = [f"and {len(lines) - SHOWN} more like these"] if len(lines) > SHOWN else []
    return "\n".join([*lines[:SHOWN], *more])


def in_a_line(error: BaseException) -> str:
    """Return the message of an exception without line breaks."""
    return " ".join(str(error).split())
