"""The command line: `spinodal run` (Hydra's own), `status`, `predict` and `report`.

Nothing heavy is imported here: help answers at once, and a mistake is refused before torch is there.
"""

from __future__ import annotations

import argparse
import errno
import os
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, NoReturn

from spinodal.arguments import parser as other_parser
from spinodal.errors import UserError
from spinodal.waiting import waiting

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from spinodal.report import Report

REFUSED = 2
"""Exit code for something that cannot be done as asked."""

UNWRITABLE = {
    getattr(errno, name)
    for name in ("EACCES", "EDQUOT", "EEXIST", "EISDIR", "ENOSPC", "ENOTDIR", "EPERM", "EROFS")
    if hasattr(errno, name)
}
"""What the system says when a folder cannot be written to, or a disk is full."""

LOOKS = re.compile(r"-(h|c|i|sc|-help|-hydra-help|-version|-cfg|-info|-shell-completion)(=|$)")
"""Flags that ask for a text, which stands on the terminal alone."""

SECRET = re.compile(r"(\w*(?:api_key|token|secret|password))=\S+", re.IGNORECASE)
"""What somebody may have put where it does not belong must not be repeated to a log."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command of `spinodal`; its mistakes are told in a line each.

    Args:
        arguments: those of the process by default.

    Returns:
        The exit code: 0, or 2 if the command was refused.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        match arguments:
            case ["run", *rest]:
                return _run(rest)
            case ["predict", *rest]:
                return _predict(rest)
            case ["probe", *rest]:
                return _probe(rest)
            case ["cancel", *rest]:
                return _cancel(rest)
            case ["-sc" | "--shell-completion", *_]:
                return _complete(arguments)
            case _:
                return _other(arguments)
    except UserError as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        print("error: " + SECRET.sub(r"\1=…", str(error)).replace("\n", "\n       "), file=sys.stderr)
        return REFUSED
    except OSError as error:
        # Hydra and W&B write too, and do not say it in a line.
        if error.errno not in UNWRITABLE or os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        print(f"error: {error.filename or 'the output folder'}: {error.strerror}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        return 130


def run_job(cfg: DictConfig) -> None:
    """One job, in whatever process Hydra's launcher starts it: a pack, or without the planner a configuration."""
    from spinodal.planning import validate

    plan = None if cfg.get("pack") else validate(cfg)

    with waiting("loading torch"):
        from spinodal.job import run, run_pack

    if plan is None:
        run_pack(Path(cfg.paths.campaign), cfg.pack, where=_name_of_job())
    else:
        from hydra.core.hydra_config import HydraConfig

        run(plan, [str(each) for each in HydraConfig.get().overrides.task])


def _name_of_job() -> str:
    from hydra.core.hydra_config import HydraConfig

    job: Any = HydraConfig.get().job
    return str(job.get("id", ""))


def _run(arguments: list[str]) -> int:
    looks = any(LOOKS.match(each) for each in arguments)
    with nullcontext() if looks else waiting("starting"):
        from hydra._internal.utils import get_args_parser
        from hydra.errors import HydraException
        from omegaconf.errors import OmegaConfBaseException
        from yaml import YAMLError  # type: ignore[import-untyped]

        from spinodal.planning import config_loader, expand, handover
        from spinodal.planning.explain import explain

    parser = get_args_parser()
    parser.error = _refuse  # type: ignore[method-assign]
    flags = parser.parse_intermixed_args(arguments)
    looking = flags.cfg or flags.info or flags.help or flags.hydra_help or flags.shell_completion
    if looking and (flags.run or flags.multirun):
        raise UserError(
            "--multirun and --run do not go together with --cfg, --info, --help, --shell-completion"
        )
    if flags.resolve and not (flags.cfg or flags.help):
        raise UserError("--resolve goes together with --cfg")
    if flags.help:
        return _help(flags.config_dir)
    elsewhere = flags.config_path or flags.experimental_rerun
    if not (looking or flags.run):
        handover.refuse_sweepers_that_forget(flags.overrides)
    try:
        shown = handover.device_shown(flags) if flags.cfg and not elsewhere else []
        _hydra([*shown, *handover.overrides_first(arguments, flags.overrides)])
    except UserError:
        raise
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError, TypeError) as error:
        if _from_job(error):
            raise
        if not (looking or elsewhere):
            # Hydra stops at the first mistake.
            expand(flags.overrides, config_loader(flags.config_dir), flags.config_name or "config")
        if not isinstance(error, HydraException | OmegaConfBaseException | YAMLError) and not looking:
            raise
        raise UserError(explain(error)) from error
    return 0


def _predict(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="spinodal predict",
        description="Says where the transitions of a task must be, from its measured strengths: exact theory of deep "
        "linear networks, nothing is trained. The phase diagram is drawn into outputs/<campaign>/prediction/.",
        epilog="For example: spinodal predict data=digits data.complexity=3 model=deep_linear model.depth=3",
    )
    parser.add_argument("overrides", nargs="*", help="as for spinodal run, whose --help lists them")
    parser.add_argument("--config-dir", "-cd", help="a folder of further configuration")
    parser.add_argument("--config-name", "-cn", default="config", help="of the primary configuration")
    parser.error = _refuse  # type: ignore[method-assign]
    flags = parser.parse_intermixed_args(arguments)

    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    from spinodal.planning import plan
    from spinodal.planning.explain import explain

    _find_modules_here()
    try:
        planned = plan(flags.overrides, config_dir=flags.config_dir, config_name=flags.config_name)

        with waiting("loading torch"):
            from spinodal.predict import main as predict_main

        return predict_main(planned, flags.overrides)
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        raise UserError(explain(error)) from error


def _probe(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="spinodal probe",
        description="Says what the networks of a checkpoint sit in: a metastable minimum, a saddle, or a slow slope. "
        "They are relaxed, their λ is moved down and up and back, and they are shaken by noise.",
    )
    parser.add_argument("checkpoint", type=Path, help="as in outputs/grokking/checkpoints/0123456789ab.ckpt")
    parser.error = _refuse  # type: ignore[method-assign]
    flags = parser.parse_args(arguments)
    _find_modules_here()

    with waiting("loading torch"):
        from spinodal.probe import main as probe_main

    return probe_main(flags.checkpoint)


def _cancel(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="spinodal cancel", description="Ends what a campaign has queued or running on SLURM."
    )
    parser.add_argument("campaign", type=Path, help="its folder, as in outputs/onset")
    parser.error = _refuse  # type: ignore[method-assign]
    campaign = parser.parse_args(arguments).campaign
    if not campaign.is_dir():
        raise UserError(f"cancel {campaign}: no such folder; a campaign is a folder under outputs/")

    from spinodal.cluster.cancel import main as cancel_main

    return cancel_main(campaign)


def _help(config_dir: str | None) -> int:
    """What Hydra would print, which takes a second to list the groups."""
    from omegaconf import OmegaConf

    from spinodal.planning import conf_dir

    choices: dict[str, set[str]] = {}
    for folder in (conf_dir(), *([Path(config_dir)] if config_dir else [])):
        for path in folder.glob("*/*.yaml"):
            choices.setdefault(path.parent.name, set()).add(path.stem)
    groups = "".join(f"{group}: {', '.join(sorted(names))}\n" for group, names in sorted(choices.items()))
    text = OmegaConf.load(conf_dir() / "hydra" / "help" / "spinodal.yaml").template
    print(Template(text).substitute(APP_CONFIG_GROUPS=groups))
    return 0


def _hydra(arguments: list[str]) -> None:
    """Hand over to Hydra, in the environment it wants."""
    import hydra

    from spinodal.planning import VERSION_BASE, conf_dir

    _find_modules_here()
    with _environment(arguments):
        hydra.main(version_base=VERSION_BASE, config_path=str(conf_dir()), config_name="config")(run_job)()


def _find_modules_here() -> None:
    """Modules of one's own, named by _target_."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())


@contextmanager
def _environment(arguments: list[str]) -> Iterator[None]:
    argv, full_error = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = ["spinodal", *arguments]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come here to be explained, instead of ending the process
    try:
        yield
    finally:
        sys.argv = argv
        if full_error is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = full_error


def _from_job(error: BaseException) -> bool:
    """Whether a job has failed, which is no mistake of the command's: what it raised comes back this way."""
    return any(frame.name == "return_value" for frame in traceback.extract_tb(error.__traceback__))


def _complete(arguments: list[str]) -> int:
    """The shell asks `spinodal`, not `spinodal run` or `spinodal predict`, how a line may go on."""
    line = os.environ.get("COMP_LINE", "")
    command = re.match(r"\s*\S+\s+(run|predict)\s", line)
    if "query" in " ".join(arguments) and not command:
        print("run status cancel predict probe report sync dashboard")
        return 0
    os.environ["COMP_LINE"] = "spinodal " + line[command.end() :] if command else line
    return _run(arguments)


def _other(arguments: list[str]) -> int:
    flags = other_parser(_refuse).parse_args(arguments)
    if flags.command in ("sync", "dashboard"):
        from spinodal.tracking import commands

        return commands.sync(flags) if flags.command == "sync" else commands.dashboard(flags)
    if not flags.campaign.is_dir():
        raise UserError(
            f"{flags.command} {flags.campaign}: no such folder; a campaign is a folder under outputs/"
        )
    if flags.command == "status":
        from spinodal.status import main as status_main

        return status_main(flags.campaign, flags.failed, flags.points, flags.watch)

    with waiting("loading"):
        from spinodal import report

    if flags.claims:
        if flags.curve or flags.wandb or flags.format or flags.width:
            raise UserError(
                "report --claims: prints the verdicts and draws nothing; --curve, --wandb, --format and --width go "
                "without it"
            )
        return report.print_claims(flags.campaign, flags.modules)
    look = report.Look(tuple(flags.format or ["pdf"]), flags.width) if flags.format or flags.width else None
    return report.main(flags.campaign, flags.curve, _publish if flags.wandb else None, look, flags.modules)


def _publish(made: Report) -> str:
    """Log a report on W&B, as it lies in its folder."""
    from spinodal.tracking.report_run import publish

    return publish(made.campaign.folder)


def _refuse(message: str) -> NoReturn:
    raise UserError(f"{message}; spinodal --help and spinodal run --help say more")


if __name__ == "__main__":
    sys.exit(main())
