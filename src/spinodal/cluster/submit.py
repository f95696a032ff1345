"""Packs become arrays of SLURM jobs: split as the cluster wants it, submitted, told."""

from __future__ import annotations

import getpass
import os
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from spinodal.campaign import Submission, pack_file, read_pack, write_submission
from spinodal.cluster import slurm, snapshot
from spinodal.cluster.queue import script_file
from spinodal.errors import UserError

SECONDS_TO_BE_SEEN = 60
"""How long a job waits for the code to become visible on its node."""


class Jobs(NamedTuple):
    """What is to be submitted.

    Attributes:
        campaign: its folder.
        packs: by name, overrides their points share.
        parameters: of submitit.
        environment: variables of the jobs.
    """

    campaign: Path
    packs: Mapping[str, Sequence[str]]
    parameters: Mapping[str, Any]
    environment: Mapping[str, str]


def submit(jobs: Jobs, console: Console) -> list[Submission]:
    """Submit packs, a job each as long as SLURM takes as many, and show what was submitted and how to follow it.

    What is killed on the way leaves nothing half submitted: SLURM has an array, or does not, and each job finds what
    it needs in files that were written before.

    Raises:
        UserError: If SLURM refuses them, or a parameter is none.
    """
    campaign = jobs.campaign.resolve()
    parameters = {name: value for name, value in jobs.parameters.items() if value is not None}
    logs, restarts = Path(parameters.pop("submitit_folder")), int(parameters.pop("max_num_timeout", 0))
    logs = logs if logs.is_absolute() else Path.cwd() / logs
    _refuse_lines(parameters, logs)
    configs = [read_pack(pack_file(campaign, name)).config for name in jobs.packs]
    template = Submission(
        name="",
        campaign=str(campaign),
        tasks=(),
        overrides=jobs.packs,
        code=str(snapshot.take(campaign, configs)),
        logs=str(logs),
        folder=os.getcwd(),
        user=getpass.getuser(),
        environment=dict(jobs.environment),
        restarts=restarts,
    )
    left, largest, done = list(jobs.packs), slurm.max_array_size(), []
    try:
        while left:
            chunk, left = left[:largest], left[largest:]
            try:
                done.append(_array(template, chunk, parameters))
            except slurm.TooManyJobsError as error:
                there = sum(len(task) for each in done for task in each.tasks)
                raise UserError(
                    f"{error}\n{there} of {len(jobs.packs)} packs were submitted; the same command submits the others "
                    "when jobs have ended"
                ) from error
            _tell(done[-1], console)
    finally:
        if done:
            console.print(how_to_follow(jobs.campaign), soft_wrap=True, markup=False)
    return done


def how_to_follow(campaign: Path) -> str:
    """The commands that show and end the jobs of a campaign."""
    return f"spinodal status {campaign} says how far they are (--watch), spinodal cancel {campaign} ends them"


def _array(template: Submission, packs: Sequence[str], parameters: Mapping[str, Any]) -> Submission:
    """Submit packs as one array: with fewer jobs that compute more packs each, if SLURM takes no more."""
    count = len(packs)
    while True:
        tasks = [list(packs[place::count]) for place in range(count)]
        name = time.strftime("%Y-%m-%d_%H-%M-%S", time.gmtime()) + f".{time.time_ns() % 10**9 // 1000:06d}"
        submission = replace(
            template,
            name=name,
            tasks=tasks,
            overrides={pack: template.overrides[pack] for pack in packs},
            logs=str(Path(template.logs) / name),
        )
        file = write_submission(submission)
        try:
            job = slurm.sbatch(_script(submission, file, parameters))
        except slurm.TooManyJobsError:
            file.unlink()
            if count == 1:
                raise
            count = -(-count // 2)
            continue
        except UserError:
            file.unlink()
            raise
        submission = replace(submission, job=job)
        write_submission(submission)
        return submission


def _script(submission: Submission, file: Path, parameters: Mapping[str, Any]) -> str:
    from submitit.slurm.slurm import SlurmExecutor, _make_sbatch_string

    code, whole = submission.code, Path(submission.code) / snapshot.WHOLE
    setup = [
        # Since 22.05 srun does not take this over from sbatch.
        'export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}"',
        f"export PYTHONPATH={shlex.quote(code)}${{PYTHONPATH:+:$PYTHONPATH}}",
        f"for _ in {{1..{SECONDS_TO_BE_SEEN}}}; do [[ -e {shlex.quote(str(whole))} ]] && break; sleep 1; done",
    ]
    # -P: what lies in the working directory is not what was submitted.
    command = shlex.join([sys.executable, "-P", "-u", "-m", "spinodal.cluster.task", str(file)])
    given = dict(parameters)
    given["setup"] = [*(given.get("setup") or ()), *setup]
    more = given.get("additional_parameters") or {}
    given["additional_parameters"] = more if "no-requeue" in more else {"requeue": True, **more}
    named = SlurmExecutor._equivalence_dict()
    given = {str(named.get(name, name)): value for name, value in given.items()}
    if "mem" in given:
        given["mem"] = f"{round(given['mem'] * 1024)}MB"
    try:
        text = _make_sbatch_string(
            command=command, folder=submission.logs, map_count=len(submission.tasks), **given
        )
    except TypeError as error:
        raise UserError(f"hydra.launcher: {error}") from error
    script = script_file(submission)
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(text, encoding="utf-8")
    return str(script)


def _refuse_lines(parameters: Mapping[str, Any], logs: Path) -> None:
    """What is written into a line must not go on in the next, where a shell would run it."""
    if set(str(logs)) & set("%\\\n\r"):
        raise UserError(
            f"{str(logs)!r}: SLURM cannot write logs to a folder with %, \\ or a line break in its name"
        )
    for name in ("nodes", "tasks_per_node"):
        if parameters.get(name, 1) != 1:
            raise UserError(
                f"hydra.launcher.{name}={parameters[name]}: must be 1, since a job is one process"
            )
    for name, value in parameters.items():
        said = list(value.items()) if name == "additional_parameters" else [(name, value)]
        for key, each in said:
            if name != "setup" and any(mark in f"{key}{each}" for mark in "\n\r\0"):
                raise UserError(f"hydra.launcher.{name}={each!r}: must be a single line")
            if not str(key).replace("-", "").replace("_", "").isalnum():
                raise UserError(f"hydra.launcher.{name}: {key!r} is no option of sbatch")


def _tell(submission: Submission, console: Console) -> None:
    packs = sum(len(each) for each in submission.tasks)
    jobs = len(submission.tasks)
    many = (
        f", up to {-(-packs // jobs)} packs in each, since SLURM takes no more jobs of yours"
        if packs > jobs
        else ""
    )
    console.print(
        f"submitted array {submission.job} with {jobs} job{'s' if jobs > 1 else ''}{many}; logs in {submission.logs}",
        soft_wrap=True,
        markup=False,
    )
