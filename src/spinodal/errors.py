"""The one exception that means: the person asked for something that cannot be."""

from __future__ import annotations


class UserError(ValueError):
    """A mistake in what was asked for, told in one or two lines that name the key, the value and what is allowed.

    The command line prints it without a traceback and exits with code 2.
    """
