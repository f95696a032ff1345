"""The launcher for all cores of a machine: processes that stay, so that torch is imported once in each."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stderr
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict
from rich.console import Console

from spinodal.planning.bar import LaunchProgress


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

    # The standard error as it is now: jobs in this process have it collected.
    state, console = Singleton.get_state(), Console(file=sys.stderr)
    packs = {number: _pack(job) for number, job in enumerate(jobs, first)}
    # Several processes would draw over each other: on a terminal one bar stands for all. A single job draws its own.
    planned = console.is_terminal and None not in packs.values() and len(jobs) > 1
    names = [pack for pack in packs.values() if pack is not None]
    bar = LaunchProgress(Path(config.paths.campaign), names, console) if planned else None
    returned: dict[int, JobReturn] = {}
    # Workers get their share of the cores in threads of numerical libraries: one each.
    with parallel_config(backend="loky", inner_max_num_threads=1), bar or nullcontext():
        ends = Parallel(
            n_jobs=min(workers, len(jobs)),
            batch_size=1,
            pre_dispatch="all",
            return_as="generator_unordered",
        )(
            delayed(_run)(hydra_context, config, task_function, list(job), number, state, planned)
            for number, job in enumerate(jobs, first)
        )
        for number, result, said in ends:
            returned[number] = result
            if bar is not None:
                bar.console.print(said.rstrip(), soft_wrap=True, markup=False, highlight=False)
                bar.ended(str(packs[number]))
    return [returned[number] for number in sorted(returned)]


def _pack(job: Sequence[str]) -> str | None:
    """The pack that a job's overrides name."""
    named = (re.fullmatch(r"pack='?([^']+)'?", each) for each in job)
    return next((match[1] for match in named if match), None)


def _run(
    hydra_context: HydraContext,
    config: DictConfig,
    task_function: TaskFunction,
    overrides: list[str],
    number: int,
    state: Any,
    quiet: bool,
) -> tuple[int, JobReturn, str]:
    """The number of the job, what Hydra returns of it, and, if it is to be quiet, what it has said."""
    Singleton.set_state(state)
    setup_globals()
    job = hydra_context.config_loader.load_sweep_config(config, overrides)
    with open_dict(job):
        job.hydra.job.id = job.hydra.job.num = number
    said = io.StringIO()
    with redirect_stderr(said) if quiet else nullcontext():
        returned = run_job(
            hydra_context=hydra_context,
            task_function=task_function,
            config=job,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )
    return number, returned, said.getvalue()
