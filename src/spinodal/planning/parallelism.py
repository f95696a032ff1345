"""How many jobs a launcher runs at a time, and what memory each of them has."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spinodal.errors import UserError
from spinodal.planning.explain import shown

GB = 2**30

IN_PROCESS = {"_target_": "hydra._internal.core_plugins.basic_launcher.BasicLauncher"}
"""The configuration of the launcher that runs one job after the other in this process."""


def cores() -> int:
    """Those this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def jobs_at_once(launcher: Mapping[str, Any]) -> int:
    """How many jobs run at the same time.

    Args:
        launcher: its configuration, `hydra.launcher`.

    Raises:
        UserError: If `workers` is no number of processes.
    """
    kind = str(launcher.get("_target_")).rpartition(".")[2]
    if kind == "SlurmLauncher" or "array_parallelism" in launcher:
        return max(1, int(launcher.get("array_parallelism") or 1))
    if kind == "LocalLauncher":  # submitit's
        return max(1, cores() // int(launcher.get("cpus_per_task") or 1))
    if "workers" in launcher:
        workers = launcher["workers"]
        if workers is not None and (type(workers) is not int or workers < 1):
            raise UserError(f"hydra.launcher.workers={shown(workers)}: must be an integer ≥ 1, or null")
        return workers or cores()
    return 1


def at_once(launcher: Mapping[str, Any]) -> int | None:
    """How many jobs a launcher should be handed at a time; None if it knows itself how many to start.

    Args:
        launcher: its configuration.
    """
    submitit_local = str(launcher.get("_target_")).endswith("submitit_launcher.LocalLauncher")
    return jobs_at_once(launcher) if submitit_local else None


def gpus(launcher: Mapping[str, Any]) -> bool:
    """Whether each job is given a GPU that the batch system knows of.

    Args:
        launcher: its configuration.
    """
    asked = (launcher.get("gpus_per_node"), launcher.get("gpus_per_task"))
    return any(each not in (None, 0) for each in asked) or "gpu" in str(launcher.get("gres") or "")


def here(launcher: Mapping[str, Any]) -> bool:
    """Whether jobs run on this machine."""
    return str(launcher.get("_target_")).rpartition(".")[2] in {"BasicLauncher", "LocalLauncher", "Workers"}


def bytes_per_job(launcher: Mapping[str, Any], asked_gb: float | None) -> float | None:
    """Memory of one job; None if nobody knows.

    Args:
        launcher: its configuration.
        asked_gb: as `packing.memory_gb` says.
    """
    if asked_gb is not None:
        return asked_gb * GB
    if launcher.get("mem_gb"):
        return float(launcher["mem_gb"]) * GB
    return _available() / jobs_at_once(launcher) if here(launcher) else None


def _available() -> float:
    """What this machine can still give, within the limit of the container this runs in."""
    found = [_meminfo()]
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        try:
            found.append(float(Path(limit).read_text()) - float(Path(used).read_text()))
        except (OSError, ValueError):
            continue  # there is none, or it is "max"
    return min(found)


def _meminfo() -> float:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return next(float(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
