"""The one exception that means: the person asked for something that cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from traceback import extract_tb
from typing import Any

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


def ours(function: Callable[..., Any]) -> bool:
    """Return whether a function is one of this program's, and not of a user's own file."""
    return str(getattr(function, "__module__", "")).partition(".")[0] == __name__.partition(".")[0]


@contextmanager
def named(what: str, function: Callable[..., Any]) -> Iterator[None]:
    """Name a function of a user's own, and the line of its file, when it fails within the block; ours raise as they do.

    Args:
        what: That the function makes, as in "section losses".
        function: That is called.

    Raises:
        UserError: In place of what the function raises.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if ours(function):
            raise
        code = getattr(function, "__code__", None)
        lines = [
            each.lineno
            for each in extract_tb(error.__traceback__)
            if code and each.filename == code.co_filename
        ]
        place = f" ({code.co_filename}, line {lines[-1]})" if code and lines else ""
        raise UserError(f"{what}: {type(error).__name__}: {in_a_line(error)}{place}") from error
