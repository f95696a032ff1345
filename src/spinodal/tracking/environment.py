"""The environment of a process that W&B's own code runs in."""

from __future__ import annotations

import os

SERVICE = "WANDB_SERVICE"
"""Where W&B notes how to reach the process behind it: a child would share it with its parent."""


def afresh() -> dict[str, str]:
    """This process's environment, key and all, for a child whose W&B begins afresh."""
    return {name: value for name, value in os.environ.items() if name != SERVICE}
