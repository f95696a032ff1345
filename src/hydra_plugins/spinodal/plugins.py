"""spinodal's sweeper and launchers, where Hydra looks for them; what they do is in `spinodal.planning` and `.cluster`.

Hydra executes this module whenever it looks for plugins: it stays empty of state, and light.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from spinodal.cluster.keys import refuse_haste, store_keys


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
        from spinodal.building.preflight import preflight
        from spinodal.planning.sweep import sweep

        assert self.config is not None
        assert self.launcher is not None
        assert self.hydra_context is not None
        params = [f"{key}={values}" for key, values in self.params.items()]
        loader = cast(ConfigLoaderImpl, self.hydra_context.config_loader)
        return sweep(self.config, loader, self.launcher, params, arguments, preflight)


class Workers(Launcher):
    """Runs jobs on all cores of this machine.

    Args:
        workers: how many processes; as many as there are cores by default.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers
        self.config: DictConfig | None = None
        self.task_function: TaskFunction | None = None
        self.hydra_context: HydraContext | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Takes what Hydra has composed."""
        self.config, self.hydra_context, self.task_function = config, hydra_context, task_function

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Runs jobs, and waits for them."""
        from spinodal.planning.parallelism import cores
        from spinodal.planning.workers import launch

        assert self.config is not None
        assert self.task_function is not None
        assert self.hydra_context is not None
        workers = self.workers or cores()
        return launch(
            self.hydra_context, self.config, self.task_function, job_overrides, initial_job_idx, workers
        )


store_keys()


class Slurm(Launcher):
    """Submits jobs to SLURM and returns.

    Args:
        wait: stay until the jobs have ended, and show how far they are.
        parameters: of submitit.
    """

    def __init__(self, wait: bool = False, **parameters: Any) -> None:
        self.wait, self.parameters = wait, parameters
        self.config: DictConfig | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Takes what Hydra has composed."""
        self.config = config
        refuse_haste(self._resolved())

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Submits jobs."""
        from spinodal.cluster.launcher import launch

        assert self.config is not None
        return launch(self.config, self._resolved(), job_overrides, self.wait)

    def _resolved(self) -> dict[str, Any]:
        return cast(dict[str, Any], OmegaConf.to_container(OmegaConf.create(self.parameters), resolve=True))

    def queued(self, campaign: Path) -> set[str]:
        """Names of the packs that SLURM has already."""
        from spinodal.cluster import queued

        return set(queued(campaign) or ())
