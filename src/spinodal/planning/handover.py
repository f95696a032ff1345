"""Between what was typed and Hydra's own command line: what it would not take, forget, or not show."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from hydra.types import RunMode
from omegaconf import OmegaConf

from spinodal.errors import UserError
from spinodal.planning.loading import config_loader


def device_shown(flags: argparse.Namespace) -> list[str]:
    """What the planner adds to a command for its launcher, so that --cfg shows it, too."""
    if not any("launcher" in each for each in flags.overrides) and not flags.config_dir:
        return []
    from spinodal.planning.sweep import device  # not for each command that only looks

    loader = config_loader(flags.config_dir)
    cfg = loader.load_configuration(flags.config_name or "config", list(flags.overrides), RunMode.RUN)
    launching = OmegaConf.to_container(cfg.hydra.launcher, resolve=False)
    assert isinstance(launching, dict)
    named: dict[str, Any] = {str(key): value for key, value in launching.items()}
    return device(named, flags.overrides, cfg.hydra.sweeper.get("params") or ())


def overrides_first(arguments: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """Arguments in an order that Hydra's parser takes, which gives up on overrides after a flag after overrides."""
    flags = list(arguments)
    for each in overrides:
        flags.remove(each)
    return [*overrides, *flags]


def refuse_sweepers_that_forget(overrides: Sequence[str]) -> None:
    """Hydra's own sweeper keeps the last of several overrides of a key, even a choice and a dictionary of values."""
    sweepers = [each for each in overrides if each.startswith("hydra/sweeper=")]
    keys = [each.partition("=")[0] for each in overrides]
    twice = [key for key in dict.fromkeys(keys) if keys.count(key) > 1]
    if twice and sweepers and sweepers[-1] != "hydra/sweeper=planner" and "hydra.mode=RUN" not in overrides:
        raise UserError(
            f"{twice[0]}: is given twice, of which {sweepers[-1]} forgets one; leave out {sweepers[-1]}"
        )
