"""Keys of `hydra/launcher=slurm`: those of the submitit launcher, and what is added to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra_plugins.hydra_submitit_launcher.config import SlurmQueueConf
from omegaconf import OmegaConf

from spinodal.errors import UserError


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


def refuse_haste(parameters: Mapping[str, Any]) -> None:
    """Check that a job has time between its start and the warning that its time is up.

    The warning sends a job back to the queue. SLURM gives it up to a minute early, and a job takes some 15 s to start:
    warned before its first checkpoint, it would be requeued for ever.

    Args:
        parameters: of submitit.

    Raises:
        UserError: If the warning comes before half of the time limit.
    """
    limit, delay = parameters.get("timeout_min"), parameters.get("signal_delay_s")
    if limit is None or delay is None or delay <= 30 * limit:
        return
    raise UserError(
        f"hydra.launcher.signal_delay_s={delay}: must be at most {30 * limit}, half of "
        f"hydra.launcher.timeout_min={limit} in seconds: jobs are warned that long before their time limit, and need "
        "the other half to get on"
    )


def store_keys() -> None:
    """Make them known to Hydra, outside the group, or they would be offered as a choice of it."""
    node = OmegaConf.structured(SlurmKeys)
    OmegaConf.set_struct(node.additional_parameters, False)  # any option of sbatch
    ConfigStore.instance().store(name="schema_slurm", node=node, provider="spinodal")
