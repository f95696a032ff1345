"""Keys of `hydra/launcher=slurm`: those of the submitit launcher, and what is added to them."""

from __future__ import annotations

from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from hydra_plugins.hydra_submitit_launcher.config import SlurmQueueConf
from omegaconf import OmegaConf


@dataclass
class SlurmKeys(SlurmQueueConf):  # type: ignore[misc]  # is untyped
    """All that the submitit launcher and submitit know, and whether the command waits."""

    _target_: str = "hydra_plugins.spinodal.plugins.Slurm"
    wait: bool = False
    nodelist: str | None = None
    exclusive: bool | None = None
    dependency: str | None = None
    mail_type: str | None = None
    mail_user: str | None = None
    teardown: list[str] | None = None
    srun_args: list[str] | None = None


def store_keys() -> None:
    """Make them known to Hydra, outside the group, or they would be offered as a choice of it."""
    node = OmegaConf.structured(SlurmKeys)
    OmegaConf.set_struct(node.additional_parameters, False)  # any option of sbatch
    ConfigStore.instance().store(name="schema_slurm", node=node, provider="spinodal")
