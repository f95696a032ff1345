"""The launcher for all cores of a machine: processes that stay, so that torch is imported once in each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict


def launch(
    hydra_context: HydraContext,
    config: DictConfig,
    task_function: TaskFunction,
    jobs: Sequence[Sequence[str]],
    first: int,
    workers: int,
) -> list[JobReturn]:
    """Run jobs in processes of their own.

    Args:
        hydra_context: how Hydra loads configuration.
        config: as composed, without the jobs' overrides.
        task_function: what a job does.
        jobs: the overrides of each.
        first: the number of the first.
        workers: how many processes.
    """
    from joblib import Parallel, delayed, parallel_config  # light where nothing is launched

    state = Singleton.get_state()
    # Workers get their share of the cores in threads of numerical libraries: one each.
    with parallel_config(backend="loky", inner_max_num_threads=1):
        return list(
            Parallel(n_jobs=min(workers, len(jobs)), batch_size=1, pre_dispatch="all")(
                delayed(_run)(hydra_context, config, task_function, list(job), number, state)
                for number, job in enumerate(jobs, first)
            )
        )


def _run(
    hydra_context: HydraContext,
    config: DictConfig,
    task_function: TaskFunction,
    overrides: list[str],
    number: int,
    state: Any,
) -> JobReturn:
    Singleton.set_state(state)
    setup_globals()
    job = hydra_context.config_loader.load_sweep_config(config, overrides)
    with open_dict(job):
        job.hydra.job.id = job.hydra.job.num = number
    return run_job(
        hydra_context=hydra_context,
        task_function=task_function,
        config=job,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )
