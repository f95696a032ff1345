"""spinodal's sweeper, where Hydra looks for one; what it does is in `spinodal.planning`.

Hydra executes this module whenever it looks for plugins: it stays empty of state, and light.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class Planner(Sweeper):
    """Hands packs of checked points to whatever launcher is chosen.

    Args:
        params: sweeps, as an experiment has them: key → values, as on the command line.
    """

    def __init__(self, params: Mapping[str, str] | None = None) -> None:
        self.params = dict(params or {})
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None
        self.hydra_context: HydraContext | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Takes what Hydra has composed."""
        self.config, self.hydra_context = config, hydra_context
        self.launcher = Plugins.instance().instantiate_launcher(
            config=config, hydra_context=hydra_context, task_function=task_function
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Plans, and launches what is left to do."""
        from spinodal.planning.sweep import sweep

        assert self.config is not None
        assert self.launcher is not None
        assert self.hydra_context is not None
        params = [f"{key}={values}" for key, values in self.params.items()]
        return sweep(self.config, self.hydra_context.config_loader, self.launcher, params, arguments)
